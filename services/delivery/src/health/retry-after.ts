/**
 * How long an endpoint asked to be left alone, as this worker has it: told to itself, or learned from what is stored. It is
 * beside the states of `health.ts` and leads into none of them.
 *
 * What is short is over before others would know of it and is not written. While it lasts nothing is attempted, so that
 * only attempts under way can ask for more; it is written again only where they ask for much more.
 *
 * Everybody's writes carry along what is stored. So where what this worker saw stored is stored no more, and is not over, it
 * was ended by an operator.
 */
import type { RetryAfter } from '@gridpost/model';
import type { RegisteredHealth } from '@gridpost/registry';
import { holdMsMax } from '../limits/throttle.js';

/** What is as short as this, or not longer than what is known by more than this, is not written. */
const notedMsMin = 5_000;

export class RetryAfterKept {
  #kept: RetryAfter | undefined;
  #unsaved = false;

  constructor(found: RetryAfter | undefined) {
    this.#kept = found;
  }

  /** It is to be stored and is not yet. */
  get unsaved(): boolean {
    return this.#unsaved;
  }

  /** Lets time pass: what is over need not be stored any more. `now`: `clock.now()`. */
  tick(now: number): void {
    if (this.#unsaved && !this.at(now)) this.#unsaved = false;
  }

  /** What is stored or to be stored; undefined if it is over. */
  at(now: number): RetryAfter | undefined {
    return this.#kept && now < this.#kept.until ? this.#kept : undefined;
  }

  /** How long it lasts yet, in milliseconds, and the longest at most if the writer's clock is ahead; 0 if it is over. */
  leftMs(now: number): number {
    return this.#kept ? Math.min(holdMsMax, Math.max(0, this.#kept.until - now)) : 0;
  }

  /** The endpoint asked this worker. */
  asked(retryAfter: RetryAfter, now: number): void {
    const known = this.at(now)?.until ?? now;
    if (retryAfter.until - known <= notedMsMin) return;
    this.#kept = retryAfter;
    this.#unsaved = true;
  }

  /** This is stored now, by this worker. */
  wrote(written: RetryAfter | undefined): void {
    if (written === this.#kept) this.#unsaved = false;
  }

  /** Learns what another has stored of the endpoint. Returns whether that ends what is not over. */
  learn(found: RegisteredHealth | undefined, now: number): boolean {
    const { retryAfter } = found?.health ?? {};
    // What this worker was asked for and could not write yet is still to be written, unless everything is forgotten.
    if (found && this.#unsaved && (retryAfter?.until ?? 0) < this.#kept!.until) return false;
    const ended = !retryAfter && this.at(now) !== undefined;
    this.#kept = retryAfter;
    this.#unsaved = false;
    return ended;
  }
}
