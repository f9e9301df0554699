import type { Clock, Timer } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';

const stepMs = 2;
/** What passes at most in one step: while the machine stalls no answer can come, and time that passed would be the test's. */
const stepMsMax = 10;

/**
 * A clock that runs by itself, so that real sockets and fake time get along, and can be made to run ahead. It is slower than
 * the machine's where that is busy, and stands still while the process does. Its timers are the fake clock's, so that a test
 * sees whether any is left.
 */
export class LiveClock implements Clock {
  readonly #fake = new FakeClock();
  readonly #ticking: NodeJS.Timeout;
  #last = performance.now();
  #moving: Promise<void> = Promise.resolve();
  #leapt = 0;

  constructor() {
    this.#ticking = setInterval(() => {
      const now = performance.now();
      void this.#move(Math.min(now - this.#last, stepMsMax));
      this.#last = now;
    }, stepMs);
  }

  /** Whole milliseconds, as of the system's clock. */
  now(): number {
    return Math.floor(this.#fake.now() + this.#leapt);
  }

  elapsed(): number {
    return this.#fake.elapsed() + this.#leapt;
  }

  after(delayMs: number, call: () => void): Timer {
    return this.#fake.after(delayMs, call);
  }

  every(periodMs: number, call: () => void): Timer {
    return this.#fake.every(periodMs, call);
  }

  get pending(): number {
    return this.#fake.pending;
  }

  /** Runs ahead by `ms`, firing what falls due on the way. */
  skip(ms: number): Promise<void> {
    return this.#move(ms);
  }

  /** Has time pass in which nothing runs, as for a process that was stopped or a machine that slept. */
  leap(ms: number): void {
    this.#leapt += ms;
  }

  stop(): void {
    clearInterval(this.#ticking);
  }

  #move(ms: number): Promise<void> {
    this.#moving = this.#moving.then(() => this.#fake.advance(ms));
    return this.#moving;
  }
}
