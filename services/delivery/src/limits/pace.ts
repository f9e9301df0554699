/**
 * How many attempts may start in a time: tokens come in at a rate, one is taken by each start, and what is not taken within
 * a moment is lost. So no more start in any time than rate × time + capacity. Nothing is lent, other than by the bucket of
 * `model/token-bucket.ts`, which weighs amounts that may be larger than all it holds.
 */

/** Tokens that may be left over: one, and what comes in while a busy event loop does not ask. */
const heldSeconds = 0.1;

export class Pace {
  #rate: number;
  #tokens: number;
  /** `clock.elapsed()` up to which tokens have come in. */
  #at: number;

  /** Full. `rate`: tokens per second, above 0. */
  constructor(rate: number, now: number) {
    this.#rate = rate;
    this.#at = now;
    this.#tokens = this.#capacity;
  }

  /** Another rate from now on. What is left of the old one's stays, as far as it fits. */
  change(rate: number, now: number): void {
    this.#fill(now);
    this.#rate = rate;
    this.#tokens = Math.min(this.#tokens, this.#capacity);
  }

  /** Starts that are allowed now. */
  available(now: number): number {
    this.#fill(now);
    return Math.floor(this.#tokens + tolerance);
  }

  /** To be called where one is available. */
  take(now: number): void {
    this.#fill(now);
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  /** Milliseconds until one is available, 0 if one is. */
  waitMs(now: number): number {
    if (this.available(now) > 0) return 0;
    return Math.ceil(((1 - this.#tokens) / this.#rate) * 1_000);
  }

  /** Nobody has taken one for so long that a new bucket would be the same. */
  full(now: number): boolean {
    this.#fill(now);
    return this.#tokens + tolerance >= this.#capacity;
  }

  get #capacity(): number {
    return 1 + this.#rate * heldSeconds;
  }

  #fill(now: number): void {
    // A clock that is asked about an earlier moment takes nothing back.
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((now - this.#at) / 1_000) * this.#rate);
    this.#at = now;
  }
}

/** What sums of fractions may be short of a whole. */
const tolerance = 1e-9;
