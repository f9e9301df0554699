/**
 * The port to durable storage. What it must promise is written here and held by the conformance suite in `suite/`,
 * which every adapter passes; how it is done is the adapter's own business.
 *
 * Rules that hold for every call:
 * - Everything about an event lives in one partition and changes atomically there. Calls on different partitions are
 *   independent.
 * - Repeating any call is harmless. A transition is applied only if the record that proves it has not happened yet is
 *   still there: a log entry for its deferrals, a lease's token for its outcome.
 * - Owner calls carry the epoch their claim returned. If another claim has been granted since, they change nothing and
 *   throw `Fenced`.
 * - Times go in as durations and are added to the store's own clock; instants that come out are of that clock.
 * - A call that cannot reach the store, or gets no answer within the adapter's command timeout (2 s by default),
 *   rejects with a `GridpostError`: `StoreFull` or `StoreUnavailable` if nothing was stored, `OutcomeUnknown` if it may
 *   have been. Nothing waits for ever, and nothing has to be reopened: calls succeed again when the store is back.
 * - Pages are bounded in bytes (`answerBytesMax`) as well as by `max`, and an ask for due deliveries may be. What they
 *   leave out comes with the next call.
 * - A partition that does not exist, and an `after` that no page gave out, are refused with a `RangeError`.
 */
import type { Durability, EntryId, Incarnation, Place } from '@gridpost/model';
import type { AttemptBlock, AttemptKind, AttemptPage, AttemptUsage } from './port/attempts.js';
import type { DeadLetter, DeadLetterKey, DeadLetterPage } from './port/dead-letters.js';
import type {
  ConcludeResult,
  DueAsk,
  DueResult,
  LeaseOutcome,
  PartitionUsage,
  Permit,
  PermitAsk,
  ReceiveAsk,
  ReceiveResult,
  SettleBatch,
  SettleResult,
} from './port/deliveries.js';
import type { HistoryBounds, HistoryOrder, HistoryPage, HistoryStart } from './port/history.js';
import type { Journals } from './port/journals.js';
import type {
  AppendOptions,
  AppendResult,
  Claim,
  PendingEvent,
  ReadLimits,
  ReadResult,
  RememberedIdentities,
} from './port/log.js';
import type { Resources } from './port/resources.js';

export * from './port/attempts.js';
export * from './port/dead-letters.js';
export * from './port/deliveries.js';
export * from './port/history.js';
export * from './port/journals.js';
export * from './port/log.js';
export * from './port/resources.js';

/** Kinds of processes that announce themselves. */
export type ProcessKind = 'worker' | 'gateway';

export interface StoreInfo {
  /** What an operator calls it: `lmdb`, `redis`, `redis-cluster`, `redis-sentinel`. */
  readonly kind: string;
  /** Where it is, without credentials. */
  readonly place: string;
  readonly partitions: number;
  /** The class that `append` resolves in. */
  readonly durability: Durability;
}

export interface StoreHealth {
  readonly ok: boolean;
  /** Why not, in one sentence for an operator. */
  readonly reason?: string;
}

/** What an adapter offers beyond the port's core; the suite reads it, so that a skip is visible and explained. */
export interface StoreSupports {
  /** Several processes may open the store at once. */
  readonly sharing: boolean;
}

export interface Store {
  readonly info: StoreInfo;
  readonly supports: StoreSupports;
  readonly resources: Resources;
  readonly journals: Journals;

  /** Whether calls can be expected to succeed now; asks the store, answers within 2 s, never rejects. */
  health(): Promise<StoreHealth>;

  /** Ends connections and waits for what is under way. Safe to call twice. */
  close(): Promise<void>;

  /**
   * Appends all events to the partition in one atomic step, in entries of at most 128 events or 256 KiB. Resolves when
   * they are durable in `info.durability`, and so are the events that `unique` found them to be duplicates of. Rejects with
   * `StoreFull` or `StoreUnavailable` (nothing stored) or `OutcomeUnknown`.
   */
  append(partition: number, events: readonly PendingEvent[], options?: AppendOptions): Promise<AppendResult>;

  /**
   * Calls `wake` soon after a partition that this process has read to its end (`more` is false) has got entries.
   * A hint: it may be lost or spurious. Returns how to stop listening.
   */
  onAppend(wake: (partition: number) => void): () => void;

  /**
   * Announces a process for `ttlMs` and returns those of its kind alive, itself included, sorted. Ids are `[A-Za-z0-9-]`. A
   * worker unless another kind is given.
   */
  announce(id: string, ttlMs: number, kind?: ProcessKind): Promise<string[]>;
  /** Takes the announcement back. */
  withdraw(id: string, kind?: ProcessKind): Promise<void>;

  /**
   * Shares out permits, of each subscription a number, among workers that ask again and again. One answer for each ask, in
   * order.
   *
   * - Workers stand in line in the order in which they came; each is forgotten `ttlMs` after it has asked last, and when
   *   it wants none.
   * - Together they never hold more than the limit that was asked with last. What one holds it may keep.
   * - Of what is free one permit is kept for each who waits for its first and came before; a worker that holds some gets
   *   more only beyond what those who wait need. So a permit that was given back goes to who has waited longest.
   *
   * Nothing about permits is durable: after a loss they are given out anew.
   */
  permits(worker: string, asks: readonly PermitAsk[], ttlMs: number): Promise<Permit[]>;

  /**
   * Becomes the partition's owner for `leaseMs`, if it has none whose lease is running (`undefined` otherwise). A
   * worker that owns it already gets a new epoch as well. What the owner before had parked is looked at again.
   */
  claim(
    partition: number,
    worker: string,
    leaseMs: number,
    suspectEvents: number,
  ): Promise<Claim | undefined>;
  /** Prolongs the ownership; false if it was lost. A lease that ran out unclaimed may still be renewed. */
  renew(partition: number, worker: string, epoch: number, leaseMs: number): Promise<boolean>;
  /** Ends the ownership cleanly: the next owner finds nothing suspect. No effect if it was lost. */
  release(partition: number, worker: string, epoch: number): Promise<void>;

  /** Reads the log after `after` (from the front if undefined). Owner call. */
  read(partition: number, epoch: number, after: EntryId | undefined, limits: ReadLimits): Promise<ReadResult>;

  /**
   * Notes that the owner begins to process an event of a suspect entry, and returns under how many earlier epochs that
   * had been noted: noting it again under the same epoch changes nothing. The note goes with the entry; an entry that
   * is no longer in the log gets none, and 0. The index behind the last event's stands for the entry itself. Owner call.
   */
  begin(partition: number, epoch: number, entry: EntryId, index: number): Promise<number>;

  /**
   * Removes log entries, writes the deferrals of those that were still there, and applies the outcomes of leases whose
   * token is still stored; then enforces the quotas. One atomic step. Allowed when the store is full. Owner call.
   */
  settle(partition: number, epoch: number, batch: SettleBatch): Promise<SettleResult>;

  /** Leases deliveries that are due, earliest first. Owner call. */
  due(partition: number, epoch: number, ask: DueAsk): Promise<DueResult>;

  /**
   * Leases due deliveries of one subscription to a consumer, earliest first, and counts that they were received:
   * `state.attempts` is one more than before, here and in the store, and `state.lastAttemptAt` is now. Whether the
   * subscription is parked does not matter. Not an owner call: the owner keeps subscriptions that consumers receive from
   * parked.
   */
  receive(partition: number, ask: ReceiveAsk): Promise<ReceiveResult>;

  /**
   * Applies outcomes of leases that `receive` gave, in one atomic step, and then enforces the quotas. One counts only
   * while its lease has not ended, unlike in `settle`: a consumer that comes too late is to know. A lease may be prolonged
   * under its own token. Allowed when the store is full. Not an owner call. `attempts` as in `SettleBatch`.
   */
  conclude(
    partition: number,
    outcomes: readonly LeaseOutcome[],
    attempts?: readonly AttemptBlock[],
  ): Promise<ConcludeResult>;

  /**
   * Calls `wake` soon after something that a settle announces was deferred for the subscription, or a consumer gave
   * something back that is due at once. A hint: it may be lost or spurious. Returns how to stop listening.
   */
  onDeferred(subscription: Incarnation, wake: (partition: number) => void): () => void;

  /** Makes every deferred delivery of the subscription due now (not the leased ones), and looked at again if parked. */
  hasten(partition: number, subscription: Incarnation): Promise<void>;

  /** Pages through a subscription's dead letters in one partition. Not an owner call. */
  deadLetters(
    partition: number,
    subscription: Incarnation,
    after: string | undefined,
    max: number,
  ): Promise<DeadLetterPage>;

  /** The dead letter at a place, if there is one now. Not an owner call. */
  deadLetter(partition: number, subscription: Incarnation, place: Place): Promise<DeadLetter | undefined>;

  /**
   * Lets go of dead letters that are kept elsewhere, and returns of how many. One that was redriven meanwhile is left
   * alone, also when it is a dead letter again. Allowed when the store is full. Not an owner call.
   */
  letGo(partition: number, subscription: Incarnation, deadLetters: readonly DeadLetterKey[]): Promise<number>;

  /**
   * Turns dead letters back into deferred deliveries, due now, with no attempts made and a new time to live: those at
   * `places`, or at most `max` of all. Returns how many. Not an owner call.
   */
  redrive(
    partition: number,
    subscription: Incarnation,
    which: { readonly places: readonly Place[] } | { readonly max: number },
  ): Promise<number>;

  /**
   * Calls `wake` soon after dead letters of a partition whose log this process reads were redriven, by any process. A hint:
   * it may be lost or spurious. Returns how to stop listening.
   */
  onRedrive(wake: (partition: number) => void): () => void;

  /** What subscriptions hold here; names also those that no longer exist, until `purge` is done with them. */
  usage(partition: number): Promise<PartitionUsage>;

  /** Forgets at most `max` deliveries and dead letters of a subscription that was deleted; returns how many. */
  purge(partition: number, subscription: Incarnation, max: number): Promise<number>;

  /**
   * Pages through a topic's history in one partition, in the order of the log or against it, from its end in that order if
   * no start is given. A continuation goes on in the order of the page that gave it out. Not an owner call.
   */
  history(
    partition: number,
    topic: Incarnation,
    start: HistoryStart | undefined,
    max: number,
    order?: HistoryOrder,
  ): Promise<HistoryPage>;

  /** Topics with a history here; names also those that no longer exist. */
  histories(partition: number): Promise<Incarnation[]>;

  /**
   * Removes the oldest of a history until it keeps within its bounds, at most `max` of what the adapter removes at a time
   * (events, or entries); returns how many. An age of 0 ms empties it.
   */
  trimHistory(partition: number, topic: Incarnation, bounds: HistoryBounds, max: number): Promise<number>;

  /** Topics of which identities are remembered here; names also those that no longer exist. */
  identities(partition: number): Promise<RememberedIdentities[]>;

  /**
   * Forgets identities of events accepted at least `olderThanMs` ago, oldest first, at most `max`; returns how many. 0 ms
   * forgets all. Appends forget some of a topic's outlived ones by themselves. Allowed when the store is full.
   */
  forgetIdentities(partition: number, topic: Incarnation, olderThanMs: number, max: number): Promise<number>;

  /**
   * Pages through one kind of the attempt log, newest first: blocks older than `before`, which is an id or anything else of
   * its form. Not an owner call.
   */
  attempts(
    partition: number,
    kind: AttemptKind,
    before: string | undefined,
    bytesMax: number,
  ): Promise<AttemptPage>;

  /** What the attempt log holds here. Not an owner call. */
  attemptUsage(partition: number): Promise<Readonly<Record<AttemptKind, AttemptUsage>>>;
}

/** Thrown by an owner call whose epoch is no longer the partition's. Nothing was changed. */
export class Fenced extends Error {
  constructor(partition: number, epoch: number) {
    super(`epoch ${epoch} of partition ${partition} is over: another worker owns it`);
    this.name = 'Fenced';
  }
}

/** Bounds that every adapter takes. */
export interface StoreLimits {
  /**
   * Bytes the store may use for everything. `append` is refused with `StoreFull` from 95% on, so that settling has
   * room; settling is never refused for it.
   */
  readonly bytesMax: number;
  /**
   * Share of `bytesMax` that one subscription's deferred deliveries and dead letters may hold, divided evenly over the
   * partitions. Over 4/5 of it, its oldest deferred become dead letters; over all of it, its oldest dead letters go
   * (`quotaOf`). Attempts that are running are left alone.
   */
  readonly subscriptionShare: number;
  /**
   * Bytes that the attempt logs may hold, divided evenly over the partitions, and at most an eighth of `bytesMax`
   * (`attemptQuotaOf`). Over it the oldest successes go; where there are none, the oldest failures. 0 empties them. Default
   * that eighth.
   */
  readonly attemptLogBytesMax?: number;
}
