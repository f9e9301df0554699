/**
 * One partition that this worker owns: what it has in hand, and the three parts that move it (`reader.ts` takes in,
 * `due.ts` takes back up, `settling.ts` writes).
 *
 *     owned ──shed()──► shedding ──► leaving ──► released
 *       │                              ▲
 *       ├──leave()─────────────────────┘
 *       └──fenced, renewal refused, lose(), from each of them──► lost
 *
 * - *owned*: reads, delivers, settles.
 * - *shedding*: as before, except that what would take long is left to the next owner: the queues are not asked, and
 *   deliveries to endpoints that take longer than a settle window are deferred. So the log is not left unread for as
 *   long as one slow endpoint's attempts take. It ends when no such attempt runs and no suspect is left, or after a
 *   minute.
 * - *leaving*: takes nothing in; what waits goes back to its queue, what runs is left to end, everything is written.
 *   Then the ownership is released, and the next owner repeats nothing.
 * - *lost*: another worker may own it already. What waits is forgotten at once, what runs is left to end unheard; the
 *   new owner finds all of it in the log or under an ended lease.
 *
 * A delivery in hand either belongs to an unsettled entry, or has a lease in the store. When an entry's settle window
 * ends, what waits of it is deferred and what runs gets a lease, in the settle that removes the entry.
 */
import type { Clock, DropReason, EntryId, Incarnation, Log, Random, Timer } from '@gridpost/model';
import { type Metrics, otherLabel } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type {
  Claim,
  Disposition,
  LeasedDelivery,
  LeaseOutcome,
  LogEntry,
  SettleResult,
  Store,
} from '@gridpost/store';
import { AttemptRecords } from '../attempts/records.js';
import { Due, type DueSite } from './due.js';
import { defer } from '../attempts/endings.js';
import type { OpenEntry } from './entry.js';
import { InHand, type Pending, withdrawFrom } from './in-hand.js';
import type { Lanes } from '../lanes/lanes.js';
import type { Matching } from './matching.js';
import { type Conclusion, finished, type OpenDelivery } from '../attempts/open-delivery.js';
import { Reader } from './reader.js';
import type { DeferReason, DeliverySeries } from '../series.js';
import type { DeliverySettings } from '../settings.js';
import { type Batch, Settling } from './settling.js';

export interface PartitionOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly lanes: Lanes;
  readonly matching: Matching;
  readonly settings: DeliverySettings;
  readonly partition: number;
  readonly claim: Claim;
  /** `clock.elapsed()` up to which the claim is sure. */
  readonly ownedUntil: number;
  /** The ownership was lost. Called once. */
  readonly onLost: () => void;
}

/** What a lease given by the settle window lasts beyond its attempt's deadline: time to write the outcome. */
const leaseMarginMs = 5_000;
/** Longest time in which a partition sheds. */
const sheddingMsMax = 60_000;

const handBack = (delivery: OpenDelivery): void => defer(delivery, 'drain', 0);

export class Partition implements DueSite {
  readonly partition: number;
  readonly epoch: number;
  ownedUntil: number;
  state: 'owned' | 'shedding' | 'leaving' | 'released' | 'lost' = 'owned';
  readonly #options: PartitionOptions;
  readonly #records: AttemptRecords;
  readonly #settling: Settling;
  readonly #reader: Reader;
  readonly #due: Due;
  readonly #inHand = new InHand();
  readonly #stopRoom: () => void;
  readonly #pauses = new Set<() => void>();
  #running = 0;
  #tokens = 0;
  #leaving: Promise<void> | undefined;
  #shed: { readonly until: number; readonly left: () => void } | undefined;
  #quiet: (() => void) | undefined;
  /** The store's clock minus ours. */
  #storeAhead: number;

  constructor(options: PartitionOptions) {
    const { store, clock, log, lanes, settings, partition, claim } = options;
    this.#options = options;
    this.partition = partition;
    this.epoch = claim.epoch;
    this.ownedUntil = options.ownedUntil;
    this.#storeAhead = clock.now() - clock.elapsed();
    this.#records = new AttemptRecords(settings.attemptLog, options.metrics);
    this.#settling = new Settling({
      store,
      clock,
      log,
      partition,
      epoch: claim.epoch,
      expecting: () => this.#running > 0,
      announced: lanes.queues,
      records: this.#records,
      onSettled: (batch, result) => this.#onSettled(batch, result),
      onFenced: () => this.fenced(),
    });
    this.#reader = new Reader({ ...options, site: this, beatMs: settings.beatMs, claim });
    this.#due = new Due({ ...options, site: this });
    this.#stopRoom = lanes.whenRoom(() => this.#reader.resume());
  }

  get shedding(): boolean {
    return this.state === 'shedding';
  }

  get lost(): boolean {
    return this.state === 'lost';
  }

  /** Whether its log still holds suspects, which the next owner must not take for anything else. */
  get suspecting(): boolean {
    return this.#reader.suspecting;
  }

  get hasRoom(): boolean {
    const { unsettledEventsMax, unsettledBytesMax } = this.#options.settings;
    return this.#inHand.events < unsettledEventsMax && this.#inHand.bytes < unsettledBytesMax;
  }

  get settlingFails(): boolean {
    return this.#settling.failing;
  }

  /** What is in hand from unsettled entries. */
  pending(): Map<Incarnation, Pending> {
    return this.#inHand.pending();
  }

  start(): void {
    this.#reader.wake();
    this.#due.start();
  }

  /** The log may have got entries. */
  wake(): void {
    this.#reader.wake();
  }

  /** Its queues may have got something that is due. */
  expectDue(): void {
    if (this.state === 'owned') this.#due.soon();
  }

  /** Takes up what waits of a subscription that was stopped. If that fails it is taken up when its parking ends. */
  resume(subscription: Incarnation): void {
    const { store, log } = this.#options;
    // What is not written yet would otherwise be put off after it.
    for (const entry of this.#inHand.entries) entry.hasten(subscription);
    this.#settling.hasten(subscription);
    this.#due.hastened(subscription);
    store.hasten(this.partition, subscription).then(
      () => this.#due.soon(),
      (error: unknown) => log.warn({ error: String(error) }, 'a queue could not be taken up at once'),
    );
  }

  /** To be called about every 100 ms. */
  tick(now: number): void {
    const { settleWindowMs } = this.#options.settings;
    for (const entry of this.#inHand.entries) {
      if (entry.begunAt === undefined || now - entry.begunAt < settleWindowMs) continue;
      this.#reader.force(entry);
      this.#release(entry, now);
    }
    if (this.state === 'owned' || this.shedding) this.#reader.tick(now);
    if (!this.#shed) return;
    const light = this.#inHand.leased.size === 0 && !this.suspecting;
    if (light || now > this.#shed.until) this.#shed.left();
  }

  /** Prepares for being handed over, and then hands over. Resolves as `leave` does. */
  async shed(): Promise<void> {
    if (this.state !== 'owned') return;
    this.state = 'shedding';
    const left = new Promise<void>((resolve) => {
      this.#shed = { until: this.#options.clock.elapsed() + sheddingMsMax, left: resolve };
    });
    await this.#due.stop();
    withdrawFrom(this.#inHand.leased, handBack);
    await left;
    await this.leave();
  }

  /** Hands the partition over. Resolves when everything is written, or it is lost. May be called more than once. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** Drops everything. Safe to call at any time. */
  lose(): void {
    if (this.state === 'lost' || this.state === 'released') return;
    this.#end('lost');
    this.#inHand.withdraw((delivery) => {
      delivery.stage = 'concluded';
    });
    void this.#reader.stop();
    void this.#due.stop();
    this.#quiet?.();
    this.#options.onLost();
  }

  storeNow(elapsed: number): number {
    return elapsed + this.#storeAhead;
  }

  noteStoreNow(storeNow: number): void {
    this.#storeAhead = storeNow - this.#options.clock.elapsed();
  }

  fenced(): void {
    this.lose();
  }

  open(log: LogEntry): OpenEntry {
    return this.#inHand.open(log, this.#onComplete);
  }

  knows(entry: EntryId): boolean {
    return this.#inHand.knows(entry) || this.#settling.holds(entry);
  }

  reread(begins: boolean): void {
    this.#inHand.reread(begins);
  }

  /** Looks whether the log holds what it should (`front.ts`). Rejects as the store does. */
  async verify(): Promise<void> {
    if (this.state === 'owned' || this.shedding) await this.#reader.verify();
  }

  offered(entry: OpenEntry): void {
    entry.begunAt ??= this.#options.clock.elapsed();
    entry.offered();
  }

  hold(delivery: OpenDelivery): void {
    this.#inHand.leased.add(delivery);
  }

  forget(leased: LeasedDelivery): void {
    const { subscription, topic } = leased;
    const { registry, lanes, metrics } = this.#options;
    const known = lanes.find(subscription)?.registered.subscription;
    const topicName = known?.topic ?? registry.topicById(topic)?.topic.name ?? otherLabel;
    metrics.dropped.with(topicName, known?.name ?? otherLabel, 'SubscriptionDeleted').add();
    this.#endLease(leased, finished);
  }

  giveBack(leased: LeasedDelivery): void {
    this.#endLease(leased, { kind: 'deferred', dueInMs: 0, state: leased.state });
  }

  conclude(delivery: OpenDelivery, conclusion: Conclusion, reason?: DeferReason | DropReason): void {
    if (delivery.stage === 'concluded') return;
    delivery.stage = 'concluded';
    if (this.lost) return;
    const at = this.storeNow(delivery.met?.endedAt ?? this.#options.clock.elapsed());
    this.#records.add(delivery, conclusion, reason, at);
    const { token, entry: id, index, subscription } = delivery;
    if (token !== undefined) {
      this.#inHand.leased.delete(delivery);
      this.#settling.addOutcome({ entry: id, index, subscription, token, disposition: conclusion });
      return;
    }
    delivery.inHandWith!.conclude(delivery, conclusion);
  }

  began(): void {
    this.#running++;
  }

  ended(): void {
    if (--this.#running === 0) this.#quiet?.();
  }

  settled(): Promise<void> {
    return this.#settling.idle();
  }

  pause(ms: number, over?: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const end = (): void => {
        timer?.cancel();
        this.#pauses.delete(end);
        resolve();
      };
      timer = this.#options.clock.after(ms, end);
      this.#pauses.add(end);
      void over?.then(end);
    });
  }

  /** Of a delivery that was not taken in hand. */
  #endLease({ place, subscription, token }: LeasedDelivery, disposition: Conclusion): void {
    const { entry, index } = place;
    this.#settling.addOutcome({ entry, index, subscription, token, disposition });
  }

  async #leave(): Promise<void> {
    if (this.state !== 'owned' && this.state !== 'shedding') return;
    this.state = 'leaving';
    this.#shed?.left();
    await Promise.all([this.#reader.stop(), this.#due.stop()]);
    this.#inHand.withdraw(handBack);
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
      });
    }
    await this.#settling.idle();
    if (this.lost) return;
    this.#end('released');
  }

  #end(state: 'released' | 'lost'): void {
    this.state = state;
    this.#settling.stop();
    this.#stopRoom();
    this.#shed?.left();
    for (const end of this.#pauses) end();
  }

  readonly #onComplete = (entry: OpenEntry): void => {
    this.#inHand.entries.delete(entry);
    this.#settling.addEntry(entry);
  };

  /** Lets an entry go whose settle window has ended. */
  #release(entry: OpenEntry, now: number): void {
    withdrawFrom(entry.deliveries, (delivery) => defer(delivery, 'busy', 0));
    for (const delivery of entry.deliveries)
      if (delivery.stage === 'running') this.#lease(entry, delivery, now);
  }

  /** Gives a running attempt of an unsettled entry a lease, so that the entry can go. */
  #lease(entry: OpenEntry, delivery: OpenDelivery, now: number): void {
    const token = `e${this.epoch}.w${++this.#tokens}`;
    const disposition: Disposition = {
      kind: 'leased',
      leaseMs: Math.max(0, Math.ceil(delivery.deadline - now)) + leaseMarginMs,
      token,
      // If the outcome never comes, the attempt was made all the same.
      state: { ...delivery.ownState, attempts: delivery.attempts + 1 },
    };
    delivery.token = token;
    this.#inHand.leased.add(delivery);
    delivery.lane.series.deferred('running');
    this.#records.add(delivery, disposition, 'running', this.storeNow(now));
    entry.conclude(delivery, disposition);
  }

  #onSettled({ entries, outcomes }: Batch, { quotaEffects }: SettleResult): void {
    for (const { log, deferrals } of entries) {
      this.#inHand.settled(log);
      for (const { subscription, disposition } of deferrals) this.#onWritten(subscription, disposition);
    }
    for (const { subscription, disposition } of outcomes) this.#onWritten(subscription, disposition);
    for (const { subscription, deadLettered, dropped } of quotaEffects) {
      const series = this.#seriesOf(subscription);
      if (deadLettered > 0) series?.deadLettered('QuotaExceeded', deadLettered);
      if (dropped > 0) series?.dropped('DeadLetterQuotaExceeded', dropped);
    }
    if (this.state === 'owned' || this.shedding) this.#reader.resume();
  }

  /** Counts what is kept as a dead letter, and notes when what was deferred is due. */
  #onWritten(subscription: Incarnation, disposition: LeaseOutcome['disposition']): void {
    if (disposition.kind === 'deadLettered') this.#seriesOf(subscription)?.deadLettered(disposition.reason);
    if (disposition.kind !== 'deferred' || this.state !== 'owned') return;
    const lane = this.#options.lanes.find(subscription);
    if (lane?.parked) {
      if (lane.stop === 'probation') this.#due.expect(lane.ward.heldMs);
      return;
    }
    if (disposition.dueInMs === 0) lane?.setBacklog(this.#due, true);
    // A lane without room asks by itself when it has some.
    if (disposition.dueInMs > 0 || !lane || lane.leaseRoom > 0) this.#due.expect(disposition.dueInMs);
  }

  #seriesOf(subscription: Incarnation): DeliverySeries | undefined {
    const registered = this.#options.registry.subscription(subscription);
    return registered && this.#options.lanes.of(registered).series;
  }
}
