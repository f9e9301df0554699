/**
 * Permits that go round among the workers, for stores that one process has to itself: none outlives the process, so
 * memory is enough. The rules are the port's (`Store.permits`).
 */
import type { Incarnation } from '@gridpost/model';
import type { Permit, PermitAsk } from './port.js';

interface Place {
  readonly worker: string;
  held: number;
  until: number;
}

export class Permits {
  readonly #now: () => number;
  /** Of each subscription those who hold permits or wait for one, in the order in which they came. */
  readonly #lines = new Map<Incarnation, Place[]>();

  /** `now` in milliseconds, of any clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  ask(worker: string, asks: readonly PermitAsk[], ttlMs: number): Permit[] {
    return asks.map((ask) => this.#ask(worker, ask, this.#now(), ttlMs));
  }

  #ask(worker: string, { subscription, limit, wanted }: PermitAsk, now: number, ttlMs: number): Permit {
    const line = (this.#lines.get(subscription) ?? []).filter(
      (place) => place.until > now && (wanted > 0 || place.worker !== worker),
    );
    let own = line.find((place) => place.worker === worker);
    if (!own && wanted > 0) {
      own = { worker, held: 0, until: 0 };
      line.push(own);
    }
    if (line.length > 0) this.#lines.set(subscription, line);
    else this.#lines.delete(subscription);
    let free = limit;
    let waiting = 0;
    let before = 0;
    for (const place of line) {
      if (place === own) before = waiting;
      else if (place.held === 0) waiting++;
      else free -= place.held;
    }
    if (!own) return { held: 0, waiting };
    // One is kept for each whose turn comes first; what is held already may be kept.
    const more = free - (own.held > 0 ? waiting : before);
    own.held = Math.max(0, Math.min(wanted, Math.max(more, Math.min(own.held, free))));
    own.until = now + ttlMs;
    return { held: own.held, waiting };
  }
}
