/**
 * What an owner does for its partitions besides delivering: reads off the gauges, forgets what deleted subscriptions
 * left, trims histories and what is remembered for duplicate detection, and gives up what waits too long where nothing
 * attempts it. `runOnce` is one pass; a loop only repeats it.
 *
 * Whether something is left over is judged by a registry refreshed after it was found: what was made meanwhile is then
 * known. All work is in bounded steps; what a pass does not finish, the next one goes on with.
 */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import {
  type Clock,
  deadLetterReasons,
  dropReasons,
  type Health,
  healthStates,
  type Incarnation,
  isProven,
  type Log,
  attemptClasses,
  queueLimitsOf,
  type Subscription,
} from '@gridpost/model';
import { type Metrics, otherLabel } from '@gridpost/metrics';
import type { RegisteredSubscription, Registry } from '@gridpost/registry';
import type { HistoryBounds, LeaseOutcome, PartitionUsage, Store, Usage } from '@gridpost/store';
import { AttemptUsageSeries } from './attempt-usage.js';
import { expiredRecords } from './attempt-records.js';
import type { Pending } from './in-hand.js';
import type { Lanes } from './lanes.js';
import { deferReasons } from './series.js';

/** What upkeep sees of an owned partition. */
export interface KeptPartition {
  readonly partition: number;
  /** What is in hand from unsettled entries, by subscription. */
  pending(): ReadonlyMap<Incarnation, Pending>;
  storeNow(elapsed: number): number;
  /** Looks whether the log holds what it should. */
  verify(): Promise<void>;
}

export interface UpkeepOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly lanes: Lanes;
  readonly attemptLog: AttemptLogLevel;
  /** Those owned at the moment. */
  readonly partitions: () => readonly KeptPartition[];
}

/** Records removed by one store call, and calls per partition and pass. */
const stepMax = 1_000;
const stepsMax = 20;
/** A history is to be trimmed as fast as it can be written. */
const trimStepsMax = 500;
const dayMs = 86_400_000;
/** Events that nobody has received, or that no attempt was made at, in time are given up in such steps. */
const expireStepMax = 100;
const expireLeaseMs = 10_000;

/** Of `subscriptionState`. */
const shownStates = ['Disabled', 'Paused', 'Unvalidated', 'Probation', 'Recovering'] as const;
type ShownState = (typeof shownStates)[number];

interface Names {
  readonly topic: string;
  readonly name: string;
}

interface Held {
  backlog: number;
  deadLetters: number;
  oldestAt: number;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  /** Names under which there are series. */
  readonly #named = new Map<Incarnation, Names>();
  readonly #namedTopics = new Set<string>();
  #remembering: ReadonlySet<string> = new Set();
  readonly #states = new Map<Incarnation, ShownState>();
  readonly #attempts: AttemptUsageSeries;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#attempts = new AttemptUsageSeries(options.metrics);
  }

  /** Gauges, leftovers and histories of all owned partitions. Rejects as the store does; the next pass goes on. */
  async runOnce(): Promise<void> {
    const { store, registry, metrics, clock } = this.#options;
    const held = new Map<Incarnation, Held>();
    const attempts = new Map<number, Awaited<ReturnType<Store['attemptUsage']>>>();
    const leftovers: { partition: number; subscription: Incarnation }[] = [];
    const remembered = new Map<Incarnation, number>();
    let logEntries = 0;
    const of = (subscription: Incarnation): Held => {
      let known = held.get(subscription);
      if (!known) {
        known = { backlog: 0, deadLetters: 0, oldestAt: Number.POSITIVE_INFINITY };
        held.set(subscription, known);
      }
      return known;
    };
    const partitions = this.#options.partitions();
    for (const owned of partitions) {
      const { partition } = owned;
      await owned.verify();
      const usage = await store.usage(partition);
      logEntries += usage.logEntries;
      attempts.set(partition, await store.attemptUsage(partition));
      for (const each of usage.subscriptions) {
        add(of(each.subscription), each);
        leftovers.push({ partition, subscription: each.subscription });
      }
      await this.#trimHistories(partition);
      await this.#forgetIdentities(partition, remembered);
      await this.#expireWaiting(partition, usage);
    }
    for (const partition of partitions) {
      for (const [subscription, { count, oldestAt }] of partition.pending()) {
        const sum = of(subscription);
        sum.backlog += count;
        sum.oldestAt = Math.min(sum.oldestAt, oldestAt);
      }
    }
    metrics.logEntries.with().set(logEntries);
    await registry.refresh();
    const storeNow = partitions[0]?.storeNow(clock.elapsed()) ?? 0;
    this.#show(held, storeNow);
    this.#attempts.show(attempts, storeNow);
    this.#showTopics();
    this.#showIdentities(remembered);
    for (const { partition, subscription } of leftovers)
      if (!registry.subscription(subscription)) await this.#purge(partition, subscription);
  }

  #show(held: ReadonlyMap<Incarnation, Held>, storeNow: number): void {
    const { registry, metrics, lanes } = this.#options;
    this.#showStates();
    const now = this.#options.clock.elapsed();
    for (const { id, registered, limit, heldUntil } of lanes.all()) {
      const { topic, name } = namesOf(registered);
      this.#named.set(id, { topic, name });
      metrics.concurrencyLimit.with(topic, name).set(limit);
      metrics.heldSeconds.with(topic, name).set(Math.max(0, heldUntil - now) / 1_000);
    }
    for (const [subscription, { backlog, deadLetters, oldestAt }] of held) {
      const registered = registry.subscription(subscription);
      if (!registered) continue;
      const { topic, name } = namesOf(registered);
      this.#named.set(subscription, { topic, name });
      metrics.backlog.with(topic, name).set(backlog);
      metrics.deadLetters.with(topic, name).set(deadLetters);
      metrics.oldestAge.with(topic, name).set(Math.max(0, storeNow - Math.min(storeNow, oldestAt)) / 1_000);
    }
    for (const [subscription, { topic, name }] of this.#named) {
      if (held.has(subscription) && registry.subscription(subscription)) continue;
      if (registry.subscription(subscription)) {
        metrics.backlog.with(topic, name).set(0);
        metrics.deadLetters.with(topic, name).set(0);
        metrics.oldestAge.with(topic, name).set(0);
        continue;
      }
      // What it left is still being forgotten, or an attempt still runs: there is more to count.
      if (held.has(subscription) || lanes.find(subscription)) continue;
      this.#named.delete(subscription);
      // The name may be in use again by another.
      if (!registry.subscriptionAt(topic, name)) this.#forgetSeries(topic, name);
    }
  }

  /** What keeps subscriptions from being delivered to as usual. One that never was in any such state has no series. */
  #showStates(): void {
    const { registry, metrics } = this.#options;
    const before = new Map(this.#states);
    for (const { subscription } of registry.subscriptions()) {
      const { incarnation: id, topic, name } = subscription;
      const state = stateOf(subscription, registry.healthOf(id)?.health);
      const shown = this.#states.get(id);
      before.delete(id);
      if (state === shown) continue;
      if (shown) metrics.subscriptionState.with(topic, name, shown).set(0);
      if (state) metrics.subscriptionState.with(topic, name, state).set(1);
      if (!this.#named.has(id)) this.#named.set(id, { topic, name });
      if (state) this.#states.set(id, state);
      else this.#states.delete(id);
    }
    for (const id of before.keys()) this.#states.delete(id);
  }

  #showTopics(): void {
    const { registry, metrics } = this.#options;
    for (const { topic, index } of registry.topics()) {
      this.#namedTopics.add(topic.name);
      metrics.scannedSubscriptions.with(topic.name).set(index.scanned);
    }
    for (const name of this.#namedTopics) {
      if (registry.topic(name)) continue;
      this.#namedTopics.delete(name);
      metrics.scannedSubscriptions.forget(name);
    }
  }

  #showIdentities(remembered: ReadonlyMap<Incarnation, number>): void {
    const { registry, metrics } = this.#options;
    const shown = new Set<string>();
    for (const [incarnation, count] of remembered) {
      const name = registry.topicById(incarnation)?.topic.name;
      if (name === undefined || count === 0) continue;
      shown.add(name);
      metrics.duplicateIdentities.with(name).set(count);
    }
    for (const name of this.#remembering) if (!shown.has(name)) metrics.duplicateIdentities.forget(name);
    this.#remembering = shown;
  }

  /** Frees the places that a deleted subscription's name holds under the cap on labels. */
  #forgetSeries(topic: string, name: string): void {
    const { metrics } = this.#options;
    const { backlog, deadLetters, oldestAge, concurrencyLimit, heldSeconds } = metrics;
    for (const gauge of [backlog, deadLetters, oldestAge, concurrencyLimit, heldSeconds])
      gauge.forget(topic, name);
    for (const outcome of attemptClasses) metrics.deliveryAttempts.forget(topic, name, outcome);
    for (const reason of deferReasons) metrics.deliveriesDeferred.forget(topic, name, reason);
    for (const reason of deadLetterReasons) metrics.deadLettered.forget(topic, name, reason);
    for (const reason of dropReasons) metrics.dropped.forget(topic, name, reason);
    for (const state of shownStates) metrics.subscriptionState.forget(topic, name, state);
    for (const state of healthStates) metrics.healthTransitions.forget(topic, name, state);
  }

  async #purge(partition: number, subscription: Incarnation): Promise<void> {
    const { store, metrics, lanes, log } = this.#options;
    const lane = lanes.find(subscription);
    const { topic, name } = lane ? namesOf(lane.registered) : (this.#named.get(subscription) ?? unnamed);
    const dropped = metrics.dropped.with(topic, name, 'SubscriptionDeleted');
    for (let step = 0; step < stepsMax; step++) {
      const count = await store.purge(partition, subscription, stepMax);
      dropped.add(count);
      if (count > 0) log.info({ topic, subscription: name, partition, count }, 'deliveries dropped: deleted');
      if (count < stepMax) return;
    }
  }

  /** Gives up what no consumer has received in time, and what could not be sent: its subscription is stopped. */
  async #expireWaiting(partition: number, { subscriptions, now }: PartitionUsage): Promise<void> {
    const { registry } = this.#options;
    for (const { subscription: id, oldestAcceptedAt } of subscriptions) {
      const { subscription } = registry.subscription(id) ?? {};
      if (!subscription || oldestAcceptedAt === undefined) continue;
      const timeToLiveMs = waitMsMax(subscription, registry.healthOf(id)?.health);
      if (timeToLiveMs === undefined) continue;
      if (now - oldestAcceptedAt < timeToLiveMs) continue;
      for (let step = 0; step < stepsMax; step++)
        if ((await this.#expireSome(partition, subscription, timeToLiveMs)) === 0) break;
    }
  }

  /** Returns how many were given up. */
  async #expireSome(partition: number, subscription: Subscription, timeToLiveMs: number): Promise<number> {
    const { store, metrics } = this.#options;
    const { incarnation, topic, name, properties } = subscription;
    const ask = { subscription: incarnation, max: expireStepMax, leaseMs: expireLeaseMs, token: 'upkeep.' };
    const { deliveries, now } = await store.receive(partition, { ...ask, waitedMs: timeToLiveMs });
    const outcomes = deliveries.map(({ place, token, state }): LeaseOutcome => {
      const { entry, index } = place;
      const outcome = { entry, index, subscription: incarnation, token };
      // One that was redriven began to live anew.
      if (now - state.liveFrom < timeToLiveMs)
        return { ...outcome, disposition: { kind: 'deferred', dueInMs: 0, state } };
      return properties.deadLettering
        ? { ...outcome, disposition: { kind: 'deadLettered', reason: 'TimeToLiveExceeded', state } }
        : { ...outcome, disposition: { kind: 'finished' } };
    });
    if (outcomes.length === 0) return 0;
    const attempts =
      this.#options.attemptLog === 'off' ? [] : expiredRecords(subscription, deliveries, outcomes, now);
    const { applied } = await store.conclude(partition, outcomes, attempts);
    let count = 0;
    for (const [at, { disposition }] of outcomes.entries()) {
      if (!applied[at] || disposition.kind === 'deferred') continue;
      count++;
      if (disposition.kind === 'finished') metrics.dropped.with(topic, name, 'DeadLetteringOff').add();
      else metrics.deadLettered.with(topic, name, 'TimeToLiveExceeded').add();
    }
    return count;
  }

  async #trimHistories(partition: number): Promise<void> {
    const { store, registry } = this.#options;
    const topics = await store.histories(partition);
    if (topics.length === 0) return;
    await registry.refresh();
    for (const topic of topics) {
      const { properties } = registry.topicById(topic)?.topic ?? {};
      const { eventRetentionInDays = 0, eventRetentionInBytes: bytes } = properties ?? {};
      const bounds: HistoryBounds = {
        ageMs: eventRetentionInDays * dayMs,
        ...(bytes === undefined ? {} : { bytesMax: bytes / store.info.partitions }),
      };
      for (let step = 0; step < trimStepsMax; step++)
        if ((await store.trimHistory(partition, topic, bounds, stepMax)) < stepMax) break;
    }
  }

  /** Appends forget what is outlived as long as there are any. Where detection is off, nothing needs to be remembered. */
  async #forgetIdentities(partition: number, remembered: Map<Incarnation, number>): Promise<void> {
    const { store, registry } = this.#options;
    const topics = await store.identities(partition);
    if (topics.length === 0) return;
    await registry.refresh();
    for (const { topic, count } of topics) {
      const { duplicateDetection } = registry.topicById(topic)?.topic.properties ?? {};
      const windowMs = (duplicateDetection?.windowInMinutes ?? 0) * 60_000;
      let left = count;
      for (let step = 0; step < stepsMax; step++) {
        const forgotten = await store.forgetIdentities(partition, topic, windowMs, stepMax);
        left -= forgotten;
        if (forgotten < stepMax) break;
      }
      remembered.set(topic, (remembered.get(topic) ?? 0) + Math.max(0, left));
    }
  }
}

/** How long events wait where no attempt looks at their time to live; undefined where one does, or they wait for ever. */
function waitMsMax(subscription: Subscription, health: Health | undefined): number | undefined {
  const { queue, retryPolicy } = subscription.properties;
  if (queue) return queueLimitsOf(queue).timeToLiveMs;
  const attempted =
    isProven(subscription) && subscription.status.state === 'Active' && health?.state !== 'Probation';
  return attempted ? undefined : retryPolicy.eventTimeToLiveInMinutes * 60_000;
}

/** The first that holds: what has to be cured before the others matter. */
function stateOf(subscription: Subscription, health: Health | undefined): ShownState | undefined {
  if (subscription.properties.queue) return undefined;
  const { state } = subscription.status;
  if (state !== 'Active') return state;
  if (!isProven(subscription)) return 'Unvalidated';
  return health && health.state !== 'Healthy' ? health.state : undefined;
}

const unnamed: Names = { topic: otherLabel, name: otherLabel };

function namesOf({ subscription }: RegisteredSubscription): Names {
  return { topic: subscription.topic, name: subscription.name };
}

function add(sum: Held, { deferred, deadLettered, oldestAcceptedAt }: Usage): void {
  sum.backlog += deferred;
  sum.deadLetters += deadLettered;
  if (oldestAcceptedAt !== undefined) sum.oldestAt = Math.min(sum.oldestAt, oldestAcceptedAt);
}
