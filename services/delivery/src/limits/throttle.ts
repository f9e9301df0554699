/**
 * How many attempts of one subscription may run at once on this worker, and whether one may start now:
 *
 *     this worker's part of `maxConcurrency` ─┐
 *     what the endpoint bears ────────────────┼─ the least of them; none while the endpoint wants to be left alone
 *     this worker's part of the rate ─────────┘
 *
 * It answers and is told; who waits, and where, is `lane.ts`'s business.
 */
import { AdaptiveConcurrency, type Sample } from './adaptive-concurrency.js';
import { Pace } from './pace.js';

/** What a worker may use of a subscription's limits. */
export interface Part {
  /** Attempts at once; 0 for none. */
  readonly attempts: number;
  /** The most that `attempts` may become while the limits stay: where permits go round it comes and goes. */
  readonly ceiling: number;
  /** Attempts per second; undefined: no bound. */
  readonly rate: number | undefined;
}

/** The longest that an endpoint is left alone because it asked for it; a single delivery may wait longer. */
export const holdMsMax = 300_000;

export class Throttle {
  #attempts: number;
  readonly #adaptive: AdaptiveConcurrency;
  #pace: Pace | undefined;
  #heldUntil = 0;

  constructor({ attempts, ceiling, rate }: Part, now: number) {
    this.#attempts = attempts;
    this.#adaptive = new AdaptiveConcurrency(Math.max(1, ceiling));
    this.#pace = rate === undefined ? undefined : new Pace(rate, now);
  }

  set(part: Part, now: number): void {
    this.#attempts = part.attempts;
    this.#adaptive.ceiling = Math.max(1, part.ceiling);
    if (part.rate === undefined) this.#pace = undefined;
    else if (this.#pace) this.#pace.change(part.rate, now);
    else this.#pace = new Pace(part.rate, now);
  }

  /** Attempts that may run at once. */
  get limit(): number {
    return Math.min(this.#attempts, this.#adaptive.limit);
  }

  /** `clock.elapsed()` until which nothing starts because the endpoint asked for it; past if it did not. */
  get heldUntil(): number {
    return this.#heldUntil;
  }

  held(now: number): boolean {
    return now < this.#heldUntil;
  }

  /** Attempts that may start now beside those that run. */
  room(running: number, now: number): number {
    if (this.held(now)) return 0;
    const free = Math.max(0, this.limit - running);
    return this.#pace && free > 0 ? Math.min(free, this.#pace.available(now)) : free;
  }

  /**
   * Whether what keeps attempts from starting is something else than those that run: then the end of one changes nothing,
   * and nobody should wait for it.
   */
  shut(now: number): boolean {
    return this.#attempts === 0 || this.held(now) || this.#pace?.available(now) === 0;
  }

  /** Milliseconds until time alone lets one start; undefined where time alone does not. */
  opensInMs(now: number): number | undefined {
    if (this.held(now)) return this.#heldUntil - now;
    const waitMs = this.#pace?.waitMs(now) ?? 0;
    return waitMs > 0 ? waitMs : undefined;
  }

  /** Nothing would be forgotten with it. */
  atRest(now: number): boolean {
    return !this.held(now) && (this.#pace?.full(now) ?? true);
  }

  started(now: number): void {
    this.#pace?.take(now);
  }

  ended(sample: Sample): void {
    this.#adaptive.add(sample);
  }

  /** The endpoint asked to be left alone for so long. Whether it was not being left alone already. */
  hold(ms: number, now: number): boolean {
    // Others may go by a moment that is a little older: to them it would be held.
    if (ms <= 0) return false;
    const was = this.held(now);
    this.#heldUntil = Math.max(this.#heldUntil, now + Math.min(ms, holdMsMax));
    return !was && this.held(now);
  }

  /** The endpoint need not be left alone any more. */
  release(): void {
    this.#heldUntil = 0;
  }

  /** The endpoint takes events again after it had taken none. */
  restart(): void {
    this.#adaptive.restart();
  }
}
