/**
 * How many attempts at once an endpoint bears, found out by trying: additive increase while attempts succeed,
 * multiplicative decrease when they tell of too much. Pure: what it is told, and the time it is told with, is all that counts.
 *
 *     open ──429, 503, timeout: half; rising latency: nine tenths──► probing ──a round of successes: one more──► open
 *
 * - It begins *open*, at the ceiling: an endpoint that bears everything never notices.
 * - A decrease is answered for by all attempts that run at that moment. What those that had started before it tell is
 *   not held against the endpoint again.
 * - Latency is rising where a second's mean is more than twice what is usual by more than 50 ms. What is usual follows
 *   the means, quickly down and slowly up. To have become slower for good is therefore usual after a minute or two, and
 *   latency alone takes nobody below the square root of the ceiling: fewer attempts at once do not help one that is slow
 *   for reasons of its own.
 * - After an outage it begins at one, and doubles each round up to half of the ceiling.
 */

/** What an attempt that has ended tells: it was taken, it told of too much, or neither. */
export type Signal = 'taken' | 'tooMuch' | 'neither';

export interface Sample {
  readonly signal: Signal;
  /** `clock.elapsed()` of the attempt's beginning and end. */
  readonly startedAt: number;
  readonly endedAt: number;
}

const tooMuchFactor = 0.5;
const risingFactor = 0.9;
/** A mean is taken of at least so long a time and so many attempts. */
const meanOverMs = 1_000;
const meanSamplesMin = 16;
const risingTimes = 2;
/** Below this a rise says more about this process than about the endpoint. */
const risingByMs = 50;
/** How far the usual latency goes towards a mean that is lower, and one that is higher. */
const followDown = 0.5;
const followUp = 0.01;

export class AdaptiveConcurrency {
  #ceiling: number;
  #limit: number;
  /** Below it each success counts as a whole round. */
  #threshold = 0;
  #decreasedAt = Number.NEGATIVE_INFINITY;
  #usualMs: number | undefined;
  #sumMs = 0;
  #samples = 0;
  #meanFrom: number | undefined;

  /** `ceiling`: 1 or more. */
  constructor(ceiling: number) {
    this.#ceiling = ceiling;
    this.#limit = ceiling;
  }

  /** Attempts at once, from 1 to the ceiling. */
  get limit(): number {
    return Math.floor(this.#limit + 1e-9);
  }

  /** Another ceiling, which what is open follows. */
  set ceiling(ceiling: number) {
    this.#limit = this.open ? ceiling : Math.min(this.#limit, ceiling);
    this.#ceiling = ceiling;
  }

  /** Nothing is held against the endpoint. */
  get open(): boolean {
    return this.#limit >= this.#ceiling;
  }

  /** The endpoint takes events again after it had taken none. */
  restart(): void {
    this.#limit = 1;
    this.#threshold = this.#ceiling / 2;
  }

  add({ signal, startedAt, endedAt }: Sample): void {
    if (signal === 'tooMuch') {
      this.#decrease(tooMuchFactor, 1, startedAt, endedAt);
    } else if (signal === 'taken') {
      this.#increase();
      this.#measure(startedAt, endedAt);
    }
  }

  #increase(): void {
    if (this.open) return;
    const by = this.#limit < this.#threshold ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.#ceiling, this.#limit + by);
  }

  #decrease(factor: number, least: number, startedAt: number, now: number): void {
    if (startedAt < this.#decreasedAt || this.#limit <= least) return;
    this.#limit = Math.max(least, this.#limit * factor);
    this.#threshold = 0;
    this.#decreasedAt = now;
  }

  #measure(startedAt: number, endedAt: number): void {
    this.#meanFrom ??= endedAt;
    this.#sumMs += endedAt - startedAt;
    this.#samples++;
    if (this.#samples < meanSamplesMin || endedAt - this.#meanFrom < meanOverMs) return;
    const meanMs = this.#sumMs / this.#samples;
    this.#sumMs = 0;
    this.#samples = 0;
    this.#meanFrom = endedAt;
    const usualMs = this.#usualMs ?? meanMs;
    if (meanMs > risingTimes * usualMs + risingByMs)
      this.#decrease(risingFactor, Math.sqrt(this.#ceiling), startedAt, endedAt);
    this.#usualMs = usualMs + (meanMs - usualMs) * (meanMs < usualMs ? followDown : followUp);
  }
}
