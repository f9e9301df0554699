/**
 * A subscription's filters, checked and compiled: what they say about one event, and why. Which events need to be looked
 * at is the index's business (`routing-index.ts`). What everything means stands in `../PATTERNS.md`.
 */
import type { Event, FilterEntry, SubscriptionFilter } from '@gridpost/model';
import { type Clause, type Explanation, type Way, waysOfAll } from './clause.js';
import { dialectClauses } from './dialects.js';
import { eventGridClauses } from './event-grid.js';
import { defaultFilterLimits, type FilterLimits, FilterRefused, Inspection } from './faults.js';

/** A subscription's two places for filters. Both must pass. */
export interface Filters {
  readonly filter?: SubscriptionFilter | undefined;
  readonly filters?: readonly FilterEntry[] | undefined;
}

export interface CompiledFilter {
  readonly clauses: readonly Clause[];
  /** The same, each in its parts: what has to be tried. */
  readonly tests: readonly Clause[];
  /** The ways of its clauses: each is necessary, any of them will do for an index. */
  readonly ways: readonly Way[];
  /** Whether the event passes. Never throws. */
  holds(event: Event): boolean;
  /** One explanation per clause, in the order in which they are written. The event passes if all have matched. */
  explain(event: Event): readonly Explanation[];
}

const unlimited: FilterLimits = {
  clausesMax: Number.POSITIVE_INFINITY,
  valuesMax: Number.POSITIVE_INFINITY,
  stringBytesMax: Number.POSITIVE_INFINITY,
};

/** Compiles what was checked when it was written, whatever the limits are by now. Throws `FilterRefused`. */
export function compileFilter(filters: Filters): CompiledFilter {
  return compile(filters, unlimited);
}

/**
 * Checks filters as they are written, before anything is stored. Their shape must be what the schemas say; everything
 * else is checked here. Throws `FilterRefused` with all faults, pointers being relative to the object given.
 */
export function checkFilter(filters: Filters, limits: FilterLimits = defaultFilterLimits): CompiledFilter {
  return compile(filters, limits);
}

function compile({ filter = {}, filters = [] }: Filters, limits: FilterLimits): CompiledFilter {
  const inspection = new Inspection(limits);
  const clauses = eventGridClauses(filter, '/filter', inspection).concat(
    dialectClauses(filters, '/filters', inspection),
  );
  if (inspection.faults.length > 0) throw new FilterRefused(inspection.faults);
  return new Compiled(clauses);
}

class Compiled implements CompiledFilter {
  readonly clauses: readonly Clause[];
  readonly tests: readonly Clause[];
  readonly ways: readonly Way[];

  constructor(clauses: readonly Clause[]) {
    this.clauses = clauses;
    this.tests = clauses.some(({ parts }) => parts) ? clauses.flatMap(flattened).slice() : clauses;
    this.ways = waysOfAll(clauses);
  }

  holds(event: Event): boolean {
    for (const clause of this.tests) if (!clause.holds(event)) return false;
    return true;
  }

  explain(event: Event): readonly Explanation[] {
    return this.clauses.map((clause) => clause.explain(event));
  }
}

const flattened = (clause: Clause): readonly Clause[] =>
  clause.parts ? clause.parts.flatMap(flattened) : [clause];
