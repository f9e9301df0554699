/**
 * Gives up what waits too long where nothing attempts it: what no consumer has received in time, and what could not be sent
 * because its subscription is stopped.
 */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import { type Health, isProven, queueLimitsOf, type Subscription } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { LeaseOutcome, PartitionUsage, Store } from '@gridpost/store';
import { expiredRecords } from '../attempts/records.js';

export interface ExpiryOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly attemptLog: AttemptLogLevel;
}

/** Events given up by one store call, and calls per subscription and pass. */
const expireStepMax = 100;
const stepsMax = 20;
const expireLeaseMs = 10_000;

export class Expiry {
  readonly #options: ExpiryOptions;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /** One pass over a partition, of which `usage` was just read. Rejects as the store does. */
  async runOnce(partition: number, { subscriptions, now }: PartitionUsage): Promise<void> {
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
}

/** How long events wait where no attempt looks at their time to live; undefined where one does, or they wait for ever. */
function waitMsMax(subscription: Subscription, health: Health | undefined): number | undefined {
  const { queue, retryPolicy } = subscription.properties;
  if (queue) return queueLimitsOf(queue).timeToLiveMs;
  const attempted =
    isProven(subscription) && subscription.status.state === 'Active' && health?.state !== 'Probation';
  return attempted ? undefined : retryPolicy.eventTimeToLiveInMinutes * 60_000;
}
