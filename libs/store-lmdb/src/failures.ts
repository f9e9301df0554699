/** What a commit that failed means to a caller. */
import { constants } from 'node:os';
import { GridpostError } from '@gridpost/model';

const { ENOSPC, EFBIG, EDQUOT, EIO } = constants.errno;
/** MDB_MAP_FULL and MDB_TXN_FULL: the map, or what one transaction may change, is used up. */
const mapFull = -30_792;
const txnFull = -30_788;
const fullCodes: ReadonlySet<number> = new Set([ENOSPC, EFBIG, EDQUOT, mapFull, txnFull]);

interface LmdbError extends Error {
  /** An errno or an LMDB code. */
  readonly code?: number;
  /** Rejects with the error that has the code; unhandled unless awaited. */
  readonly commitError?: Promise<never>;
}

/**
 * The catalogue error for a failed commit. LMDB writes the new pages first and the page that makes them valid last: an
 * error for want of room has therefore stored nothing, while an input/output error may have met that last page.
 */
export async function failureOf(error: LmdbError): Promise<GridpostError> {
  const cause: LmdbError = error.commitError
    ? await error.commitError.catch((reason: LmdbError) => reason)
    : error;
  const options = { cause };
  if (cause.code !== undefined && fullCodes.has(cause.code)) {
    return new GridpostError('StoreFull', `the disk has no room left: ${cause.message}`, options);
  }
  if (cause.code === EIO)
    return new GridpostError('OutcomeUnknown', `the disk failed: ${cause.message}`, options);
  return new GridpostError('StoreUnavailable', `a commit failed: ${cause.message}`, options);
}
