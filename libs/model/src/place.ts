/** Where an event stands in the store, and the identity of a delivery that follows from it. */
import type { Incarnation } from './names.js';

/**
 * Identity of a log entry in its partition: `[0-9a-f-]`, at most 32 characters, never used twice in a partition.
 * Entries compare by the store's order of reading, not by their text.
 */
export type EntryId = string;

/** An event's place: partition, entry, and its index in the entry. It stays the same for the event's whole life. */
export interface Place {
  readonly partition: number;
  readonly entry: EntryId;
  readonly index: number;
}

/**
 * The id under which every attempt of a delivery is made, also after a crash or a redrive, so that a receiver can tell
 * a repetition. Unique per event and subscription.
 */
export function messageId(place: Place, subscription: Incarnation): string {
  return `msg_${place.partition}_${place.entry}_${place.index}_${subscription}`;
}
