import type { Clock, Timer } from '../clock.js';

interface Due {
  at: number;
  order: number;
  periodMs: number | undefined;
  call: () => void;
}

/** A clock that stands still until it is advanced; timers fire in order of their due time, then of their creation. */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<Due>();

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  after(delayMs: number, call: () => void): Timer {
    return this.#add(delayMs, undefined, call);
  }

  every(periodMs: number, call: () => void): Timer {
    return this.#add(periodMs, periodMs, call);
  }

  /** How many timers wait: zero at the end of a test that leaks none. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on by `ms`, firing what falls due on the way and letting promises settle between firings. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#timers) {
        if (due.at > until) continue;
        if (!next || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due;
      }
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.periodMs === undefined) this.#timers.delete(next);
      else next.at += next.periodMs;
      next.call();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = until;
    await new Promise((resolve) => setImmediate(resolve));
  }

  #add(delayMs: number, periodMs: number | undefined, call: () => void): Timer {
    const due: Due = { at: this.#now + delayMs, order: this.#order++, periodMs, call };
    this.#timers.add(due);
    return { cancel: () => void this.#timers.delete(due) };
  }
}
