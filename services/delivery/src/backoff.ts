/** How long to wait before a store call that failed is repeated. */

const firstMs = 100;
const longestMs = 2_000;

/** Doubles from 100 ms to 2 s: quick after a blip, and gentle to a store that is coming back. */
export class Backoff {
  #nextMs = firstMs;

  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, longestMs);
    return delayMs;
  }

  /** After a success. Returns whether there had been a failure. */
  reset(): boolean {
    const failed = this.#nextMs !== firstMs;
    this.#nextMs = firstMs;
    return failed;
  }
}
