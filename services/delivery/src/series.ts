/** The metrics of one subscription. Those of the happy path are resolved once, those of deferrals and others when they occur. */
import type { AttemptClass, DeadLetterReason, DropReason } from '@gridpost/model';
import type { Counter, Histogram, Metrics } from '@gridpost/metrics';

/** Why a delivery was written to its queue; the label of `deliveriesDeferred`. */
export const deferReasons = [
  'busy',
  'failed',
  'running',
  'held',
  'probation',
  'paused',
  'disabled',
  'unproven',
  'drain',
  'queue',
] as const;
export type DeferReason = (typeof deferReasons)[number];

/** Why an endpoint may have seen a delivery before although no attempt was counted; the label of `redeliveries`. */
export type RedeliveryCause = 'crash' | 'lease' | 'drain';

export class DeliverySeries {
  readonly succeeded: Counter;
  readonly successDuration: Histogram;
  readonly lag: Histogram;
  readonly #metrics: Metrics;
  readonly #topic: string;
  readonly #subscription: string;
  readonly #deferred = new Map<DeferReason, Counter>();

  constructor(metrics: Metrics, topic: string, subscription: string) {
    this.#metrics = metrics;
    this.#topic = topic;
    this.#subscription = subscription;
    this.succeeded = metrics.deliveryAttempts.with(topic, subscription, 'success');
    this.successDuration = metrics.deliveryDuration.with(topic, 'success');
    this.lag = metrics.deliveryLag.with(topic);
  }

  /** A request with so many events was a failure. */
  failed(outcome: AttemptClass, seconds: number, events: number): void {
    this.#metrics.deliveryAttempts.with(this.#topic, this.#subscription, outcome).add(events);
    this.#metrics.deliveryDuration.with(this.#topic, outcome).observe(seconds);
  }

  /** An attempt at what its endpoint may have seen before. */
  redelivered(cause: RedeliveryCause): void {
    this.#metrics.redeliveries.with(cause).add();
  }

  deferred(reason: DeferReason): void {
    let counter = this.#deferred.get(reason);
    if (!counter) {
      counter = this.#metrics.deliveriesDeferred.with(this.#topic, this.#subscription, reason);
      this.#deferred.set(reason, counter);
    }
    counter.add();
  }

  deadLettered(reason: DeadLetterReason, count = 1): void {
    this.#metrics.deadLettered.with(this.#topic, this.#subscription, reason).add(count);
  }

  dropped(reason: DropReason, count = 1): void {
    this.#metrics.dropped.with(this.#topic, this.#subscription, reason).add(count);
  }
}
