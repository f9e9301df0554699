/**
 * Finds topics and domains for the publish route. One that this process does not know may just have been made through another
 * gateway, so a miss looks into the store before it is believed; but so that a flood of wrong names cannot hammer the
 * store, misses share one look per 100 ms and wait for it.
 */
import type { Clock, Scope } from '@gridpost/model';
import type { RegisteredTopic, Registry } from '@gridpost/registry';

const lookEveryMs = 100;

export class TopicLookup {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** The look that has not begun yet: it is late enough for everybody who asks until it begins. */
  #coming: Promise<void> | undefined;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** The topic or domain if this process knows it: a Map's look-up. */
  known(scope: Scope): RegisteredTopic | undefined {
    return this.#registry.topic(scope);
  }

  /** The topic or domain as of now, after a miss. Rejects as the store does. */
  async seek(scope: Scope): Promise<RegisteredTopic | undefined> {
    await this.#look();
    return this.#registry.topic(scope);
  }

  #look(): Promise<void> {
    if (this.#coming) return this.#coming;
    const waitMs = this.#lastAt + lookEveryMs - this.#clock.elapsed();
    if (waitMs <= 0) return this.#begin();
    this.#coming = new Promise((resolve, reject) => {
      this.#clock.after(waitMs, () => {
        this.#coming = undefined;
        this.#begin().then(resolve, reject);
      });
    });
    return this.#coming;
  }

  #begin(): Promise<void> {
    this.#lastAt = this.#clock.elapsed();
    return this.#registry.refresh();
  }
}
