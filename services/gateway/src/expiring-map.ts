/** Values that are good until an instant each, at most so many at once. */
import type { Clock } from '@gridpost/model';

interface Kept<V> {
  readonly value: V;
  readonly expiresAt: number;
}

export class ExpiringMap<V> {
  readonly #max: number;
  readonly #clock: Clock;
  /** In the order in which the keys came. */
  readonly #kept = new Map<string, Kept<V>>();

  /** One key more than `max` forgets the one that came first, whether it has expired or not. */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  get(key: string): V | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.expiresAt > this.#clock.now()) return kept.value;
    this.#kept.delete(key);
    return undefined;
  }

  /** `expiresAt` is in milliseconds since the epoch. */
  set(key: string, value: V, expiresAt: number): void {
    this.#kept.delete(key);
    if (this.#kept.size >= this.#max) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, { value, expiresAt });
  }
}
