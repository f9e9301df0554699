/** Deliveries that are not finished: what settling writes of them, and how they are leased, by workers and by consumers. */
import type { AttemptOutcome, DeadLetterReason, EntryId, Incarnation, Place } from '@gridpost/model';
import type { AttemptBlock } from './attempts.js';
import type { PendingEvent } from './log.js';

/** What a delivery carries from one attempt to the next. Small; its text parts are bounded by the worker. */
export interface DeliveryState {
  /** Attempts made so far. */
  readonly attempts: number;
  /** Instant from which the time to live counts: acceptance, or the last redrive. */
  readonly liveFrom: number;
  readonly lastAttemptAt?: number;
  readonly lastOutcome?: AttemptOutcome;
  /** HTTP status of the last attempt, if there was a response. */
  readonly lastStatus?: number;
  /** One line about the last failure, at most 256 characters. */
  readonly lastError?: string;
}

/**
 * What becomes of a delivery that is not finished. `deferred`: due after a delay. `leased`: an attempt is running; it
 * is due again when the lease ends, unless its outcome is settled before. `deadLettered`: kept, not attempted.
 */
export type Disposition =
  | { readonly kind: 'deferred'; readonly dueInMs: number; readonly state: DeliveryState }
  | {
      readonly kind: 'leased';
      readonly leaseMs: number;
      readonly token: string;
      readonly state: DeliveryState;
    }
  | { readonly kind: 'deadLettered'; readonly reason: DeadLetterReason; readonly state: DeliveryState };

/** A delivery of an event of the settled entry that could not be finished. */
export interface Deferral {
  /** Index of the event in the entry. */
  readonly index: number;
  readonly subscription: Incarnation;
  readonly disposition: Disposition;
}

/** A log entry all of whose deliveries are finished, or are named here. */
export interface SettledEntry {
  readonly id: EntryId;
  readonly acceptedAt: number;
  readonly deferrals: readonly Deferral[];
  /** The events that the deferrals name, by index, so that their payloads can be held. */
  readonly events: ReadonlyMap<number, PendingEvent>;
}

/** The end of one leased delivery. Applied only if `token` is still the one stored for it. */
export interface LeaseOutcome {
  readonly entry: EntryId;
  readonly index: number;
  readonly subscription: Incarnation;
  readonly token: string;
  /** `finished`: delivered or dropped; the delivery is forgotten. */
  readonly disposition: Disposition | { readonly kind: 'finished' };
}

export interface SettleBatch {
  readonly entries: readonly SettledEntry[];
  readonly outcomes: readonly LeaseOutcome[];
  /**
   * Appended to the attempt log in the same step, in order. Not where the batch names entries or outcomes and none of them
   * was there any more: then it was settled before, and so were they. Then the log is trimmed to its bound
   * (`StoreLimits.attemptLogBytesMax`), a number of blocks at a time.
   */
  readonly attempts?: readonly AttemptBlock[];
  /** Subscriptions whose consumers are to be told that something was deferred for them (`onDeferred`). */
  readonly announced?: ReadonlySet<Incarnation>;
}

/** What quotas made of a settle: counts per subscription, only where not zero. */
export interface QuotaEffect {
  readonly subscription: Incarnation;
  /** Oldest deferred deliveries turned into dead letters, reason `QuotaExceeded`. */
  readonly deadLettered: number;
  /** Oldest dead letters let go. */
  readonly dropped: number;
}

export interface SettleResult {
  /** Entries this call removed; fewer than given where a repeated call or another owner had removed them. */
  readonly removed: number;
  readonly quotaEffects: readonly QuotaEffect[];
}

export interface DueAsk {
  /** Deliveries to lease at most, over all subscriptions. */
  readonly max: number;
  /** How many to lease at most for a subscription that `rooms` does not name. */
  readonly room: number;
  /** Free room of the subscriptions that have work already; 0 skips one. */
  readonly rooms: ReadonlyMap<Incarnation, number>;
  /**
   * Subscriptions not to be attempted for now, whether they hold anything or not, and for how many milliseconds each is not
   * looked at, also by asks that do not name it.
   */
  readonly parked: ReadonlyMap<Incarnation, number>;
  readonly leaseMs: number;
  /**
   * Prefix of the tokens given out, at most 32 of `[A-Za-z0-9._-]`. The store appends what tells them from those of any
   * other call; deliveries that one call gives out may share one, and each is still leased by itself.
   */
  readonly token: string;
}

export interface LeasedDelivery {
  readonly place: Place;
  readonly subscription: Incarnation;
  readonly topic: Incarnation;
  readonly acceptedAt: number;
  readonly token: string;
  readonly state: DeliveryState;
  readonly frame: Buffer;
  /** The delivery was leased before and that lease ended without an outcome: the endpoint may have seen it. */
  readonly leaseExpired: boolean;
}

export interface DueResult {
  readonly deliveries: readonly LeasedDelivery[];
  readonly now: number;
  /**
   * Milliseconds until the next delivery that this ask left behind is due, 0 if one is due already: one that there was
   * no room for counts, one of a parked subscription when the parking ends. Running leases may count with their ends.
   */
  readonly nextInMs: number | undefined;
}

export interface ReceiveAsk {
  readonly subscription: Incarnation;
  /** Deliveries to lease at most. */
  readonly max: number;
  readonly leaseMs: number;
  /** As `DueAsk.token`. */
  readonly token: string;
  /**
   * Set by whoever looks for what has waited too long: nothing is given from the first due delivery on that was accepted
   * less than so long ago, and what is given does not count as received.
   */
  readonly waitedMs?: number;
}

export interface ReceiveResult {
  /** In the order in which they fell due. */
  readonly deliveries: readonly LeasedDelivery[];
  readonly now: number;
  /** As in `DueResult`, of this subscription alone. */
  readonly nextInMs: number | undefined;
}

export interface ConcludeResult {
  /** For each outcome, in order, whether it was applied. */
  readonly applied: readonly boolean[];
  readonly quotaEffects: readonly QuotaEffect[];
}

/** What one subscription holds in one partition, in charged bytes (`chargedBytes`); absent when it holds nothing. */
export interface Usage {
  readonly subscription: Incarnation;
  /** Deferred and leased. */
  readonly deferred: number;
  readonly deferredBytes: number;
  readonly deadLettered: number;
  readonly deadLetteredBytes: number;
  /** Acceptance of the oldest deferred or leased delivery. */
  readonly oldestAcceptedAt: number | undefined;
}

export interface PartitionUsage {
  readonly subscriptions: readonly Usage[];
  readonly logEntries: number;
  readonly now: number;
}

/** What a worker asks for of a subscription's permits. */
export interface PermitAsk {
  readonly subscription: Incarnation;
  /** Permits that there are, over all workers: 1 or more. */
  readonly limit: number;
  /** Permits that the worker wants to hold, those that it holds included; 0 gives back what it has. */
  readonly wanted: number;
}

export interface Permit {
  /** Permits that the worker holds from now on, for the time it asked for. */
  readonly held: number;
  /** Other workers that wait for their first. */
  readonly waiting: number;
}
