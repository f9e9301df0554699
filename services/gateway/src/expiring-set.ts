/** Keys that are good until an instant each, at most so many at once. */
import type { Clock } from '@gridpost/model';

export class ExpiringSet {
  readonly #max: number;
  readonly #clock: Clock;
  /** Instants of expiry, in the order in which the keys came. */
  readonly #expiries = new Map<string, number>();

  /** One key more than `max` forgets the one that came first, whether it has expired or not. */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  has(key: string): boolean {
    const expiresAt = this.#expiries.get(key);
    if (expiresAt === undefined) return false;
    if (expiresAt > this.#clock.now()) return true;
    this.#expiries.delete(key);
    return false;
  }

  /** `expiresAt` is in milliseconds since the epoch. */
  add(key: string, expiresAt: number): void {
    this.#expiries.delete(key);
    if (this.#expiries.size >= this.#max) this.#expiries.delete(this.#expiries.keys().next().value!);
    this.#expiries.set(key, expiresAt);
  }
}
