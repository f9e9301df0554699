/**
 * What the subscriptions of each topic hold in deferred and leased deliveries, in charged bytes, as of the last look. It is
 * looked only while some topic has a bound on it.
 */
import type { Clock, Incarnation, Log, Timer } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';

export interface BacklogsOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether any topic is bounded. */
  readonly wanted: () => boolean;
}

/** How old what is known may be; also when a publisher that was refused for it may find something else. */
export const lookEveryMs = 5_000;

export class Backlogs {
  readonly #options: BacklogsOptions;
  #bytes: ReadonlyMap<Incarnation, number> = new Map();
  #looking: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(options: BacklogsOptions) {
    this.#options = options;
  }

  deferredBytes(topic: Incarnation): number {
    return this.#bytes.get(topic) ?? 0;
  }

  start(): void {
    const { clock, log } = this.#options;
    const look = (): void => {
      this.#looking ??= this.runOnce()
        .catch((error: unknown) => log.debug({ error: String(error) }, 'backlogs not read'))
        .finally(() => {
          this.#looking = undefined;
        });
    };
    this.#timer = clock.every(lookEveryMs, look);
    look();
  }

  /** Rejects as the store does; what was known before then stands. */
  async runOnce(): Promise<void> {
    const { store, registry, wanted } = this.#options;
    const bytes = new Map<Incarnation, number>();
    if (wanted()) {
      for (let partition = 0; partition < store.info.partitions; partition++) {
        const { subscriptions } = await store.usage(partition);
        for (const { subscription, deferredBytes } of subscriptions) {
          const topic = registry.subscription(subscription)?.subscription.topicIncarnation;
          if (topic !== undefined) bytes.set(topic, (bytes.get(topic) ?? 0) + deferredBytes);
        }
      }
    }
    this.#bytes = bytes;
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#looking;
  }
}
