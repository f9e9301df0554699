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

/** One way of comparing: the same for all that compare so, each of which keeps no more than what it wants. */
export interface Test<V = Scalar, W = unknown> {
  passes(value: V, wanted: W): boolean;
  /** Undefined where nothing but trying finds it. */
  probes(wanted: W): Probe[] | undefined;
  /** Whether what hits a probe also passes. */
  readonly probesDecide: boolean;
  /** What it wants, as the object of "wants". */
  wants(wanted: W): string;
}

/** A test and what it wants, which belong together. */
export interface Comparison {
  readonly test: Test;
  readonly wanted: unknown;
}

const of = <V extends Scalar, W>(test: Test<V, W>, wanted: W): Comparison => ({ test: test as Test, wanted });

export function equalsOneOf(values: readonly Scalar[]): Comparison {
  return values.length === 1 ? of(equals, values[0]!) : of(isOneOf, new Set(values));
}

export const beginsWithOneOf = (texts: readonly string[]): Comparison => ofTexts(begins, texts);
export const endsWithOneOf = (texts: readonly string[]): Comparison => ofTexts(ends, texts);
export const containsOneOf = (texts: readonly string[]): Comparison => ofTexts(contains, texts);

export type Range = readonly [low: number, high: number];

/** Both ends included. */
export const inOneRange = (ranges: readonly Range[]): Comparison => of(liesInOneOf, ranges);

export type Order = 'less than' | 'at most' | 'greater than' | 'at least';

export const ordered = (order: Order, bound: number): Comparison => of(orders[order], bound);

const equals: Test<Scalar, Scalar> = {
  passes: (value, wanted) => value === wanted,
  probes: (value) => [{ gate: 'exact', value }],
  probesDecide: true,
  wants: (value) => listed([value]),
};

const isOneOf: Test<Scalar, ReadonlySet<Scalar>> = {
  passes: (value, wanted) => wanted.has(value),
  probes: (wanted) => [...wanted].map((value) => ({ gate: 'exact', value })),
  probesDecide: true,
  wants: (wanted) => `one of ${listed([...wanted])}`,
};

interface TextTests {
  readonly one: Test<string, string>;
  readonly several: Test<string, readonly string[]>;
}

function textTests(
  part: string,
  hits: (text: string, wanted: string) => boolean,
  gate?: 'prefix' | 'suffix',
): TextTests {
  const probesDecide = gate !== undefined;
  return {
    one: {
      passes: hits,
      probes: (value) => gate && [{ gate, value }],
      probesDecide,
      wants: (value) => `${part} ${listed([value])}`,
    },
    several: {
      passes(text, wanted) {
        for (const value of wanted) if (hits(text, value)) return true;
        return false;
      },
      probes: (wanted) => gate && wanted.map((value) => ({ gate, value })),
      probesDecide,
      wants: (wanted) => `${part} that is one of ${listed(wanted)}`,
    },
  };
}

const begins = textTests('a beginning', (text, value) => text.startsWith(value), 'prefix');
const ends = textTests('an end', (text, value) => text.endsWith(value), 'suffix');
const contains = textTests('a part', (text, value) => text.includes(value));

function ofTexts({ one, several }: TextTests, texts: readonly string[]): Comparison {
  const distinct = texts.length === 1 ? texts : [...new Set(texts)];
  return distinct.length === 1 ? of(one, distinct[0]!) : of(several, distinct);
}

const liesInOneOf: Test<number, readonly Range[]> = {
  passes(value, ranges) {
    for (const [low, high] of ranges) if (value >= low && value <= high) return true;
    return false;
  },
  probes: (ranges) => ranges.map(([low, high]) => ({ gate: 'range', low, high })),
  probesDecide: true,
  wants: (ranges) => `one from ${ranges.map(([low, high]) => `${low} to ${high}`).join(' or ')}`,
};

const orders: Record<Order, Test<number, number>> = {
  'less than': orderTest('less than', (value, bound) => value < bound),
  'at most': orderTest('at most', (value, bound) => value <= bound),
  'greater than': orderTest('greater than', (value, bound) => value > bound),
  'at least': orderTest('at least', (value, bound) => value >= bound),
};

function orderTest(order: Order, passes: (value: number, bound: number) => boolean): Test<number, number> {
  const below = order === 'less than' || order === 'at most';
  return {
    passes,
    probes: (bound) => [
      below
        ? { gate: 'range', low: Number.NEGATIVE_INFINITY, high: bound }
        : { gate: 'range', low: bound, high: Number.POSITIVE_INFINITY },
    ],
    probesDecide: order === 'at most' || order === 'at least',
    wants: (bound) => `${order} ${bound}`,
  };
}

const listedMax = 5;

function listed(values: readonly Scalar[]): string {
  const some = values.slice(0, listedMax).map((value) => JSON.stringify(value));
  return values.length > listedMax
    ? `${some.join(', ')} and ${values.length - listedMax} more`
    : some.join(', ');
}
