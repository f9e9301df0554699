/** What is appended, who owns a partition, and what its owner reads. */
import type { EntryId, Incarnation } from '@gridpost/model';

/** An event to append: its topic, and the frame of `frameEvent`. */
export interface PendingEvent {
  readonly topic: Incarnation;
  readonly frame: Buffer;
  /**
   * 16 bytes that tell the event from all others of its topic, for topics in `AppendOptions.unique`. Not part of the log
   * entry.
   */
  readonly identity?: Buffer;
}

/** One unit of the log: up to 128 events or 256 KiB (more only for a single larger event), appended together. */
export interface LogEntry {
  readonly id: EntryId;
  readonly acceptedAt: number;
  readonly events: readonly PendingEvent[];
  /** Size of the entry as stored. */
  readonly bytes: number;
}

export interface AppendOptions {
  /** Topics that keep a history: their events are also appended to it, in the same atomic step, under the same place. */
  readonly retained?: ReadonlySet<Incarnation>;
  /**
   * Topics with duplicate detection. An event of theirs with an `identity` is not stored again if one of this identity was
   * stored within the window; one request's own events count. Looked up and remembered in the step that appends, so that
   * identities are remembered of stored events only, and of all of them.
   */
  readonly unique?: ReadonlyMap<Incarnation, UniqueWithin>;
}

export interface UniqueWithin {
  /**
   * How long after its acceptance an event's identity is looked for, by the store's clock. It counts as of this call: a
   * longer one than before finds what is still remembered, a shorter one forgets. A duplicate does not prolong it.
   */
  readonly windowMs: number;
  /** Identities of the topic to remember at most; the oldest go first, also within the window. At least 1. */
  readonly identitiesMax: number;
}

export interface AppendResult {
  /** The configuration version this partition knows, so that a gateway notices a change made elsewhere. */
  readonly version: number;
  /** Indexes, in the call, of the events that were duplicates and not stored, ascending; only if there are any. */
  readonly duplicates?: readonly number[];
  /** How many identities of a topic `identitiesMax` made this call forget within their window; only where not zero. */
  readonly forgotten?: ReadonlyMap<Incarnation, number>;
}

/** What is remembered for duplicate detection. */
export interface RememberedIdentities {
  readonly topic: Incarnation;
  readonly count: number;
}

export interface Claim {
  readonly epoch: number;
  /**
   * Set when the previous owner did not release: the last entry it may have been working on. Entries up to and
   * including this one are suspect and are processed one event at a time (`begin`). At most `suspectEvents` events lie
   * before it, counted from the front of the log.
   */
  readonly suspectUpTo?: EntryId;
}

export interface ReadLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export interface ReadResult {
  /** In log order, after the given entry. At least one if there is any, even if it alone is over `bytesMax`. */
  readonly entries: readonly LogEntry[];
  /** Whether there may be entries behind these. If not, the next append to the partition is hinted at (`onAppend`). */
  readonly more: boolean;
  /** The configuration version written to this partition; read atomically with the entries, or after them. */
  readonly version: number;
  /** The store's clock. */
  readonly now: number;
}
