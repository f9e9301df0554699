/**
 * The way of one subscription's deliveries to its endpoint, shared by all partitions that this worker owns: how many
 * attempts run at once, what waits in memory for room, and whose turn it is. What is to be done when it is full is
 * `lanes.ts`'s business, because that depends on the others; which of its two lines has its turn is `lines.ts`'s. Long for
 * a file, because all of it is about the same few counters. An attempt carries one delivery, or a batch of what is in line
 * (`batch.ts`), and is of the kind of its first.
 *
 * A lane is *stalled* when attempts run and none has ended for a whole settle window. It is *hungry* when an attempt
 * could start at once and nothing waits. It is *held* while its endpoint wants to be left alone: what waits and what
 * comes is put off until then. It is *shut* when that or its rate lets nothing start (`throttle.ts`). It is *stopped* when
 * its subscription is gone, disabled or paused, its endpoint has not agreed to get events or is held back (`health/`), or
 * its events are received by consumers: what waits is let go of, what runs is left to end.
 */
import type { Incarnation, Timer } from '@gridpost/model';
import type { RegisteredSubscription } from '@gridpost/registry';
import type { Sample } from '../limits/adaptive-concurrency.js';
import { Batch } from '../attempts/batch.js';
import { defer, drop } from '../attempts/endings.js';
import type { Ward } from '../health/ward.js';
import { Lines } from './lines.js';
import type {
  AttemptFailure,
  OpenDelivery,
  Passage,
  PassedAttempt,
  Stop,
} from '../attempts/open-delivery.js';
import type { DeliverySeries } from '../series.js';
import type { DeliverySettings } from '../settings.js';
import type { Target } from '../requests/target.js';
import type { Capacity } from '../limits/capacity.js';
import { holdMsMax, type Part, Throttle } from '../limits/throttle.js';

/** What a lane needs around it; `lanes.ts` provides it. */
export interface Surroundings {
  readonly settings: DeliverySettings;
  /** How many lanes are hungry. Kept by the lanes themselves. */
  hungry: number;
  /** How many leased deliveries wait in all lines. Kept by the lanes themselves. */
  leased: number;
  readonly capacity: Capacity;
  elapsed(): number;
  /** Whether attempts may start at all; if not, all lanes are pumped again when they may. */
  mayStart(now: number): boolean;
  /**
   * Puts a delivery into a batch, or concludes it if it is not to be attempted. False if it did neither, because it has to
   * go into another batch.
   */
  load(batch: Batch, delivery: OpenDelivery, now: number): boolean;
  /** Starts an attempt, which may end before this returns. */
  start(batch: Batch, now: number): void;
  /** A lane that was full has room again. */
  roomAgain(): void;
  after(ms: number, call: () => void): Timer;
}

/** A partition's queue, as far as a lane wakes it. */
export interface Backlog {
  /** There is room for what is due. */
  soon(): void;
}

/** Wait of the first in line from which on a lane counts as full, as a share of the settle window. */
const waitShare = 0.5;
/** Leased deliveries in line that a lane asks for at most: a whole batch of the largest is not worth that many leases. */
const leasedEventsMax = 4_096;
/** A lane that time alone opens is looked at again no sooner than this, so that what a high rate allows starts together. */
const openingMsMin = 10;

export class Lane implements Passage {
  readonly id: Incarnation;
  readonly ward: Ward;
  registered: RegisteredSubscription;
  target: Target;
  series: DeliverySeries;
  stop: Stop | undefined;
  /** Something was offered within the last second; kept by `lanes.ts`. */
  active = false;
  /** Reading waits for room here; kept by `lanes.ts`, cleared when there is some. */
  blocks = false;
  stalled = false;
  /** More than a probe may start; kept by `lanes.ts`. Undefined at first. */
  flows: boolean | undefined;
  /** When a fresh delivery was last offered, and when a delivery of any kind was. Kept by `lanes.ts`. */
  offeredAt = 0;
  usedAt = 0;
  readonly #around: Surroundings;
  readonly #lines: Lines;
  /** Partitions whose queues hold more for this subscription that is due. */
  readonly #backlogs = new Set<Backlog>();
  /** The one that is being asked for what to probe with. */
  #sought: Backlog | undefined;
  readonly #throttle: Throttle;
  #opening: Timer | undefined;
  #running = 0;
  #freshRunning = 0;
  /** When an attempt last ended, or the first of those running started: whichever is later. */
  #movedAt = 0;
  #hungry = false;
  /** How long the last attempt took. */
  #tookMs = 0;
  #pumping = false;
  /** What comes into a line is left there until the next turn of the event loop. */
  #gathering = false;
  readonly #pumpAgain = (): void => this.pump(this.#around.elapsed());
  readonly #gathered = (): void => {
    this.#gathering = false;
    this.#pumpAgain();
  };

  constructor(
    around: Surroundings,
    registered: RegisteredSubscription,
    target: Target,
    series: DeliverySeries,
    ward: Ward,
    part: Part,
  ) {
    this.#around = around;
    this.ward = ward;
    this.id = registered.subscription.incarnation;
    this.registered = registered;
    this.target = target;
    this.series = series;
    this.#lines = new Lines((by) => {
      around.leased += by;
    });
    this.#throttle = new Throttle(part, around.elapsed());
  }

  get running(): number {
    return this.#running;
  }

  get idle(): boolean {
    return this.#running === 0 && this.#lines.empty;
  }

  /** Its attempts outlive a settle window. */
  get sluggish(): boolean {
    return this.stalled || this.#tookMs > this.#around.settings.settleWindowMs;
  }

  get hungry(): boolean {
    return this.#hungry;
  }

  /** Its queue is not to be asked. */
  get parked(): boolean {
    return this.stop !== undefined && this.stop !== 'gone';
  }

  /**
   * Leased deliveries that could start now; with batches also those of the next, so that it is there when its turn comes.
   * A probe is made with one, whatever batches may hold.
   */
  get leaseRoom(): number {
    const { count, bytes } = this.#lines.leased;
    const now = this.#around.elapsed();
    if (bytes >= this.#around.settings.lineBytesMax || this.held(now)) return 0;
    const free = Math.min(
      this.#throttle.room(this.#running, now),
      Math.max(0, this.ward.allowed(this.limit) - this.#running),
    );
    if (this.ward.probing) return Math.max(0, this.ward.allowed(1) - count);
    const ahead = this.target.batches && !this.stalled && !this.shut(now);
    // Only what is there makes a lane without a permit ask for one.
    const attempts = ahead || this.limit === 0 ? Math.max(1, free) : free;
    const room = Math.min(attempts * this.target.eventsMax, Math.max(free, leasedEventsMax));
    return Math.max(0, room - count);
  }

  /**
   * The same for one partition's queue, which is asked now; `answered` is to follow. What to probe with is sought in one queue
   * after the other: each would give one, and all but one would have to go back.
   */
  ask(backlog: Backlog): number {
    const room = this.leaseRoom;
    if (room === 0 || !this.ward.probing) return room;
    if (this.#sought) {
      this.#backlogs.add(backlog);
      return 0;
    }
    this.#sought = backlog;
    return room;
  }

  /** A queue has been asked, and said what it holds. */
  answered(backlog: Backlog): void {
    if (this.#sought !== backlog) return;
    this.#sought = undefined;
    this.wake();
  }

  /** Leased deliveries in line. */
  get leasedCount(): number {
    return this.#lines.leased.count;
  }

  /** What its subscription's limits leave to this worker. */
  set part(part: Part) {
    const now = this.#around.elapsed();
    this.#throttle.set(part, now);
    this.wake(now);
  }

  /** Attempts at once that its limits and its endpoint allow at the moment. */
  get limit(): number {
    return this.#throttle.limit;
  }

  /** `clock.elapsed()` until which its endpoint wants to be left alone; past if it does not. */
  get heldUntil(): number {
    return this.#throttle.heldUntil;
  }

  held(now: number): boolean {
    return this.#throttle.held(now);
  }

  shut(now: number): boolean {
    return this.#throttle.shut(now);
  }

  /** Nothing would be forgotten with it. */
  atRest(now: number): boolean {
    return this.idle && this.#throttle.atRest(now);
  }

  /** The endpoint takes events again after it had taken none. */
  restart(): void {
    this.#throttle.restart();
  }

  /** Attempts that it could use at once, those under way included. */
  get wanted(): number {
    const backlog = this.#backlogs.size > 0 ? 1 : 0;
    const { fresh, leased } = this.#lines;
    return this.#running + fresh.count + Math.max(leased.count, backlog);
  }

  /** Whether a fresh delivery would wait longer than is good for its log entry. */
  full(now: number): boolean {
    const { count, bytes, first } = this.#lines.fresh;
    if (first === undefined) return false;
    if (this.ward.probing) return true;
    const { lineBytesMax, settleWindowMs } = this.#around.settings;
    return (
      count >= this.#lineEventsMax || bytes >= lineBytesMax || now - first.since >= settleWindowMs * waitShare
    );
  }

  /** How long the first fresh delivery in line has been waiting. */
  waited(now: number): number {
    const { first } = this.#lines.fresh;
    return first === undefined ? 0 : now - first.since;
  }

  /** Takes a delivery into its line, and starts what can start. */
  accept(delivery: OpenDelivery, now: number): void {
    delivery.since = now;
    this.#lines.push(delivery);
    if (!this.target.batches) this.pump(now);
    else if (!this.#gathering) {
      // What else comes in this turn of the event loop can go into the same batch, and costs no waiting.
      this.#gathering = true;
      setImmediate(this.#gathered);
    }
  }

  withdraw(delivery: OpenDelivery): void {
    if (!delivery.inLine) return;
    this.#lines.remove(delivery);
    this.#relieve();
  }

  /** Whether a partition's queue is known to hold more that is due. */
  hasBacklog(backlog: Backlog): boolean {
    return this.#backlogs.has(backlog);
  }

  /** Tells whether a partition's queue holds more that is due. */
  setBacklog(backlog: Backlog, more: boolean): void {
    if (more) this.#backlogs.add(backlog);
    else this.#backlogs.delete(backlog);
  }

  /** Starts attempts while there is room. */
  pump(now: number): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#throttle.room(this.#running, now) > 0) {
      const leasedRunning = this.#running - this.#freshRunning;
      const delivery = this.#lines.next(
        this.limit,
        this.#freshRunning,
        leasedRunning,
        this.#backlogs.size > 0,
      );
      if (delivery === undefined || !this.#around.mayStart(now)) break;
      if (!this.ward.admits(this.#running, this.limit)) break;
      if (!this.target.origin.offers(this.#running)) {
        this.target.origin.whenFree(this.#pumpAgain);
        break;
      }
      const prompt = delivery.fresh && this.ward.sound;
      if (!this.#around.capacity.offers(this.#running, prompt, this.#pumpAgain)) break;
      this.#begin(delivery, now);
    }
    this.#pumping = false;
    this.#appraise();
    this.#awaitOpening(now);
  }

  ended(attempt: PassedAttempt, now: number): void {
    this.#leave(attempt);
    this.#movedAt = now;
    this.#tookMs = now - attempt.startedAt;
    this.stalled = false;
    this.wake(now);
    this.#relieve();
  }

  /** Starts what may start by now, and has the queues asked if there is room. */
  wake(now = this.#around.elapsed()): void {
    this.pump(now);
    if (this.#backlogs.size === 0 || this.leaseRoom === 0) return;
    for (const backlog of this.#backlogs) {
      backlog.soon();
      if (this.ward.probing) return;
    }
  }

  told(sample: Sample): void {
    this.#throttle.ended(sample);
  }

  hold(ms: number, status: number, now: number): boolean {
    this.ward.asked(Math.min(ms, holdMsMax), status);
    return this.#hold(ms, now);
  }

  /** Keeps to what its endpoint asked other workers for. */
  heed(now: number): void {
    this.#hold(this.ward.leaveAloneMs, now);
  }

  /** Its endpoint need not be left alone any more. */
  release(): void {
    this.#throttle.release();
  }

  worked(attempt: PassedAttempt, now: number): void {
    this.ward.worked(attempt, now);
  }

  failed(attempt: PassedAttempt, failure: AttemptFailure): void {
    this.ward.failed(attempt, failure);
  }

  /** Looks whether attempts still end. */
  checkStall(now: number): void {
    this.stalled = this.#running > 0 && now - this.#movedAt >= this.#around.settings.settleWindowMs;
    this.#appraise();
    if (this.blocks && (this.stalled || this.shut(now))) this.#unblock();
  }

  setActive(active: boolean): void {
    this.active = active;
    this.#appraise();
  }

  /** Stops the lane, or lets it go on. */
  setStop(stop: Stop | undefined): void {
    if (stop === this.stop) return;
    this.stop = stop;
    if (stop !== undefined) this.#lines.clear((delivery) => this.refuse(delivery));
    this.#appraise();
    this.#relieve();
  }

  /** Concludes a delivery that a stopped lane does not take. */
  refuse(delivery: OpenDelivery): void {
    if (this.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
    // Due at once, and its queue is parked: whoever owns the partition when the lane goes on does not let it wait.
    else defer(delivery, this.stop ?? 'disabled', 0);
  }

  /** Puts a delivery off until its endpoint may be called again. */
  putOff(delivery: OpenDelivery, now: number): void {
    defer(delivery, 'held', Math.max(0, Math.ceil(this.heldUntil - now)));
  }

  /** When nothing goes through it any more. */
  close(): void {
    this.#opening?.cancel();
  }

  #hold(ms: number, now: number): boolean {
    const begins = this.#throttle.hold(ms, now);
    if (begins) {
      this.#lines.clear((delivery) => this.putOff(delivery, now));
      this.#relieve();
    }
    return begins;
  }

  /** Starts an attempt at the delivery whose turn it is, and at what goes into the same batch. */
  #begin(first: OpenDelivery, now: number): void {
    const batch = new Batch(this, first.fresh);
    const { probing } = this.ward;
    let next: OpenDelivery | undefined = first;
    while (next && this.#load(batch, next, now)) {
      this.#lines.remove(next);
      next = batch.full || probing ? undefined : this.#lines.after(first);
    }
    if (batch.deliveries.length === 0) return;
    this.#throttle.started(now);
    this.#around.capacity.started(this.#running);
    if (this.#running++ === 0) this.#movedAt = now;
    if (batch.fresh) this.#freshRunning++;
    this.ward.started();
    this.#around.start(batch, now);
  }

  #load(batch: Batch, delivery: OpenDelivery, now: number): boolean {
    if (delivery.holder.ownedUntil >= now) return this.#around.load(batch, delivery, now);
    // Another worker may own the partition by now: what has not started is left to whoever does.
    defer(delivery, 'busy', 0);
    return true;
  }

  #leave({ fresh }: PassedAttempt): void {
    this.#running--;
    if (fresh) this.#freshRunning--;
    this.#around.capacity.ended(this.#running);
  }

  /** At least a batch has room in line. */
  get #lineEventsMax(): number {
    return Math.max(this.#around.settings.lineEventsMax, this.target.eventsMax);
  }

  /** Goes on by itself where only time keeps it from it. */
  #awaitOpening(now: number): void {
    if (this.#opening || (this.#lines.empty && this.#backlogs.size === 0)) return;
    const ms = this.#throttle.opensInMs(now);
    if (ms === undefined) return;
    this.#opening = this.#around.after(Math.max(ms, openingMsMin), () => {
      this.#opening = undefined;
      this.wake();
    });
  }

  #appraise(): void {
    const hungry =
      this.active &&
      this.ward.free &&
      !this.stalled &&
      this.stop === undefined &&
      this.#lines.fresh.count === 0 &&
      this.#throttle.room(this.#running, this.#around.elapsed()) > 0;
    if (hungry === this.#hungry) return;
    this.#hungry = hungry;
    this.#around.hungry += hungry ? 1 : -1;
  }

  /** Lets reading go on once half the line is free: going on at each free place would be once per event. */
  #relieve(): void {
    if (this.blocks && this.#lines.fresh.count * 2 <= this.#lineEventsMax) this.#unblock();
  }

  #unblock(): void {
    this.blocks = false;
    this.#around.roomAgain();
  }
}
