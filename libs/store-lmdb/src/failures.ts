/** What a commit that failed means to a caller. */
import { constants } from 'node:os';
import { GridpostError } from '@gridpost/model';

const { ENOSPC, EFBIG, EDQUOT, EIO } = constants.errno;
/** MDB_MAP_FULL and MDB_TXN_FULL: the map, or what one transaction may change, is used up. */
const mapFull = -30_792;
const txnFull = -30_788;
/** LMDB says `EIO` as well when a write was cut short because the disk became full in the middle of it. */
const fullCodes: ReadonlySet<number> = new Set([ENOSPC, EFBIG, EDQUOT, EIO, mapFull, txnFull]);

interface LmdbError extends Error {
  /** An errno or an LMDB code. */
  readonly code?: number;
  /** Rejects with the error that has the code; an unhandled rejection unless somebody listens. */
  readonly commitError?: Promise<never>;
}

/**
 * The catalogue error for a failed commit. In either case nothing has been stored: LMDB writes the new pages first and
 * makes them valid, by overwriting a page that is there already, last.
 */
export async function failureOf(error: LmdbError): Promise<GridpostError> {
  const cause: LmdbError = error.commitError
    ? await error.commitError.catch((reason: LmdbError) => reason)
    : error;
  const options = { cause };
  return cause.code !== undefined && fullCodes.has(cause.code)
    ? new GridpostError('StoreFull', `the disk takes no more: ${cause.message}`, options)
    : new GridpostError('StoreUnavailable', `a commit failed: ${cause.message}`, options);
}
