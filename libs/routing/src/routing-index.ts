/**
 * The subscriptions of one topic, arranged so that an event meets only those it could match: by event type, the
 * selective conjunct, and in a separate list those that take every type.
 *
 * A match runs to its end within one turn of the event loop and changes are single assignments in another, so a match
 * never sees half a change and takes no lock.
 */
import type { Event, SubscriptionFilter } from '@gridpost/model';
import { type CompiledFilter, compileFilter } from './filter.js';

interface Row<T> {
  readonly filter: CompiledFilter;
  readonly target: T;
}

export class RoutingIndex<T> {
  readonly #rows = new Map<string, Row<T>>();
  readonly #byType = new Map<string, Map<string, Row<T>>>();
  readonly #everyType = new Map<string, Row<T>>();

  get size(): number {
    return this.#rows.size;
  }

  /** Adds a subscription, or replaces the one with the same key. */
  set(key: string, filter: SubscriptionFilter, target: T): void {
    this.delete(key);
    const row: Row<T> = { filter: compileFilter(filter), target };
    this.#rows.set(key, row);
    if (row.filter.types === undefined) {
      this.#everyType.set(key, row);
      return;
    }
    for (const type of row.filter.types) {
      let rows = this.#byType.get(type);
      if (!rows) this.#byType.set(type, (rows = new Map()));
      rows.set(key, row);
    }
  }

  delete(key: string): void {
    const row = this.#rows.get(key);
    if (!row) return;
    this.#rows.delete(key);
    this.#everyType.delete(key);
    for (const type of row.filter.types ?? []) {
      const rows = this.#byType.get(type);
      rows?.delete(key);
      if (rows?.size === 0) this.#byType.delete(type);
    }
  }

  /** The targets of all matching subscriptions, in no particular order. */
  match(event: Event): T[] {
    const matched: T[] = [];
    const typed = this.#byType.get(event.type);
    if (typed) for (const row of typed.values()) if (row.filter.passes(event)) matched.push(row.target);
    for (const row of this.#everyType.values()) if (row.filter.passes(event)) matched.push(row.target);
    return matched;
  }
}
