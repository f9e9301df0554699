/**
 * The workers that have announced themselves, for stores that one process has to itself: nobody else could announce one,
 * and none outlives the process, so memory is enough.
 */
export class Announcements {
  readonly #now: () => number;
  /** Until when each worker counts as alive. */
  readonly #workers = new Map<string, number>();

  /** `now` in milliseconds, of any clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Announces a worker for `ttlMs`; returns the workers alive, itself included, sorted. */
  announce(worker: string, ttlMs: number): string[] {
    const now = this.#now();
    this.#workers.set(worker, now + ttlMs);
    for (const [name, until] of this.#workers) if (until <= now) this.#workers.delete(name);
    return [...this.#workers.keys()].sort();
  }

  withdraw(worker: string): void {
    this.#workers.delete(worker);
  }
}
