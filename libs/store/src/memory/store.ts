/**
 * The store as simply as it can be said: maps in memory, every call one synchronous step. It is the reference the
 * conformance suite was written against and what other rooms' tests run on; it is not offered to users, since nothing
 * in it outlives the process. What it leaves to others: durability, speed, and sharing between processes.
 */
import { type Clock, GridpostError, type Incarnation, type Place, systemClock } from '@gridpost/model';
import { Announcements } from '../announcements.js';
import { appendBytesMax, appendedBytes } from '../bounds.js';
import { checkedJournals } from '../checked-journals.js';
import { announcedBy, DeferralWatch, releasedBy } from '../deferral-watch.js';
import { Permits } from '../permits.js';
import type {
  AppendOptions,
  AppendResult,
  AttemptBlock,
  AttemptKind,
  AttemptPage,
  AttemptUsage,
  Claim,
  ConcludeResult,
  DeadLetter,
  DeadLetterKey,
  DeadLetterPage,
  DueAsk,
  DueResult,
  HistoryBounds,
  HistoryOrder,
  HistoryPage,
  HistoryStart,
  Journals,
  LeaseOutcome,
  PartitionUsage,
  PendingEvent,
  Permit,
  PermitAsk,
  ReadLimits,
  ReadResult,
  ReceiveAsk,
  ReceiveResult,
  RememberedIdentities,
  SettleBatch,
  SettleResult,
  Store,
  StoreHealth,
  StoreInfo,
  StoreLimits,
  StoreSupports,
} from '../port.js';
import { MemoryJournals } from './journals.js';
import { MemoryPartition } from './partition.js';
import { MemoryResources } from './resources.js';

export interface MemoryStoreOptions {
  /** Default 1. */
  readonly partitions?: number;
  /** Default: 1 GiB, of which a subscription may hold a tenth. */
  readonly limits?: StoreLimits;
  /** Default the system's. */
  readonly clock?: Clock;
}

export class MemoryStore implements Store {
  readonly info: StoreInfo;
  readonly supports: StoreSupports = { sharing: false };
  readonly resources: MemoryResources = new MemoryResources();
  readonly journals: Journals;
  readonly #partitions: readonly MemoryPartition[];
  readonly #limits: StoreLimits;
  readonly #clock: Clock;
  readonly #processes: Announcements;
  readonly #permits: Permits;
  readonly #wakers = new Set<(partition: number) => void>();
  readonly #redriveWakers = new Set<(partition: number) => void>();
  readonly #watch = new DeferralWatch();
  #closed = false;

  constructor(options: MemoryStoreOptions = {}) {
    const { partitions = 1, limits = { bytesMax: 2 ** 30, subscriptionShare: 0.1 } } = options;
    this.#limits = limits;
    this.#clock = options.clock ?? systemClock;
    this.journals = checkedJournals(new MemoryJournals(this.#clock));
    this.#processes = new Announcements(() => this.#clock.now());
    this.#permits = new Permits(() => this.#clock.now());
    this.info = { kind: 'memory', place: 'this process', partitions, durability: 'memory' };
    this.#partitions = Array.from(
      { length: partitions },
      (_, number) => new MemoryPartition(number, partitions, limits, this.#clock),
    );
  }

  async health(): Promise<StoreHealth> {
    return this.#closed ? { ok: false, reason: 'the store is closed' } : { ok: true };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakers.clear();
    this.#redriveWakers.clear();
  }

  async append(
    partition: number,
    events: readonly PendingEvent[],
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const target = this.#partition(partition);
    const bytes = appendedBytes(events);
    let used = 0;
    for (const { bytesUsed } of this.#partitions) used += bytesUsed;
    if (events.length && used + bytes > appendBytesMax(this.#limits)) {
      throw new GridpostError('StoreFull', `the store holds ${used} of ${this.#limits.bytesMax} bytes`);
    }
    const appended = target.append(events, options);
    if (events.length) for (const wake of this.#wakers) queueMicrotask(() => wake(partition));
    return { version: this.resources.version, ...appended };
  }

  onAppend(wake: (partition: number) => void): () => void {
    this.#wakers.add(wake);
    return () => void this.#wakers.delete(wake);
  }

  async announce(...args: Parameters<Store['announce']>): Promise<string[]> {
    return this.#processes.announce(...args);
  }

  async withdraw(...args: Parameters<Store['withdraw']>): Promise<void> {
    this.#processes.withdraw(...args);
  }

  async permits(worker: string, asks: readonly PermitAsk[], ttlMs: number): Promise<Permit[]> {
    return this.#permits.ask(worker, asks, ttlMs);
  }

  async claim(
    partition: number,
    worker: string,
    leaseMs: number,
    suspectEvents: number,
  ): Promise<Claim | undefined> {
    return this.#partition(partition).claim(worker, leaseMs, suspectEvents);
  }

  async renew(partition: number, worker: string, epoch: number, leaseMs: number): Promise<boolean> {
    return this.#partition(partition).renew(worker, epoch, leaseMs);
  }

  async release(partition: number, worker: string, epoch: number): Promise<void> {
    this.#partition(partition).release(worker, epoch);
  }

  async read(
    partition: number,
    epoch: number,
    after: string | undefined,
    limits: ReadLimits,
  ): Promise<ReadResult> {
    const found = this.#owned(partition, epoch).read(after, limits);
    return { ...found, version: this.resources.version, now: this.#clock.now() };
  }

  async begin(partition: number, epoch: number, entry: string, index: number): Promise<number> {
    return this.#owned(partition, epoch).begin(entry, index);
  }

  async settle(partition: number, epoch: number, batch: SettleBatch): Promise<SettleResult> {
    const result = this.#owned(partition, epoch).settle(batch);
    this.#announce(partition, announcedBy(batch));
    return result;
  }

  async receive(partition: number, ask: ReceiveAsk): Promise<ReceiveResult> {
    return this.#partition(partition).deliveries.receive(ask);
  }

  async conclude(
    partition: number,
    outcomes: readonly LeaseOutcome[],
    attempts?: readonly AttemptBlock[],
  ): Promise<ConcludeResult> {
    const result = this.#partition(partition).conclude(outcomes, attempts);
    this.#announce(partition, releasedBy(outcomes));
    return result;
  }

  onDeferred(subscription: Incarnation, wake: (partition: number) => void): () => void {
    return this.#watch.listen(subscription, wake);
  }

  async due(partition: number, epoch: number, ask: DueAsk): Promise<DueResult> {
    return this.#owned(partition, epoch).deliveries.due(ask);
  }

  async hasten(partition: number, subscription: Incarnation): Promise<void> {
    this.#partition(partition).deliveries.hasten(subscription);
  }

  async deadLetters(
    partition: number,
    subscription: Incarnation,
    after: string | undefined,
    max: number,
  ): Promise<DeadLetterPage> {
    return this.#partition(partition).deliveries.deadLetters(subscription, after, max);
  }

  async deadLetter(
    partition: number,
    subscription: Incarnation,
    place: Place,
  ): Promise<DeadLetter | undefined> {
    return this.#partition(partition).deliveries.deadLetter(subscription, place);
  }

  async letGo(
    partition: number,
    subscription: Incarnation,
    deadLetters: readonly DeadLetterKey[],
  ): Promise<number> {
    return this.#partition(partition).deliveries.letGo(subscription, deadLetters);
  }

  async redrive(
    partition: number,
    subscription: Incarnation,
    which: Parameters<Store['redrive']>[2],
  ): Promise<number> {
    const count = this.#partition(partition).deliveries.redrive(subscription, which);
    if (count > 0) for (const wake of this.#redriveWakers) queueMicrotask(() => wake(partition));
    return count;
  }

  onRedrive(wake: (partition: number) => void): () => void {
    this.#redriveWakers.add(wake);
    return () => void this.#redriveWakers.delete(wake);
  }

  async usage(partition: number): Promise<PartitionUsage> {
    const { deliveries, logEntries } = this.#partition(partition);
    return { subscriptions: deliveries.usage(), logEntries, now: this.#clock.now() };
  }

  async purge(partition: number, subscription: Incarnation, max: number): Promise<number> {
    return this.#partition(partition).deliveries.purge(subscription, max);
  }

  async history(
    partition: number,
    topic: Incarnation,
    start: HistoryStart | undefined,
    max: number,
    order?: HistoryOrder,
  ): Promise<HistoryPage> {
    return this.#partition(partition).history(topic, start, max, order);
  }

  async histories(partition: number): Promise<Incarnation[]> {
    return this.#partition(partition).histories();
  }

  async trimHistory(
    partition: number,
    topic: Incarnation,
    bounds: HistoryBounds,
    max: number,
  ): Promise<number> {
    return this.#partition(partition).trimHistory(topic, bounds, max);
  }

  async identities(partition: number): Promise<RememberedIdentities[]> {
    return this.#partition(partition).identities.remembered();
  }

  async forgetIdentities(
    partition: number,
    topic: Incarnation,
    olderThanMs: number,
    max: number,
  ): Promise<number> {
    return this.#partition(partition).identities.forget(topic, olderThanMs, max);
  }

  async attempts(
    partition: number,
    kind: AttemptKind,
    before: string | undefined,
    bytesMax: number,
  ): Promise<AttemptPage> {
    return this.#partition(partition).attempts.page(kind, before, bytesMax);
  }

  async attemptUsage(partition: number): Promise<Readonly<Record<AttemptKind, AttemptUsage>>> {
    return this.#partition(partition).attempts.usage();
  }

  #announce(partition: number, subscriptions: ReadonlySet<Incarnation>): void {
    for (const subscription of subscriptions) queueMicrotask(() => this.#watch.wake(partition, subscription));
  }

  #owned(number: number, epoch: number): MemoryPartition {
    const partition = this.#partition(number);
    partition.fence(epoch);
    return partition;
  }

  #partition(number: number): MemoryPartition {
    if (this.#closed) throw new GridpostError('StoreUnavailable', 'the store is closed');
    const partition = this.#partitions[number];
    if (!partition) throw new RangeError(`there is no partition ${number}`);
    return partition;
  }
}
