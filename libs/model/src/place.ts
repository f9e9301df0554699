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

/** Why an event is appended again: from a topic's history, or in place of a dead letter; `resent` is one that was edited. */
export type DirectionCause = 'replayed' | 'redriven' | 'resent';

/** What a directed event (`directed.ts`) says of itself. */
export interface Direction {
  /** The subscription it is for. Nobody else is offered it, and no filter is asked. */
  readonly only: Incarnation;
  readonly cause: DirectionCause;
  /** The job that sends it, which receivers are told. */
  readonly job?: string;
  /** Where the event stood first, in the same partition. Absent from one that was edited: it is another message. */
  readonly original?: Original;
}

/** Where an event stood before it was appended again. */
export interface Original {
  readonly entry: EntryId;
  readonly index: number;
  readonly acceptedAt: number;
}
