/**
 * Brings the registry up to date for somebody who asks for what it does not know: it may just have been made through
 * another gateway. So that a flood of wrong names cannot hammer the store, those who ask share one look per 100 ms and
 * wait for it.
 */
import type { Clock } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';

const lookEveryMs = 100;

export class RegistryLook {
  readonly #registry: Registry;
  readonly #clock: Clock;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** The look that has not begun yet: it is late enough for everybody who asks until it begins. */
  #coming: Promise<void> | undefined;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Resolves when the registry holds every change answered before this call. Rejects as the store does. */
  take(): Promise<void> {
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
