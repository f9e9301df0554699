/**
 * Whether a topic's publishers may send what they want to send: rates of events and bytes, of which each gateway holds its
 * share to a token bucket, and a bound on what the topic's subscriptions hold. A topic without a quota costs a look at its
 * properties.
 */
import {
  type Clock,
  GridpostError,
  type Incarnation,
  type Log,
  type PublishQuota,
  TokenBucket,
  type Topic,
} from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import { Backlogs, lookEveryMs } from './backlogs.js';
import { Gateways } from './gateways.js';

export interface PublishQuotasOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Of topics that say nothing themselves. */
  readonly defaults: PublishQuota;
}

interface Buckets {
  readonly events: TokenBucket;
  readonly bytes: TokenBucket;
}

/** Why a request was refused. */
const reasons = ['events', 'bytes', 'deferred'] as const;
type Reason = (typeof reasons)[number];

export class PublishQuotas {
  readonly #options: PublishQuotasOptions;
  readonly #hasDefaults: boolean;
  readonly #gateways: Gateways;
  readonly #backlogs: Backlogs;
  readonly #stopWatching: () => void;
  readonly #buckets = new Map<Incarnation, Buckets>();
  /** Names under which there are series. */
  readonly #named = new Set<string>();

  constructor(options: PublishQuotasOptions) {
    this.#options = options;
    const { store, registry, metrics, clock, log, defaults } = options;
    this.#hasDefaults = Object.values(defaults).some((bound) => bound !== undefined);
    this.#gateways = new Gateways({ store, clock, log });
    this.#backlogs = new Backlogs({ store, registry, clock, log, wanted: () => this.#boundsBacklogs() });
    this.#stopWatching = registry.onChange(() => {
      for (const topic of this.#buckets.keys()) if (!registry.topicById(topic)) this.#buckets.delete(topic);
    });
    metrics.publishThrottled.beforeScrape(() => {
      for (const name of this.#named) {
        if (registry.topic(name)) continue;
        for (const reason of reasons) metrics.publishThrottled.forget(name, reason);
        this.#named.delete(name);
      }
    });
  }

  start(): void {
    this.#gateways.start();
    this.#backlogs.start();
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#stopWatching();
    await Promise.all([this.#gateways.close(), this.#backlogs.close()]);
  }

  /** Throws `PublishRateExceeded` or `TooMuchDeferred` if a request of so much could not pass now. Takes nothing. */
  check(topic: Topic, events: number, bytes: number): void {
    if (this.#hasDefaults || topic.properties.publishQuota) this.#admit(topic, events, bytes, false);
  }

  /** As `check`, and counts the request against the rates, whole, if it may pass. */
  take(topic: Topic, events: number, bytes: number): void {
    if (this.#hasDefaults || topic.properties.publishQuota) this.#admit(topic, events, bytes, true);
  }

  #admit(topic: Topic, events: number, bytes: number, takes: boolean): void {
    const { clock } = this.#options;
    const { eventsPerSecond, bytesPerSecond, deferredBytesMax } = this.#quotaOf(topic);
    if (deferredBytesMax !== undefined) {
      const deferred = this.#backlogs.deferredBytes(topic.incarnation);
      if (deferred > deferredBytesMax) {
        this.#refuse(
          topic,
          'deferred',
          lookEveryMs,
          `its subscriptions hold ${deferred} bytes that are to be delivered, and publishers are refused over ${deferredBytesMax}`,
        );
      }
    }
    if (eventsPerSecond === undefined && bytesPerSecond === undefined) return;
    const buckets = this.#bucketsOf(topic.incarnation);
    const now = clock.elapsed();
    const { count } = this.#gateways;
    const waits = {
      events: eventsPerSecond === undefined ? 0 : buckets.events.waitMs(events, eventsPerSecond / count, now),
      bytes: bytesPerSecond === undefined ? 0 : buckets.bytes.waitMs(bytes, bytesPerSecond / count, now),
    };
    // Both have to let it pass, so the longer wait is the one that counts.
    const reason = waits.bytes > waits.events ? 'bytes' : 'events';
    if (waits[reason] > 0) {
      const rate = reason === 'bytes' ? bytesPerSecond : eventsPerSecond;
      this.#refuse(topic, reason, waits[reason], `it takes ${rate} ${reason} a second`);
    }
    if (!takes) return;
    if (eventsPerSecond !== undefined) buckets.events.take(events, eventsPerSecond / count, now);
    if (bytesPerSecond !== undefined) buckets.bytes.take(bytes, bytesPerSecond / count, now);
  }

  #quotaOf({ properties }: Topic): PublishQuota {
    const { defaults } = this.#options;
    return properties.publishQuota ? { ...defaults, ...properties.publishQuota } : defaults;
  }

  #bucketsOf(topic: Incarnation): Buckets {
    let buckets = this.#buckets.get(topic);
    if (!buckets) {
      buckets = { events: new TokenBucket(), bytes: new TokenBucket() };
      this.#buckets.set(topic, buckets);
    }
    return buckets;
  }

  #boundsBacklogs(): boolean {
    const { registry, defaults } = this.#options;
    if (defaults.deferredBytesMax !== undefined) return true;
    for (const { topic } of registry.topics())
      if (topic.properties.publishQuota?.deferredBytesMax) return true;
    return false;
  }

  #refuse(topic: Topic, reason: Reason, waitMs: number, why: string): never {
    this.#named.add(topic.name);
    this.#options.metrics.publishThrottled.with(topic.name, reason).add();
    throw new GridpostError(
      reason === 'deferred' ? 'TooMuchDeferred' : 'PublishRateExceeded',
      `the topic is over its quota: ${why}; nothing was stored`,
      { retryAfterSeconds: Math.ceil(waitMs / 1_000) },
    );
  }
}
