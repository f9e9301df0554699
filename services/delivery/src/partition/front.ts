/**
 * A store that comes back from a crash or a failover may have lost its last writes, although it had confirmed them. Then
 * entries that were settled are in the log again, behind the place up to which it has been read; or new entries got ids
 * that lie behind it. Both are found at the front of the log: whatever stands there is in hand, or the next to be read.
 */
import type { EntryId } from '@gridpost/model';
import type { Store } from '@gridpost/store';
import type { Site } from './site.js';

/**
 * Whether the log holds something that was or will be passed over. `after` tells up to where it has been read, at the
 * moment of the call. Rejects as `read` does.
 */
export async function frontIsOdd(
  store: Store,
  site: Site,
  after: () => EntryId | undefined,
): Promise<boolean> {
  const first = async (from: EntryId | undefined): Promise<EntryId | undefined> => {
    const { entries } = await store.read(site.partition, site.epoch, from, { entriesMax: 1, bytesMax: 1 });
    return entries[0]?.id;
  };
  const front = await first(undefined);
  if (front === undefined || site.knows(front)) return false;
  const next = await first(after());
  return front !== next && !site.knows(front);
}

/** The reading of a log from its front again. */
export interface Rereading {
  /** Acceptance of the last entry read before: older ones may have been attempted. */
  readonly before: number;
  /** The store's clock at the beginning: what was accepted later has not been read. */
  readonly until: number;
  /** Everything older has been read. */
  passed: boolean;
}
