/**
 * A token bucket: so much a second in the long run, and a second's worth at once after a rest. What costs more than a
 * second's worth needs a full bucket and leaves a debt, so that it passes at all and the rate still holds.
 *
 * Pure: times come in, in milliseconds of any clock that does not go backwards. The rate comes in with each call and may
 * change between calls.
 */
export class TokenBucket {
  /** Full to begin with, whatever the rate. */
  #level = Number.POSITIVE_INFINITY;
  #at = Number.NEGATIVE_INFINITY;

  /** Whole milliseconds until so much may be taken, if nobody else takes meanwhile; 0 if it may be now. */
  waitMs(cost: number, ratePerSecond: number, now: number): number {
    const missing = Math.min(cost, ratePerSecond) - this.#levelAt(ratePerSecond, now);
    return Math.max(0, Math.ceil((missing * 1_000) / ratePerSecond - toleranceMs));
  }

  /** Takes so much, whether or not it may be taken. */
  take(cost: number, ratePerSecond: number, now: number): void {
    this.#level = this.#levelAt(ratePerSecond, now) - cost;
    this.#at = now;
  }

  #levelAt(ratePerSecond: number, now: number): number {
    if (this.#level === Number.POSITIVE_INFINITY) return ratePerSecond;
    return Math.min(ratePerSecond, this.#level + ((now - this.#at) * ratePerSecond) / 1_000);
  }
}

/** What adding fractions may be off by. */
const toleranceMs = 1e-3;
