/**
 * A store that comes back from a crash or a failover may have lost its last writes, although it had confirmed them. Then
 * entries that were settled are in the log again, behind the place up to which it has been read; or new entries got ids
 * that lie behind it. Both are found at the front of the log: whatever stands there is in hand, or the next to be read.
 */
import type { EntryId } from '@gridpost/model';
import type { Store } from '@gridpost/store';
import type { Site } from './site.js';

/** Up to where a log has been read, at the moment of the call. */
export interface Place {
  after(): EntryId | undefined;
  /** The first of what has been read and is not in hand yet. */
  fetched(): EntryId | undefined;
}

/** Whether the log holds something that was or will be passed over. Rejects as `read` does. */
export async function frontIsOdd(
  store: Pick<Store, 'read'>,
  site: Pick<Site, 'partition' | 'epoch' | 'knows'>,
  place: Place,
): Promise<boolean> {
  const first = async (from: EntryId | undefined): Promise<EntryId | undefined> => {
    const { entries } = await store.read(site.partition, site.epoch, from, { entriesMax: 1, bytesMax: 1 });
    return entries[0]?.id;
  };
  const known = (id: EntryId): boolean => site.knows(id) || place.fetched() === id;
  const front = await first(undefined);
  if (front === undefined || known(front)) return false;
  const next = await first(place.after());
  if (front === next || known(front)) return false;
  // It may have been read, delivered and settled between the two: then it is gone.
  return front === (await first(undefined));
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
