/**
 * What a value of one kind is held against. Each comparison also says how an index finds it: its *probes*, of which a
 * value that passes hits at least one. A probe may hit what does not pass, never the other way round.
 */
import type { Scalar } from './kinds.js';

/** How an index finds a comparison. Ranges include both ends. */
export type Probe =
  | { readonly gate: 'exact'; readonly value: Scalar }
  | { readonly gate: 'prefix' | 'suffix'; readonly value: string }
  | { readonly gate: 'range'; readonly low: number; readonly high: number };

export interface Comparison<V extends Scalar = Scalar> {
  holds(value: V): boolean;
  /** Undefined where nothing but trying finds it. */
  probes(): Probe[] | undefined;
  /** Whether what hits a probe also passes. */
  readonly probesDecide: boolean;
  /** What it wants, as the object of "wants". */
  wants(): string;
}

export function equalsOneOf<V extends Scalar>(values: readonly V[]): Comparison<V> {
  return values.length === 1 ? new Equals(values[0]!) : new EqualsOneOf(values);
}

export const beginsWithOneOf = (values: readonly string[]): Comparison<string> => new BeginsWith(values);
export const endsWithOneOf = (values: readonly string[]): Comparison<string> => new EndsWith(values);
export const containsOneOf = (values: readonly string[]): Comparison<string> => new Contains(values);

export type Range = readonly [low: number, high: number];

/** Both ends included. */
export const inOneRange = (ranges: readonly Range[]): Comparison<number> => new InRange(ranges);

export type Order = 'less than' | 'at most' | 'greater than' | 'at least';

export const ordered = (order: Order, bound: number): Comparison<number> => new Ordered(order, bound);

// Classes and not closures: there may be hundreds of thousands, and what a match looks at should lie together.

class Equals<V extends Scalar> implements Comparison<V> {
  readonly probesDecide = true;
  readonly #value: V;

  constructor(value: V) {
    this.#value = value;
  }

  holds(value: V): boolean {
    return value === this.#value;
  }

  probes(): Probe[] {
    return [{ gate: 'exact', value: this.#value }];
  }

  wants(): string {
    return listed([this.#value]);
  }
}

class EqualsOneOf<V extends Scalar> implements Comparison<V> {
  readonly probesDecide = true;
  readonly #values: ReadonlySet<V>;

  constructor(values: readonly V[]) {
    this.#values = new Set(values);
  }

  holds(value: V): boolean {
    return this.#values.has(value);
  }

  probes(): Probe[] {
    return [...this.#values].map((value) => ({ gate: 'exact', value }));
  }

  wants(): string {
    return `one of ${listed([...this.#values])}`;
  }
}

abstract class Texts implements Comparison<string> {
  abstract readonly probesDecide: boolean;
  protected readonly values: readonly string[];

  constructor(values: readonly string[]) {
    this.values = values.length === 1 ? values : [...new Set(values)];
  }

  holds(text: string): boolean {
    for (const value of this.values) if (this.hits(text, value)) return true;
    return false;
  }

  abstract probes(): Probe[] | undefined;
  abstract wants(): string;
  protected abstract hits(text: string, value: string): boolean;
}

class BeginsWith extends Texts {
  readonly probesDecide = true;

  probes(): Probe[] {
    return this.values.map((value) => ({ gate: 'prefix', value }));
  }

  wants(): string {
    return `a beginning ${either(this.values)}`;
  }

  protected hits(text: string, value: string): boolean {
    return text.startsWith(value);
  }
}

class EndsWith extends Texts {
  readonly probesDecide = true;

  probes(): Probe[] {
    return this.values.map((value) => ({ gate: 'suffix', value }));
  }

  wants(): string {
    return `an end ${either(this.values)}`;
  }

  protected hits(text: string, value: string): boolean {
    return text.endsWith(value);
  }
}

class Contains extends Texts {
  readonly probesDecide = false;

  probes(): undefined {
    return undefined;
  }

  wants(): string {
    return `a part ${either(this.values)}`;
  }

  protected hits(text: string, value: string): boolean {
    return text.includes(value);
  }
}

class InRange implements Comparison<number> {
  readonly probesDecide = true;
  readonly #ranges: readonly Range[];

  constructor(ranges: readonly Range[]) {
    this.#ranges = ranges;
  }

  holds(value: number): boolean {
    for (const [low, high] of this.#ranges) if (value >= low && value <= high) return true;
    return false;
  }

  probes(): Probe[] {
    return this.#ranges.map(([low, high]) => ({ gate: 'range', low, high }));
  }

  wants(): string {
    return `one from ${this.#ranges.map(([low, high]) => `${low} to ${high}`).join(' or ')}`;
  }
}

class Ordered implements Comparison<number> {
  readonly probesDecide: boolean;
  readonly #order: Order;
  readonly #bound: number;

  constructor(order: Order, bound: number) {
    this.#order = order;
    this.#bound = bound;
    this.probesDecide = order === 'at most' || order === 'at least';
  }

  holds(value: number): boolean {
    switch (this.#order) {
      case 'less than':
        return value < this.#bound;
      case 'at most':
        return value <= this.#bound;
      case 'greater than':
        return value > this.#bound;
      case 'at least':
        return value >= this.#bound;
    }
  }

  probes(): Probe[] {
    const below = this.#order === 'less than' || this.#order === 'at most';
    const low = below ? Number.NEGATIVE_INFINITY : this.#bound;
    return [{ gate: 'range', low, high: below ? this.#bound : Number.POSITIVE_INFINITY }];
  }

  wants(): string {
    return `${this.#order} ${this.#bound}`;
  }
}

const listedMax = 5;

function listed(values: readonly Scalar[]): string {
  const some = values.slice(0, listedMax).map((value) => JSON.stringify(value));
  return values.length > listedMax
    ? `${some.join(', ')} and ${values.length - listedMax} more`
    : some.join(', ');
}

const either = (values: readonly Scalar[]): string =>
  values.length === 1 ? listed(values) : `that is one of ${listed(values)}`;
