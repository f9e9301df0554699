/**
 * Removes subscriptions whose time has come (Event Grid, `expirationTimeUtc`). Every gateway looks once a second; the store
 * lets one of them remove each. Delivery has stopped by itself at that instant.
 */
import { type Clock, type Log, type Subscription, subscriptionPath, type Timer } from '@gridpost/model';
import type { RegisteredSubscription, Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';

export interface ExpiryOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** What is to follow on a removal by this gateway. */
  readonly removed: (subscription: Subscription) => Promise<void>;
}

const lookEveryMs = 1_000;

export class Expiry {
  readonly #options: ExpiryOptions;
  /** Those that expire at all, as the registry has them; undefined if that has changed. */
  #expiring: RegisteredSubscription[] | undefined;
  #looking: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopWatching: (() => void) | undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, registry, log } = this.#options;
    this.#stopWatching = registry.onChange(() => {
      this.#expiring = undefined;
    });
    this.#timer = clock.every(lookEveryMs, () => {
      this.#looking ??= this.runOnce()
        .catch((error: unknown) => log.warn({ error: String(error) }, 'expired subscriptions not removed'))
        .finally(() => {
          this.#looking = undefined;
        });
    });
  }

  /** Rejects as the store does; the next look goes on. */
  async runOnce(): Promise<void> {
    const { store, registry, clock, log, removed } = this.#options;
    this.#expiring ??= [...registry.subscriptions()].filter(({ expiresAt }) => expiresAt !== undefined);
    const now = clock.now();
    const due = this.#expiring.filter(({ expiresAt }) => expiresAt! <= now);
    for (const { subscription, etag } of due) {
      const { topic, name } = subscription;
      // Only as it was seen: it may just have been given more time.
      const result = await store.resources.remove(subscriptionPath(topic, name), { ifMatch: etag });
      if (result !== 'removed') continue;
      log.info({ topic, subscription: name }, 'subscription expired');
      await removed(subscription);
    }
    if (due.length > 0) await registry.refresh();
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#stopWatching?.();
    await this.#looking;
  }
}
