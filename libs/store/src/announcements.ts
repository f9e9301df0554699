import type { ProcessKind } from './port.js';

/**
 * The processes that have announced themselves, for stores that one process has to itself: nobody else could announce one,
 * and none outlives the process, so memory is enough.
 */
export class Announcements {
  readonly #now: () => number;
  /** Until when each counts as alive, by kind. */
  readonly #kinds: Readonly<Record<ProcessKind, Map<string, number>>> = {
    worker: new Map(),
    gateway: new Map(),
  };

  /** `now` in milliseconds, of any clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Announces a process for `ttlMs`; returns those of its kind alive, itself included, sorted. */
  announce(id: string, ttlMs: number, kind: ProcessKind = 'worker'): string[] {
    const now = this.#now();
    const alive = this.#kinds[kind];
    alive.set(id, now + ttlMs);
    for (const [name, until] of alive) if (until <= now) alive.delete(name);
    return [...alive.keys()].sort();
  }

  withdraw(id: string, kind: ProcessKind = 'worker'): void {
    this.#kinds[kind].delete(id);
  }
}
