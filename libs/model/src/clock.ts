/**
 * Time as an argument. Nothing outside the composition root and the stores' own clocks reads the time or sets a timer
 * by itself, so that tests can turn the clock.
 */
export interface Timer {
  /** Safe to call twice, and after the timer fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the epoch. May step; for instants shown to people. */
  now(): number;
  /** Milliseconds that never go back; for durations and deadlines. */
  elapsed(): number;
  /** Calls once after `delayMs`. A timer never keeps the process alive. */
  after(delayMs: number, call: () => void): Timer;
  /** Calls every `periodMs`, first after one period. A timer never keeps the process alive. */
  every(periodMs: number, call: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, call) {
    const timer = setInterval(call, periodMs);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
};

/** A source of uniform numbers in [0, 1): `Math.random` in production, a seeded one in tests. */
export type Random = () => number;
