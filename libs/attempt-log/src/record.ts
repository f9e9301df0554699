/** What the attempt log says about a delivery: one record for each attempt, and for each change of its state without one. */
import type {
  AttemptOutcome,
  DeadLetterReason,
  Direction,
  DropReason,
  EntryId,
  Incarnation,
  Scope,
} from '@gridpost/model';

/** What a deployment records: attempts that failed and what was given up, the rest as well, or nothing. */
export type AttemptLogLevel = 'all' | 'failures' | 'off';

/** What one attempt met; of an event that was received, what its consumer said. */
export type RecordedOutcome = AttemptOutcome | 'Acknowledged' | 'Released' | 'Rejected';

export interface RecordedAttempt {
  /** 1 is the first that counts. One that was cut has the number of the next. Of a reception: how often it was received. */
  readonly number: number;
  readonly durationMs: number;
  readonly outcome: RecordedOutcome;
  /** HTTP status, if there was a response. */
  readonly status?: number | undefined;
  /** One line about a failure, without secrets. */
  readonly error?: string | undefined;
}

/**
 * What became of the delivery. `deferred` and `leased` until an instant of the store's clock; `leased` stands for an
 * attempt that runs when the record is made, with `reason` `lockExpired` for an event that is received again because its
 * last lock ran out. `sentOn`: the event of a dead letter went on as an event of its own, to the subscription `target`, or
 * edited to the one that it was for.
 */
export type Ending =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'deferred'; readonly until: number; readonly reason: string }
  | { readonly kind: 'leased'; readonly until: number; readonly reason?: string }
  | { readonly kind: 'deadLettered'; readonly reason: DeadLetterReason }
  | { readonly kind: 'dropped'; readonly reason: DropReason | 'Purged' }
  | { readonly kind: 'sentOn'; readonly reason: 'redriven' | 'resent'; readonly target?: string };

/** A subscription in one of its lives, by what was true of it when the record was made. */
export interface RecordedSubscription {
  readonly topicIncarnation: Incarnation;
  readonly incarnation: Incarnation;
  readonly topic: Scope;
  readonly name: string;
}

/** Where an event stands in its partition, and since when. */
export interface RecordedPlace {
  readonly entry: EntryId;
  readonly index: number;
  readonly acceptedAt: number;
}

/** Id and source of an event, each cut at `textMax`. */
export interface RecordedEvent {
  readonly id: string;
  readonly source: string;
}

/** How an event came to stand at another place than its first: as a directed event (`Direction` of the model). */
export type RecordedCopy = Omit<Direction, 'only'>;

export interface AttemptRecord extends RecordedPlace {
  /** When the state began, by the store's clock, in whole milliseconds. */
  readonly at: number;
  readonly subscription: RecordedSubscription;
  /** Absent where whoever made the record knew the place alone. */
  readonly event?: RecordedEvent;
  readonly attempt?: RecordedAttempt;
  readonly ending: Ending;
  /** The job that brought the state about. */
  readonly job?: string;
  /** Of a directed event, where the record has its event. */
  readonly copy?: RecordedCopy;
}

/** Characters (UTF-16 code units) that are kept of an id, a source and an error. */
export const textMax = 512;

/** An id or a source as records have it, for comparison with theirs. */
export function asRecorded(text: string): string {
  // A pair of surrogates that is cut in two has no bytes in UTF-8, and something else stands for it.
  return Buffer.from(text.slice(0, textMax)).toString();
}
