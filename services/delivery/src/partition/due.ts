/**
 * Leases one partition's deferred deliveries when they are due and there is room for them, and hands them to the lanes.
 *
 * The store is asked when something may be due: when the last answer said so, when a deferral just written is, when a
 * lane has room and its queue is known to hold more, when dead letters were redriven. A hint of those may be lost, so it is
 * also asked at a slow beat. One ask is under way at a time, and none follows another at once.
 */
import { type Clock, Event, type Incarnation, type Log, type Random, type Timer } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import { type DueResult, Fenced, type LeasedDelivery, type Store } from '@gridpost/store';
import { parkedMs } from '../attempts/endings.js';
import type { Backlog } from '../lanes/lane.js';
import type { Lanes } from '../lanes/lanes.js';
import { OpenDelivery } from '../attempts/open-delivery.js';
import { Outage } from '../outage.js';
import type { Site } from './site.js';

export interface DueOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly lanes: Lanes;
  readonly site: DueSite;
}

export interface DueSite extends Site {
  /** Whether settling fails: what it would write may be the end of a lease that the store still sees running. */
  readonly settlingFails: boolean;
  /** Takes a leased delivery in hand. */
  hold(delivery: OpenDelivery): void;
  /** Forgets a leased delivery of a subscription that is gone. */
  forget(delivery: LeasedDelivery): void;
  /** Gives a leased delivery back to its queue, as it was. */
  giveBack(delivery: LeasedDelivery): void;
}

/** Deliveries of one ask, and about how many bytes: the events of an ask are in memory at once. */
const dueMax = 256;
const dueMin = 8;
const dueBytesMax = 16 * 1024 * 1024;
/** Asks follow each other no faster than this: room comes back piece by piece. */
const gatherMs = 5;
/**
 * Longest pause between two asks, and where the last one left something that was due already; the latter half more or
 * less, so that it is not always the same partition that comes first to what little room there is.
 */
const slowBeatMs = 5_000;
const blockedBeatMs = 1_000;
/**
 * Parking ends with a step, so that a thousand endpoints that are held back are not a thousand asks; and not so many at one
 * that all else waits for their probes.
 */
const parkingStepMs = 100;
/** Parking is told again when no more than this is left of it, or it lasts so much too long. */
const parkingLeftMs = 1_000;
/** A lease lasts for the longest attempt, and this much for its wait in line and the writing of its outcome. */
const leaseMarginMs = 10_000;

/** What lanes have room for: those that are named, and each of the others. */
interface Rooms {
  readonly usual: number;
  readonly rooms: ReadonlyMap<string, number>;
}

export class Due implements Backlog {
  readonly #options: DueOptions;
  readonly #outage: Outage;
  #timer: Timer | undefined;
  #at = Number.POSITIVE_INFINITY;
  #asking: Promise<void> | undefined;
  #stopped = false;
  #frameBytes = 0;
  /** Until when the store was told to park queues, by `clock.elapsed()`: a thousand are not told with every ask. */
  #parking = new Map<Incarnation, number>();

  constructor(options: DueOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'asking for what is due', { partition: options.site.partition });
  }

  start(): void {
    this.expect(0);
  }

  /** Leases nothing any more. Resolves when nothing comes in any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const lane of this.#options.lanes.all()) lane.setBacklog(this, false);
    await this.#asking;
  }

  soon(): void {
    this.expect(0);
  }

  /** The store is told to end the subscription's parking. */
  hastened(subscription: Incarnation): void {
    this.#parking.delete(subscription);
  }

  /** Something will be due in `ms`; what is due already waits for its like. */
  expect(ms: number): void {
    if (this.#stopped) return;
    const at = this.#options.clock.elapsed() + Math.max(ms, gatherMs);
    if (at >= this.#at) return;
    this.#at = at;
    this.#timer?.cancel();
    // What falls due while an ask is under way is seen when it has come back.
    this.#timer = this.#asking ? undefined : this.#options.clock.after(Math.max(ms, gatherMs), this.#ask);
  }

  readonly #ask = (): void => {
    this.#at = Number.POSITIVE_INFINITY;
    this.#timer = undefined;
    this.#asking = this.#round().then((nextMs) => {
      this.#asking = undefined;
      for (const lane of this.#options.lanes.all()) lane.answered(this);
      const expectedMs = this.#at - this.#options.clock.elapsed();
      this.#at = Number.POSITIVE_INFINITY;
      this.expect(Math.max(0, Math.min(nextMs, expectedMs)));
    });
  };

  /** One ask; returns after how many milliseconds another makes sense. */
  async #round(): Promise<number> {
    const { store, lanes, site, clock, random } = this.#options;
    const began = clock.elapsed();
    if (site.settlingFails || !lanes.open(began) || !lanes.leases) return blockedBeatMs;
    const max = Math.max(dueMin, Math.min(dueMax, Math.floor(dueBytesMax / Math.max(1, this.#frameBytes))));
    const { usual, rooms, parked } = this.#rooms(max, began);
    const leaseMs = lanes.longestTimeoutMs + leaseMarginMs;
    const ask = { max, room: usual, rooms, parked, leaseMs };
    let result: DueResult;
    try {
      result = await store.due(site.partition, site.epoch, { ...ask, token: `e${site.epoch}.d` });
    } catch (error) {
      this.#parking.clear();
      if (this.#stopped) return slowBeatMs;
      if (error instanceof Fenced) {
        site.fenced();
        return slowBeatMs;
      }
      return this.#outage.failed(error);
    }
    this.#outage.over();
    site.noteStoreNow(result.now);
    const sure = await this.#knows(result);
    if (site.lost) return slowBeatMs;
    // Leases count from when the store gave them, which was not before the ask began.
    const again = this.#accept(result, { usual, rooms }, max, began + leaseMs, sure);
    const { nextInMs = slowBeatMs } = result;
    if (again) return 0;
    return nextInMs > 0 ? Math.min(nextInMs + 1, slowBeatMs) : blockedBeatMs * (0.5 + random());
  }

  /** The lanes' room for what one ask brings at most, and those that are to be parked from now on, for how long. */
  #rooms(max: number, now: number): Rooms & { readonly parked: Map<string, number> } {
    const { lanes } = this.#options;
    const even = lanes.leasedPart ?? Number.POSITIVE_INFINITY;
    const usual = Math.min(lanes.share, even);
    const rooms = new Map<string, number>();
    const parked = new Map<string, number>();
    const before = this.#parking;
    this.#parking = new Map();
    let waiting = 0;
    for (const lane of lanes.all()) {
      if (lane.parked) {
        const ms = lane.stop === 'probation' ? untilProbe(lane.ward.heldMs, now) : parkedMs;
        const told = (before.get(lane.id) ?? 0) - now;
        const lasts = told > parkingLeftMs && told - ms <= parkingLeftMs;
        if (!lasts) parked.set(lane.id, ms);
        this.#parking.set(lane.id, now + (lasts ? told : ms));
        continue;
      }
      const leaseRoom = Math.min(
        lane.ask(this),
        Math.max(0, even * lane.target.eventsMax - lane.leasedCount),
      );
      const backlog = lane.hasBacklog(this);
      if (backlog || !lane.idle || lane.target.batches || leaseRoom < usual) rooms.set(lane.id, leaseRoom);
      if (backlog && leaseRoom > 0) waiting++;
    }
    // The earliest are given first, and a lane with batches has room for all that an ask brings, time after time.
    const part = Math.max(lanes.share, Math.ceil(max / Math.max(1, waiting)));
    for (const [subscription, room] of rooms) if (room > part) rooms.set(subscription, part);
    return { usual, rooms, parked };
  }

  /**
   * Whether a subscription that is not known is gone. It may be younger than this worker's copy of the configuration, where
   * another worker owned the partition until just now.
   */
  async #knows({ deliveries }: DueResult): Promise<boolean> {
    const { registry } = this.#options;
    if (deliveries.every(({ subscription }) => registry.subscription(subscription))) return true;
    return registry.refresh().then(
      () => true,
      () => false,
    );
  }

  /**
   * Whether a lane that was given all it had room for has room already: some of it was concluded without an attempt.
   * `sure`: what is not known is gone.
   */
  #accept(
    { deliveries }: DueResult,
    { usual, rooms }: Rooms,
    max: number,
    leaseUntil: number,
    sure: boolean,
  ): boolean {
    const { lanes, clock, site, registry } = this.#options;
    const counts = new Map<string, number>();
    let bytes = 0;
    for (const { subscription, frame } of deliveries) {
      counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
      bytes += frame.length;
      // Where a store forgot that it was parked, it is told again.
      this.#parking.delete(subscription);
    }
    if (deliveries.length > 0) this.#frameBytes = bytes / deliveries.length;
    const now = clock.elapsed();
    for (const leased of deliveries) {
      const registered = registry.subscription(leased.subscription);
      if (!registered) {
        if (sure) site.forget(leased);
        else site.giveBack(leased);
        continue;
      }
      const lane = lanes.of(registered);
      // As many as there was room for: there may be more.
      const asked = rooms.get(leased.subscription) ?? usual;
      lane.setBacklog(this, counts.get(leased.subscription)! >= asked || deliveries.length >= max);
      const { token, state, place, acceptedAt, frame } = leased;
      const { entry, index } = place;
      const origin = { holder: site, entry, index, event: new Event(frame), acceptedAt };
      const delivery = new OpenDelivery(lane, origin, { token, state, until: leaseUntil });
      if (leased.leaseExpired) delivery.redelivery = 'lease';
      else if (state.lastOutcome === 'Aborted') delivery.redelivery = 'drain';
      site.hold(delivery);
      lanes.accept(delivery, now);
    }
    if (deliveries.length >= max) return true;
    // Where fewer came than there was room for, nothing more is due.
    for (const [subscription, room] of rooms)
      if (room > 0 && !counts.has(subscription)) lanes.find(subscription)?.setBacklog(this, false);
    for (const [subscription, count] of counts) {
      const asked = rooms.get(subscription) ?? usual;
      if (count >= asked && (lanes.find(subscription)?.leaseRoom ?? 0) > 0) return true;
    }
    return false;
  }
}

function untilProbe(heldMs: number, now: number): number {
  const end = Math.ceil((now + heldMs) / parkingStepMs) * parkingStepMs;
  return Math.min(parkedMs, end - now);
}
