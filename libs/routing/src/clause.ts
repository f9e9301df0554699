/** What a filter is made of: clauses that hold for an event or do not, and can say why. */
import type { Event } from '@gridpost/model';
import type { Comparison, Probe, Test } from './comparison.js';
import type { Kind } from './kinds.js';
import type { Operand } from './operand.js';

/** A value of an event that, where it has it, an index can find the clause by. */
export interface Sign {
  readonly operand: Operand;
  readonly kind: Kind;
  readonly probe: Probe;
}

/** Of an event that passes, at least one of these is true. So one way is enough to be found by. */
export interface Way {
  readonly signs: readonly Sign[];
  /** Whether a value has at most one of them. */
  readonly exclusive?: boolean;
  /** The clause that holds whenever a value (not the element of an array) has one of the signs; absent if none is sure. */
  readonly proves?: Clause;
}

/** Why a clause holds or does not, in the words of PATTERNS.md. */
export interface Explanation {
  /** Where the clause stands: a JSON pointer in the subscription's properties. */
  readonly clause: string;
  readonly matched: boolean;
  /** What was looked at, shortened; absent where that is missing or the clause looks at nothing itself. */
  readonly seen?: unknown;
  readonly reason: string;
  /** Of a clause made of others. */
  readonly clauses?: readonly Explanation[];
}

export interface Clause {
  holds(event: Event): boolean;
  explain(event: Event): Explanation;
  /** Each is necessary: any of them will do for an index. */
  readonly ways: readonly Way[];
  /** Others that hold together whenever this one does, and are tried in its place. */
  readonly parts?: readonly Clause[] | undefined;
}

const noWays: readonly Way[] = [];

/** Of clauses that must all hold. The copy takes no more room than it needs: an array that has grown has room for 17. */
export const waysOfAll = (clauses: readonly Clause[]): readonly Way[] =>
  clauses.flatMap(({ ways }) => ways).slice();

export interface ComparisonParts {
  readonly pointer: string;
  /** The operator's name in the filter. */
  readonly operator: string;
  readonly operand: Operand;
  readonly kind: Kind;
  readonly comparison: Comparison;
  /** Whether it holds where the comparison does not. */
  readonly negated?: boolean;
  /** Whether it holds for what is missing or of another kind. */
  readonly withoutValue?: boolean;
  /** Whether the elements of an array are looked at, one by one. */
  readonly elements?: boolean;
}

/** One operator on one operand. */
export class ComparisonClause implements Clause {
  readonly ways: readonly Way[];
  readonly #operand: Operand;
  readonly #kind: Kind;
  // Not the comparison itself: a match looks at these two, and what is far apart in memory is what costs it most.
  readonly #test: Test;
  readonly #wanted: unknown;
  readonly #negated: boolean;
  readonly #withoutValue: boolean;
  readonly #elements: boolean;
  readonly #pointer: string;
  readonly #operator: string;

  constructor(parts: ComparisonParts) {
    const { operand, kind } = parts;
    const { test, wanted } = parts.comparison;
    this.#operand = operand;
    this.#kind = kind;
    this.#test = test;
    this.#wanted = wanted;
    this.#negated = parts.negated ?? false;
    this.#withoutValue = parts.withoutValue ?? false;
    this.#elements = parts.elements ?? false;
    this.#pointer = parts.pointer;
    this.#operator = parts.operator;
    const probes = this.#negated ? undefined : test.probes(wanted);
    if (!probes) this.ways = noWays;
    else {
      const signs = probes.map((probe) => ({ operand, kind, probe }));
      const exclusive = probes.every(({ gate }) => gate === 'exact');
      this.ways = [test.probesDecide ? { signs, exclusive, proves: this } : { signs, exclusive }];
    }
  }

  holds(event: Event): boolean {
    const operand = this.#operand;
    const value = operand.read(event);
    if (Array.isArray(value)) return this.#elements && this.#hits(value) !== this.#negated;
    const compared = this.#kind.of(value, operand.inData);
    if (compared === undefined) return this.#withoutValue;
    return this.#test.passes(compared, this.#wanted) !== this.#negated;
  }

  explain(event: Event): Explanation {
    const value = this.#operand.read(event);
    const matched = this.holds(event);
    return {
      clause: this.#pointer,
      matched,
      ...(value === undefined ? {} : { seen: shown(value) }),
      reason: `${this.#operand.name} ${this.#finding(value)}; ${this.#operator} ${this.#wish(matched, value)}`,
    };
  }

  #hits(values: readonly unknown[]): boolean {
    return values.some((value) => {
      const compared = this.#kind.of(value, this.#operand.inData);
      return compared !== undefined && this.#test.passes(compared, this.#wanted);
    });
  }

  #finding(value: unknown): string {
    if (value === undefined) return 'is missing';
    if (Array.isArray(value)) {
      if (!this.#elements) return 'is an array, whose elements are not looked at';
      return this.#hits(value) ? 'has an element that hits' : 'has no element that hits';
    }
    const { inData } = this.#operand;
    if (this.#kind.of(value, inData) !== undefined) return `is ${JSON.stringify(shown(value))}`;
    return inData
      ? `is ${kindOf(value)}, where ${this.#kind.plural} are compared`
      : `is ${JSON.stringify(shown(value))}, which is not written as a ${this.#kind.name}`;
  }

  #wish(matched: boolean, value: unknown): string {
    const wants = `wants ${this.#negated ? 'anything but ' : ''}${this.#test.wants(this.#wanted)}`;
    const nothing = this.#kind.of(value, this.#operand.inData) === undefined && !Array.isArray(value);
    return matched && nothing ? `${wants}, and holds where there is nothing to compare` : wants;
  }
}

/** Whether there is something at all. */
export class PresenceClause implements Clause {
  readonly ways = noWays;
  readonly #pointer: string;
  readonly #operator: string;
  readonly #operand: Operand;
  readonly #wanted: boolean;

  constructor(pointer: string, operator: string, operand: Operand, wanted: boolean) {
    this.#pointer = pointer;
    this.#operator = operator;
    this.#operand = operand;
    this.#wanted = wanted;
  }

  holds(event: Event): boolean {
    return (this.#operand.read(event) !== undefined) === this.#wanted;
  }

  explain(event: Event): Explanation {
    const value = this.#operand.read(event);
    const found = value === undefined ? 'is missing' : `is ${JSON.stringify(shown(value))}`;
    return {
      clause: this.#pointer,
      matched: this.holds(event),
      ...(value === undefined ? {} : { seen: shown(value) }),
      reason: `${this.#operand.name} ${found}; ${this.#operator} wants it ${this.#wanted ? 'present' : 'missing'}`,
    };
  }
}

export class AllClause implements Clause {
  readonly ways: readonly Way[];
  readonly parts: readonly Clause[];
  readonly #pointer: string;

  constructor(pointer: string, clauses: readonly Clause[]) {
    this.#pointer = pointer;
    this.parts = clauses;
    this.ways = waysOfAll(clauses);
  }

  holds(event: Event): boolean {
    for (const clause of this.parts) if (!clause.holds(event)) return false;
    return true;
  }

  explain(event: Event): Explanation {
    return explainSome(this.#pointer, this.parts, event, (count, of) => ({
      matched: count === of,
      reason: `all wants every one of its ${of} clauses to hold, and ${count} do`,
    }));
  }
}

export class AnyClause implements Clause {
  readonly ways: readonly Way[];
  readonly #pointer: string;
  readonly #clauses: readonly Clause[];

  constructor(pointer: string, clauses: readonly Clause[]) {
    this.#pointer = pointer;
    this.#clauses = clauses;
    const [way] = AnyClause.waysOf(clauses.map(({ ways }) => ways));
    const sure = clauses.every((clause) => shortestOf(clause.ways)?.proves === clause);
    this.ways = way === undefined ? [] : [sure ? { ...way, proves: this } : way];
  }

  /** Of what is found by any of several: by one way of each, so each must have one. */
  static waysOf(alternatives: readonly (readonly Way[])[]): readonly Way[] {
    const shortest = alternatives.map(shortestOf);
    return shortest.every((way) => way !== undefined)
      ? [{ signs: shortest.flatMap(({ signs }) => signs) }]
      : [];
  }

  holds(event: Event): boolean {
    for (const clause of this.#clauses) if (clause.holds(event)) return true;
    return false;
  }

  explain(event: Event): Explanation {
    return explainSome(this.#pointer, this.#clauses, event, (count, of) => ({
      matched: count > 0,
      reason: `any wants at least one of its ${of} clauses to hold, and ${count === 0 ? 'none does' : `${count} do`}`,
    }));
  }
}

function shortestOf(ways: readonly Way[]): Way | undefined {
  let shortest = ways[0];
  for (const way of ways) if (way.signs.length < shortest!.signs.length) shortest = way;
  return shortest;
}

export class NotClause implements Clause {
  readonly ways = noWays;
  readonly #pointer: string;
  readonly #clause: Clause;

  constructor(pointer: string, clause: Clause) {
    this.#pointer = pointer;
    this.#clause = clause;
  }

  holds(event: Event): boolean {
    return !this.#clause.holds(event);
  }

  explain(event: Event): Explanation {
    const inner = this.#clause.explain(event);
    const reason = `not wants its clause to fail, and it ${inner.matched ? 'holds' : 'fails'}`;
    return { clause: this.#pointer, matched: !inner.matched, reason, clauses: [inner] };
  }
}

function explainSome(
  clause: string,
  clauses: readonly Clause[],
  event: Event,
  verdict: (count: number, of: number) => { matched: boolean; reason: string },
): Explanation {
  const explanations = clauses.map((each) => each.explain(event));
  const count = explanations.filter(({ matched }) => matched).length;
  return { clause, ...verdict(count, clauses.length), clauses: explanations };
}

const shownMax = 256;

/** A value, shortened for people: an explanation must not carry a megabyte. */
export function shown(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') return value.length > shownMax ? `${value.slice(0, shownMax)}…` : value;
  const json = JSON.stringify(value);
  return json.length > shownMax ? `${json.slice(0, shownMax)}…` : value;
}

function kindOf(value: unknown): string {
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
