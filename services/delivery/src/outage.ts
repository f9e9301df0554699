/**
 * A call that fails for a while: how long to wait before it is repeated, and two lines in the log, one when it begins to
 * fail and one when it works again, whatever the number of failures between.
 */
import type { Log } from '@gridpost/model';

const firstMs = 100;

export class Outage {
  readonly #log: Log;
  readonly #fields: object;
  readonly #what: string;
  #nextMs = firstMs;
  #lasts = false;
  readonly #longestMs: number;

  /** `what` completes the sentences "… fails" and "… works again". */
  constructor(log: Log, what: string, fields: object, longestMs = 2_000) {
    this.#log = log;
    this.#what = what;
    this.#fields = fields;
    this.#longestMs = longestMs;
  }

  /** Whether the last call failed. */
  get lasts(): boolean {
    return this.#lasts;
  }

  /** After a failure: the wait, from 100 ms doubling to 2 s, or what else is the longest: quick after a blip, gentle to a store that comes back. */
  failed(error: unknown): number {
    if (!this.#lasts)
      this.#log.warn({ ...this.#fields, error: String(error) }, `${this.#what} fails, will be repeated`);
    this.#lasts = true;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#longestMs);
    return delayMs;
  }

  /** After a success. Returns whether there had been a failure. */
  over(): boolean {
    if (!this.#lasts) return false;
    this.#lasts = false;
    this.#nextMs = firstMs;
    this.#log.info(this.#fields, `${this.#what} works again`);
    return true;
  }
}
