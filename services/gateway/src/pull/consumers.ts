/**
 * What consumers of pull subscriptions do, in terms of deliveries: receive, acknowledge, release, reject and renew. HTTP is
 * `pull-route.ts`'s business, waiting `line.ts`'s.
 *
 * What a consumer may still get is judged when it is received (Event Grid namespaces, "Message delivery and retry"): a
 * delivery that has been received as often as its subscription allows, or has outlived its time to live, becomes a dead
 * letter instead, or is dropped where the subscription wants none. Counts and locks are in the store, so that any gateway
 * may be asked about anything.
 */
import { randomBytes } from 'node:crypto';
import type { AttemptLogLevel, RecordedOutcome } from '@gridpost/attempt-log';
import {
  type Clock,
  type DeadLetterReason,
  type Incarnation,
  type Log,
  type QueueProperties,
  type QueueLimits,
  queueLimitsOf,
  type Subscription,
} from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { LeasedDelivery, LeaseOutcome, Store } from '@gridpost/store';
import { byPartition } from '../by-partition.js';
import { type Lease, leaseOf, type Lock, stateOf } from './leases.js';
import { giveBack, Line } from './line.js';
import { ConsumerRecords } from './records.js';
import { Request } from './request.js';

/** A subscription whose events are received, not pushed. */
export type PulledSubscription = Subscription & { readonly properties: { readonly queue: QueueProperties } };

export interface ConsumersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly attemptLog: AttemptLogLevel;
}

export type Action =
  | { readonly kind: 'acknowledge' | 'reject' | 'renewLock' }
  | { readonly kind: 'release'; readonly delayMs: number };

/** A request for events that may have to wait. */
export interface Receiving {
  /** Rejects as the store does. */
  readonly deliveries: Promise<readonly LeasedDelivery[]>;
  /** The consumer has gone: what it has got, or would get, is for others. */
  readonly abandon: () => void;
}

type Conclusion = LeaseOutcome['disposition'];

/** What a consumer said, as the attempt log has it. */
const outcomes: Readonly<Partial<Record<Action['kind'], RecordedOutcome>>> = {
  acknowledge: 'Acknowledged',
  release: 'Released',
  reject: 'Rejected',
};

const finished: Conclusion = { kind: 'finished' };

/** A lock can be renewed for so long after the event was received (Event Grid namespaces, "Renew lock"). */
const renewMsMax = 3_600_000;

export class Consumers {
  readonly #options: ConsumersOptions;
  readonly #lines = new Map<Incarnation, Line>();
  /** Tells this process's leases from others'. */
  readonly #token = `c${randomBytes(6).toString('hex')}.`;
  readonly #records: ConsumerRecords;
  #closed = false;

  constructor(options: ConsumersOptions) {
    this.#options = options;
    this.#records = new ConsumerRecords(options.attemptLog);
  }

  /** Waits at most `waitMs` for at most `max` events, locked for the subscription's lock duration. */
  receive(subscription: PulledSubscription, max: number, waitMs: number): Receiving {
    const request = new Request(max, queueLimitsOf(subscription.properties.queue).lockMs);
    if (this.#closed) request.serve([]);
    else {
      const line = this.#lineOf(subscription);
      const timer = this.#options.clock.after(waitMs, () => request.leave());
      request.onEnd = () => {
        timer.cancel();
        line.leave(request);
      };
      line.enter(request);
    }
    return {
      deliveries: request.deliveries,
      abandon: () => {
        request.leave();
        if (request.got.length > 0) void this.giveBack(subscription, request.got);
      },
    };
  }

  /** Lets others have what was received, as if it had not been. Never rejects. */
  giveBack({ incarnation }: Subscription, deliveries: readonly LeasedDelivery[]): Promise<void> {
    return giveBack({ ...this.#options, subscription: incarnation }, deliveries);
  }

  /** For each lock whether it was still held, and so whether the action was done. Rejects as the store does. */
  async conclude(
    subscription: PulledSubscription,
    locks: readonly Lock[],
    action: Action,
  ): Promise<boolean[]> {
    const queueLimits = queueLimitsOf(subscription.properties.queue);
    let lease: Lease | undefined;
    let conclusion: Conclusion | undefined;
    const conclusions = locks.map((lock) => {
      if (lock.lease !== lease) {
        lease = lock.lease;
        conclusion = this.#conclusionOf(subscription, queueLimits, lease, action);
      }
      return conclusion;
    });
    return this.#apply(subscription, locks, conclusions, outcomes[action.kind]);
  }

  /** Answers everybody who waits, and lets nobody wait any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#lines.values()].map((line) => line.close()));
  }

  #lineOf(subscription: PulledSubscription): Line {
    const { incarnation } = subscription;
    const known = this.#lines.get(incarnation);
    if (known) return known;
    const line = new Line({
      ...this.#options,
      subscription: incarnation,
      token: this.#token,
      admit: (deliveries, now) => this.#admit(subscription, deliveries, now),
      onEmpty: () => this.#lines.delete(incarnation),
    });
    this.#lines.set(incarnation, line);
    return line;
  }

  #admit(
    subscription: PulledSubscription,
    deliveries: readonly LeasedDelivery[],
    now: number,
  ): readonly LeasedDelivery[] {
    const { deliveriesMax, timeToLiveMs, lockMs } = queueLimitsOf(subscription.properties.queue);
    const admitted: LeasedDelivery[] = [];
    const expired: LeasedDelivery[] = [];
    const over: Lock[] = [];
    const conclusions: Conclusion[] = [];
    for (const delivery of deliveries) {
      const { attempts, liveFrom } = delivery.state;
      if (attempts <= deliveriesMax && now - liveFrom < timeToLiveMs) {
        admitted.push(delivery);
        if (delivery.leaseExpired) expired.push(delivery);
        continue;
      }
      const lease = { ...leaseOf(delivery), received: attempts - 1 };
      const reason = now - liveFrom < timeToLiveMs ? 'MaxDeliveryAttemptsExceeded' : 'TimeToLiveExceeded';
      over.push({ lease, index: delivery.place.index });
      conclusions.push(this.#giveUp(subscription, lease, reason));
    }
    if (over.length > 0) {
      this.#apply(subscription, over, conclusions).catch((error: unknown) => {
        // Their leases run out, and they are judged again.
        this.#options.log.warn({ error: String(error) }, 'events that are over could not be written');
      });
    }
    if (expired.length > 0) this.#recordExpired(subscription, expired, lockMs, now);
    return admitted;
  }

  /** Nobody waits for it, and it may fail: it tells of locks, and changes none. */
  #recordExpired(
    subscription: PulledSubscription,
    expired: readonly LeasedDelivery[],
    lockMs: number,
    now: number,
  ): void {
    const { store, log } = this.#options;
    for (const [partition, together] of byPartition(expired, ({ place }) => place.partition)) {
      const blocks = this.#records.blocksOfExpired(subscription, together, lockMs, now);
      if (blocks.length === 0) return;
      store.conclude(partition, [], blocks).catch((error: unknown) => {
        log.warn({ partition, error: String(error) }, 'locks that ran out could not be recorded');
      });
    }
  }

  /** Undefined if it is too late for the action. */
  #conclusionOf(
    subscription: PulledSubscription,
    { lockMs, deliveriesMax }: QueueLimits,
    lease: Lease,
    action: Action,
  ): Conclusion | undefined {
    switch (action.kind) {
      case 'acknowledge':
        return finished;
      case 'reject':
        return this.#giveUp(subscription, lease, 'Rejected');
      case 'release':
        return lease.received >= deliveriesMax
          ? this.#giveUp(subscription, lease, 'MaxDeliveryAttemptsExceeded')
          : { kind: 'deferred', dueInMs: action.delayMs, state: stateOf(lease) };
      case 'renewLock':
        return this.#options.clock.now() - lease.receivedAt < renewMsMax
          ? { kind: 'leased', leaseMs: lockMs, token: lease.token, state: stateOf(lease) }
          : undefined;
    }
  }

  #giveUp({ properties }: PulledSubscription, lease: Lease, reason: DeadLetterReason): Conclusion {
    return properties.deadLettering ? { kind: 'deadLettered', reason, state: stateOf(lease) } : finished;
  }

  /** Whether each was still locked, and has a conclusion. Counts what was given up. */
  async #apply(
    subscription: PulledSubscription,
    locks: readonly Lock[],
    conclusions: readonly (Conclusion | undefined)[],
    outcome?: RecordedOutcome,
  ): Promise<boolean[]> {
    const { store, metrics, clock } = this.#options;
    const { incarnation, topic, name } = subscription;
    const applied = new Array<boolean>(locks.length).fill(false);
    const concluded = [...locks.keys()].filter((at) => conclusions[at] !== undefined);
    const groups = byPartition(concluded, (at) => locks[at]!.lease.partition);
    await Promise.all(
      [...groups].map(async ([partition, together]) => {
        const held = together.map((at) => locks[at]!);
        const ends = together.map((at) => conclusions[at]!);
        const outcomes = held.map(({ lease: { entry, token }, index }, each): LeaseOutcome => {
          return { entry, index, subscription: incarnation, token, disposition: ends[each]! };
        });
        const attempts = this.#records.blocksOf(subscription, held, ends, outcome, clock.now());
        const result = await store.conclude(partition, outcomes, attempts);
        for (const [index, at] of together.entries()) applied[at] = result.applied[index]!;
        for (const { deadLettered, dropped } of result.quotaEffects) {
          if (deadLettered > 0) metrics.deadLettered.with(topic, name, 'QuotaExceeded').add(deadLettered);
          if (dropped > 0) metrics.dropped.with(topic, name, 'DeadLetterQuotaExceeded').add(dropped);
        }
      }),
    );
    for (const [at, conclusion] of conclusions.entries())
      if (applied[at] && conclusion?.kind === 'deadLettered')
        metrics.deadLettered.with(topic, name, conclusion.reason).add();
    return applied;
  }
}
