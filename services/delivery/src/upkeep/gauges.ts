/**
 * Reads off what this worker's partitions hold and what states subscriptions are in, and forgets the series of those that
 * are gone.
 */
import {
  deadLetterReasons,
  dropReasons,
  type Clock,
  type Health,
  healthStates,
  type Incarnation,
  isProven,
  attemptClasses,
  type Subscription,
} from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { RegisteredSubscription, Registry } from '@gridpost/registry';
import type { Lanes } from '../lanes/lanes.js';
import { deferReasons } from '../series.js';

export interface GaugesOptions {
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly lanes: Lanes;
}

/** What waits for one subscription in the partitions owned. */
export interface Held {
  backlog: number;
  deadLetters: number;
  /** Acceptance of the oldest that waits; infinite where nothing does. */
  oldestAt: number;
}

export interface Names {
  readonly topic: string;
  readonly name: string;
}

/** Of `subscriptionState`. */
const shownStates = ['Disabled', 'Paused', 'Unvalidated', 'Probation', 'Recovering'] as const;
type ShownState = (typeof shownStates)[number];

export class Gauges {
  readonly #options: GaugesOptions;
  /** Names under which there are series. */
  readonly #named = new Map<Incarnation, Names>();
  readonly #namedTopics = new Set<string>();
  #remembering: ReadonlySet<string> = new Set();
  readonly #states = new Map<Incarnation, ShownState>();

  constructor(options: GaugesOptions) {
    this.#options = options;
  }

  /** Under which names a subscription had series when it was last looked at. */
  namesOf(subscription: Incarnation): Names | undefined {
    return this.#named.get(subscription);
  }

  /** `held`: by subscription. `remembered`: identities, by topic. `storeNow`: the store's clock. */
  show(
    held: ReadonlyMap<Incarnation, Held>,
    remembered: ReadonlyMap<Incarnation, number>,
    storeNow: number,
  ): void {
    this.#showHeld(held, storeNow);
    this.#showTopics();
    this.#showIdentities(remembered);
  }

  #showHeld(held: ReadonlyMap<Incarnation, Held>, storeNow: number): void {
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
}

/** The first that holds: what has to be cured before the others matter. */
function stateOf(subscription: Subscription, health: Health | undefined): ShownState | undefined {
  if (subscription.properties.queue) return undefined;
  const { state } = subscription.status;
  if (state !== 'Active') return state;
  if (!isProven(subscription)) return 'Unvalidated';
  return health && health.state !== 'Healthy' ? health.state : undefined;
}

export function namesOf({ subscription }: RegisteredSubscription): Names {
  return { topic: subscription.topic, name: subscription.name };
}
