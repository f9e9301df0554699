/**
 * All lanes of a worker, and the rules that need to see more than one: what happens to a delivery whose lane is full,
 * when attempts may start at all, and each lane's share of its subscription's concurrency.
 *
 * A full lane makes reading wait, or has its deliveries deferred (`overflow.ts`).
 *
 * A stalled lane never makes reading wait: its deliveries are deferred until an attempt ends. Nor does one that its rate or
 * its endpoint's wish keeps from starting any: its line is filled, and the rest deferred.
 */
import type { OAuthTokens } from '@gridpost/egress';
import {
  type Clock,
  type Incarnation,
  isProven,
  limits,
  type Log,
  type Random,
  type Subscription,
  type Timer,
} from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { ChangedSubscriptions, RegisteredSubscription, Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import type { Batch } from '../attempts/batch.js';
import type { Connections } from '../requests/connections.js';
import { defer } from '../attempts/endings.js';
import { type HealthKeeper, policyOf } from '../health/keeper.js';
import { Ward, type WardTerms } from '../health/ward.js';
import { Lane, type Surroundings } from './lane.js';
import { overflows, quietMs } from './overflow.js';
import type { OpenDelivery, Stop } from '../attempts/open-delivery.js';
import { Capacity } from '../limits/capacity.js';
import { Parts } from '../limits/parts.js';
import { DeliverySeries } from '../series.js';
import type { DeliverySettings } from '../settings.js';
import { Target } from '../requests/target.js';
import type { Part } from '../limits/throttle.js';

/** A lane without work is forgotten after this. */
const idleMs = 60_000;
/** Attempt timeout of a subscription that says nothing else. */
const usualTimeoutMs = limits.attemptTimeoutSeconds.default * 1_000;

/** The lowest limit of all attempts: a turn of the event loop in which so many end takes about ten milliseconds. */
const attemptsMin = 64;
/** Leased deliveries that may wait in all lines for each attempt that may run: at most for a few seconds, well within their leases. */
const leasedPerAttempt = 32;

/** Before a lane's part is known. */
const closed: Part = { attempts: 0, ceiling: 1, rate: undefined };

export interface LanesOptions {
  /** This worker, by the name that it announces itself with. */
  readonly worker: string;
  readonly settings: DeliverySettings;
  readonly store: Pick<Store, 'permits'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly connections: Connections;
  readonly random: Random;
  readonly keeper: HealthKeeper;
  readonly tokens: OAuthTokens;
  /** As `Surroundings`. */
  readonly load: Surroundings['load'];
  readonly start: Surroundings['start'];
  /** Whether the process has no time to spare. */
  readonly saturated: () => boolean;
  /** A stopped subscription's deliveries may be attempted from now on. */
  readonly onResumed: (subscription: Incarnation) => void;
}

export class Lanes implements Surroundings {
  readonly settings: DeliverySettings;
  /** Subscriptions whose events are received by consumers, of those that have a lane. */
  readonly queues = new Set<Incarnation>();
  hungry = 0;
  leased = 0;
  readonly capacity: Capacity;
  readonly #options: LanesOptions;
  readonly #lanes = new Map<Incarnation, Lane>();
  readonly #readers = new Set<() => void>();
  readonly #stopWatching: () => void;
  #active = 0;
  #subscriptions: number | undefined;
  readonly #parts: Parts;
  #shut = false;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.settings = options.settings;
    const { concurrency, attemptsMax } = options.settings;
    // As many as one subscription may run: alone, none notices that there is a limit.
    this.capacity = new Capacity({ min: Math.max(attemptsMin, concurrency), max: attemptsMax });
    this.#parts = new Parts({
      ...options,
      onChange: (subscription) => {
        const lane = this.#lanes.get(subscription);
        if (lane) this.#divide(lane);
      },
    });
    this.#stopWatching = options.registry.onChange((changed) => this.#refresh(changed));
  }

  /** The subscription's lane, made if there is none. */
  of(found: RegisteredSubscription): Lane {
    const known = this.#lanes.get(found.subscription.incarnation);
    if (known) return known;
    const { metrics, connections, tokens, clock, random, registry } = this.#options;
    // What was matched a while ago may have been written since, of which the lane was told nothing.
    const registered = registry.subscription(found.subscription.incarnation) ?? found;
    const { subscription } = registered;
    const { incarnation: id, topic, name } = subscription;
    const target = new Target(subscription, connections, tokens, this.settings);
    const ward = new Ward(
      { id, clock, random, onChange: () => this.#stop(lane), onReleased: () => this.#release(lane) },
      this.#termsOf(subscription, target),
      registry.healthOf(id),
    );
    const series = new DeliverySeries(metrics, topic, name);
    const lane: Lane = new Lane(this, registered, target, series, ward, closed);
    this.#divide(lane);
    this.#stop(lane);
    lane.usedAt = this.elapsed();
    this.#lanes.set(subscription.incarnation, lane);
    return lane;
  }

  find(subscription: Incarnation): Lane | undefined {
    return this.#lanes.get(subscription);
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Whether deliveries that are due may be leased: not more than can be attempted before long. */
  get leases(): boolean {
    return this.leased < this.#leasesMax;
  }

  /**
   * Leased deliveries that one lane may have in line while many wait for attempts: an even part. What is due earliest, such as
   * the backlogs of a crowd that has just come back, would otherwise take all the room, time after time, and a retry of anybody
   * else wait behind it. Undefined while there is room for all.
   */
  get leasedPart(): number | undefined {
    const crowded = this.leased * 2 > this.#leasesMax;
    return crowded ? Math.max(1, Math.floor(this.#leasesMax / this.#lanes.size)) : undefined;
  }

  get #leasesMax(): number {
    return leasedPerAttempt * this.capacity.limit;
  }

  /** Those that are not simply healthy. */
  wards(): Map<Ward, Subscription> {
    const wards = new Map<Ward, Subscription>();
    for (const { ward, registered, stop } of this.#lanes.values())
      if (!ward.free && stop !== 'gone') wards.set(ward, registered.subscription);
    return wards;
  }

  /** This worker's part of the concurrency of a subscription that says nothing else. */
  get share(): number {
    return this.#parts.usual;
  }

  /** The longest attempt timeout among the lanes; the usual one where there is none. */
  get longestTimeoutMs(): number {
    let longest = usualTimeoutMs;
    for (const { target } of this.#lanes.values()) longest = Math.max(longest, target.timeoutMs);
    return longest;
  }

  /** Says which workers are to own partitions: each has its part of a subscription's limits. */
  setWorkers(workers: readonly string[]): void {
    this.#parts.workers = workers;
    for (const lane of this.#lanes.values()) this.#divide(lane);
  }

  /**
   * Takes a fresh delivery, or defers it because its lane is busy or stopped. False if it did neither because reading
   * is to wait; `whenRoom` tells when to offer it again. `lagMs`: how far reading is behind. `force`: rather defer.
   */
  offer(delivery: OpenDelivery, now: number, lagMs: number, force: boolean): boolean {
    const lane = delivery.lane as Lane;
    lane.offeredAt = now;
    lane.usedAt = now;
    if (!lane.active) this.#setActive(lane, true);
    if (lane.stop !== undefined) lane.refuse(delivery);
    else if (lane.held(now)) lane.putOff(delivery, now);
    else if (lane.stalled || (delivery.holder.shedding && lane.sluggish)) defer(delivery, 'busy', 0);
    else if (!lane.full(now)) lane.accept(delivery, now);
    // What is probed, only just gets going again, or is kept from starting by more than what runs, keeps nobody waiting.
    else if (force || !lane.ward.free || lane.shut(now) || this.#overflows(lane, now, lagMs))
      defer(delivery, 'busy', 0);
    else {
      lane.blocks = true;
      return false;
    }
    return true;
  }

  /** Takes a delivery that was leased from its queue. */
  accept(delivery: OpenDelivery, now: number): void {
    const lane = delivery.lane as Lane;
    lane.usedAt = now;
    if (lane.stop !== undefined) lane.refuse(delivery);
    else if (lane.held(now)) lane.putOff(delivery, now);
    else lane.accept(delivery, now);
  }

  /** Calls when a lane that made reading wait has room again; returns how to stop. */
  whenRoom(call: () => void): () => void {
    this.#readers.add(call);
    return () => void this.#readers.delete(call);
  }

  /** Stops a lane before its subscription's new state has come through the registry. */
  disable(subscription: Incarnation): void {
    this.#lanes.get(subscription)?.setStop('disabled');
  }

  /** Has a lane know what the registry knows; also undoes `disable` where it did not hold. */
  reconsider(subscription: Incarnation): void {
    const lane = this.#lanes.get(subscription);
    if (lane) this.#update(lane);
  }

  /** To be called about every 100 ms. */
  sweep(now: number): void {
    for (const lane of this.#lanes.values()) {
      lane.checkStall(now);
      if (!lane.ward.free && lane.stop !== 'gone')
        this.#options.keeper.tend(lane.ward, lane.registered.subscription);
      if (lane.active && now - lane.offeredAt > quietMs) this.#setActive(lane, false);
      // Without its lane a queue would not be kept from being asked, nor taken up as soon as it may be.
      if (
        !lane.parked &&
        (lane.ward.free || lane.stop === 'gone') &&
        lane.atRest(now) &&
        now - lane.usedAt > idleMs
      )
        this.#forget(lane);
    }
    this.#parts.look(now);
    this.capacity.look(this.#options.saturated());
    this.reopen(now);
  }

  /** Whether attempts may start: only while the configuration is known to be current (docs/architecture.md). */
  open(now: number): boolean {
    return now - this.#options.registry.confirmedAt <= this.settings.confirmWithinMs;
  }

  /** Lets lanes go on that found attempts forbidden, if they no longer are. */
  reopen(now: number): void {
    if (!this.#shut || !this.open(now)) return;
    this.#shut = false;
    for (const lane of this.#lanes.values()) lane.pump(now);
  }

  /** Resolves when no call is under way. */
  async close(): Promise<void> {
    this.#stopWatching();
    for (const lane of [...this.#lanes.values()]) this.#forget(lane);
    await this.#parts.ended();
  }

  elapsed(): number {
    return this.#options.clock.elapsed();
  }

  after(ms: number, call: () => void): Timer {
    return this.#options.clock.after(ms, call);
  }

  mayStart(now: number): boolean {
    if (this.open(now)) return true;
    this.#shut = true;
    return false;
  }

  load(batch: Batch, delivery: OpenDelivery, now: number): boolean {
    return this.#options.load(batch, delivery, now);
  }

  start(batch: Batch, now: number): void {
    this.#options.start(batch, now);
  }

  roomAgain(): void {
    for (const call of this.#readers) call();
  }

  #divide(lane: Lane): void {
    lane.part = this.#parts.of(lane.registered.subscription, lane);
  }

  #overflows(lane: Lane, now: number, lagMs: number): boolean {
    const { hungry } = this;
    const { saturated } = this.#options;
    const quiet = (): boolean => this.#active < this.#subscriptionCount();
    return overflows({ waitedMs: lane.waited(now), lagMs, hungry, quiet, saturated });
  }

  #subscriptionCount(): number {
    if (this.#subscriptions === undefined) {
      this.#subscriptions = 0;
      for (const { subscriptions } of this.#options.registry.topics())
        this.#subscriptions += subscriptions.size;
    }
    return this.#subscriptions;
  }

  #setActive(lane: Lane, active: boolean): void {
    this.#active += active ? 1 : -1;
    lane.setActive(active);
  }

  #refresh(changed: ChangedSubscriptions): void {
    this.#subscriptions = undefined;
    // Where a thousand endpoints fail, health is written all the time: not all lanes are to be looked at for each.
    for (const id of changed ?? this.#lanes.keys()) this.reconsider(id);
  }

  #update(lane: Lane): void {
    const registered = this.#options.registry.subscription(lane.id);
    if (registered && registered !== lane.registered) {
      const { subscription } = registered;
      lane.target.leave();
      lane.registered = registered;
      const { connections, tokens } = this.#options;
      lane.target = new Target(subscription, connections, tokens, this.settings);
      lane.ward.terms = this.#termsOf(subscription, lane.target);
      this.#divide(lane);
    }
    lane.ward.learn(this.#options.registry.healthOf(lane.id), this.#options.registry.version);
    this.#stop(lane);
  }

  #termsOf(subscription: Subscription, { timeoutMs }: Target): WardTerms {
    return { policy: policyOf(subscription, this.settings), timeoutMs };
  }

  /** Has the lane start what it may by now. */
  #stop(lane: Lane): void {
    const stop = this.#stopOf(lane.id) ?? (lane.ward.held ? 'probation' : undefined);
    const flows = stop === undefined && !lane.ward.probing;
    lane.heed(this.elapsed());
    // Its queue may be parked, also by this worker and just now.
    if (lane.flows === false && flows) {
      if (!lane.ward.free) lane.restart();
      this.#options.onResumed(lane.id);
    }
    lane.flows = flows;
    if (stop === 'queue') this.queues.add(lane.id);
    else this.queues.delete(lane.id);
    lane.setStop(stop);
    if (stop === undefined) lane.wake();
  }

  /** What was put off for its endpoint's sake may be attempted, also what this worker has put off just now. */
  #release(lane: Lane): void {
    lane.release();
    this.#options.onResumed(lane.id);
  }

  #stopOf(subscription: Incarnation): Stop | undefined {
    // What was matched a while ago may be gone by now.
    const registered = this.#options.registry.subscription(subscription);
    if (!registered) return 'gone';
    const { subscription: found } = registered;
    if (found.properties.queue) return 'queue';
    if (!isProven(found)) return 'unproven';
    const { state } = found.status;
    return state === 'Active' ? undefined : state === 'Paused' ? 'paused' : 'disabled';
  }

  #forget(lane: Lane): void {
    this.queues.delete(lane.id);
    if (lane.active) this.#setActive(lane, false);
    lane.target.leave();
    lane.close();
    this.#parts.forget(lane.id);
    this.#lanes.delete(lane.id);
  }
}
