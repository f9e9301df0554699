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
import type {
  AttemptOutcome,
  DeadLetterReason,
  Durability,
  EntryId,
  Incarnation,
  Place,
} from '@gridpost/model';

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

/** The attempt log's two parts: attempts that failed and what was given up, and everything else. */
export const attemptKinds = ['failures', 'successes'] as const;
export type AttemptKind = (typeof attemptKinds)[number];

/** Records of attempts, packed; opaque to the store (`libs/attempt-log`). At most 512 KiB, and not empty. */
export interface AttemptBlock {
  readonly kind: AttemptKind;
  readonly block: Buffer;
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
  /** Subscriptions not to be attempted for now, and for how many milliseconds each is not looked at again. */
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

export interface DeadLetter {
  readonly place: Place;
  readonly subscription: Incarnation;
  readonly topic: Incarnation;
  readonly acceptedAt: number;
  readonly deadLetteredAt: number;
  readonly reason: DeadLetterReason;
  readonly state: DeliveryState;
  readonly frame: Buffer;
}

/** One dead-lettering: a delivery that was redriven and given up again is another. */
export type DeadLetterKey = Pick<DeadLetter, 'place' | 'deadLetteredAt'>;

export interface DeadLetterPage {
  /** Oldest dead-lettering first, within the partition. */
  readonly deadLetters: readonly DeadLetter[];
  /** Opaque continuation, absent on the last page. */
  readonly next?: string;
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

/** A block that was written and its name: instant of the store's clock, and what tells it from others of that instant. */
export interface StoredAttemptBlock {
  /** `<instant>-<number>`, both decimal; within a partition and kind they only grow, by instant and then by number. */
  readonly id: string;
  readonly block: Buffer;
}

export interface AttemptPage {
  /** Newest first. At least one if there is any, even if it alone is over `bytesMax`. */
  readonly blocks: readonly StoredAttemptBlock[];
  /** Whether there may be older ones. */
  readonly more: boolean;
}

/** What is held of one kind of attempts in one partition. */
export interface AttemptUsage {
  /** In charged bytes (`chargedBlockBytes`). */
  readonly bytes: number;
  /** Blocks let go of so far. */
  readonly shed: number;
  /** Everything written from this instant on is held; undefined while nothing was let go of. */
  readonly heldFrom: number | undefined;
}

/** Default: `oldestFirst`. */
export type HistoryOrder = 'oldestFirst' | 'newestFirst';

/**
 * Where a page of history begins: behind the page whose `next` this is, or with the first event in its order that was
 * accepted at this instant or beyond it. Where the store's clock was set back it may begin earlier.
 */
export type HistoryStart = string | { readonly acceptedAt: number };

/** What a history keeps in a partition: an event goes when it is as old as this, or when younger ones fill the bytes. */
export interface HistoryBounds {
  /** Milliseconds since acceptance. */
  readonly ageMs: number;
  /** Bytes of frames. Default: no bound. */
  readonly bytesMax?: number;
}

export interface HistoryPage {
  readonly events: readonly { readonly place: Place; readonly acceptedAt: number; readonly frame: Buffer }[];
  readonly next?: string;
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

/** A JSON document about a resource. Paths are `[A-Za-z0-9_./-]`, at most 256 characters, compared bytewise. */
export interface ResourceDocument {
  readonly path: string;
  /** Opaque; changes with each write. */
  readonly etag: string;
  readonly value: unknown;
}

export interface PutOptions {
  /** Write only if the stored etag is this one; `*`: only if the document exists. */
  readonly ifMatch?: string;
  /** `*`: write only if the document does not exist. */
  readonly ifNoneMatch?: '*';
  /** Write only if a document exists at this path, with this etag if one is given. */
  readonly requires?: { readonly path: string; readonly etag?: string };
}

export type PutResult =
  | { readonly kind: 'created' | 'replaced'; readonly etag: string; readonly version: number }
  | { readonly kind: 'preconditionFailed' | 'requirementMissing' };

/**
 * A change since a version: the document as it is now, or its absence. Removing a path removes all below it and is
 * one change of that path.
 */
export interface ResourceChanges {
  readonly version: number;
  /** False after a gap in the bounded change log: `documents` is then everything there is. */
  readonly complete: boolean;
  readonly changedPaths: readonly string[];
  readonly documents: readonly ResourceDocument[];
}

/**
 * Topics, subscriptions and whatever else is configured. A write that has been answered is in the change log and its
 * version is in every partition (`ReadResult.version`), so an owner that reads an entry appended after the answer sees
 * a version at least as new. Versions are whole numbers that only grow.
 */
export interface Resources {
  get(path: string): Promise<ResourceDocument | undefined>;
  /** Documents whose path begins with `prefix`, in bytewise order, after `after`, at most `max`. */
  list(prefix: string, after: string | undefined, max: number): Promise<ResourceDocument[]>;
  put(path: string, value: unknown, options?: PutOptions): Promise<PutResult>;
  /** Removes the document and all whose path begins with `path + '/'`, in one step. */
  remove(
    path: string,
    options?: { readonly ifMatch?: string },
  ): Promise<'removed' | 'missing' | 'preconditionFailed'>;
  /** What changed after `version`; 0 gives everything. */
  changes(version: number): Promise<ResourceChanges>;
}

/** Kinds of processes that announce themselves. */
export type ProcessKind = 'worker' | 'gateway';

/** One line of a journal. */
export interface JournalRecord {
  /** Opaque; where the record stands in its journal. */
  readonly id: string;
  /** When it was written. */
  readonly at: number;
  readonly text: string;
}

export interface JournalBounds {
  readonly recordsMax: number;
  readonly olderThanMs: number;
}

/**
 * Bounded journals about the deployment as a whole, such as who changed what. They are no part of the configuration:
 * writing to one is no change, and no partition learns of it. Their names are `[a-z-]`, at most 32.
 */
export interface Journals {
  /**
   * Writes records of at most `journalRecordBytesMax` each behind those that are there, then lets the oldest go that are
   * one too many or too old. One atomic step; resolves when they are durable in `info.durability`. Repeating it writes
   * them again. Allowed when the store is full.
   */
  appendRecords(journal: string, records: readonly string[], bounds: JournalBounds): Promise<void>;
  /** The newest first: at most `max` of those before `before`, the id of a record that may be gone by now. */
  newestRecords(journal: string, before: string | undefined, max: number): Promise<JournalRecord[]>;
}

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
   * worker that owns it already gets a new epoch as well.
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
