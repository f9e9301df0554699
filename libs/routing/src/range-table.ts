/**
 * Values by ranges of numbers, such that those around a point are found without looking at most of the others.
 *
 * A range with two ends lies in the cells of a grid whose width is the next power of two above its own: in one or two
 * of them. A point lies in one cell of each grid in use, and those of its ranges that it hits are at least about a
 * quarter. A range with one end stands in order of that end: those that a point hits come first.
 */
import { HashTable, hashScalar } from './hash-table.js';

interface Entry<V> {
  readonly low: number;
  readonly high: number;
  value: V;
}

/** Entries by cell. */
type Grid<V> = HashTable<number, Entry<V>[]>;

export class RangeTable<V> {
  /** By the exponent of their cells' width. */
  readonly #grids = new Map<number, Grid<V>>();
  /** Without an upper end, ascending by the lower; without a lower end, descending by the upper. */
  readonly #rising: Entry<V>[] = [];
  readonly #falling: Entry<V>[] = [];

  /** The value of exactly this range. */
  get(low: number, high: number): V | undefined {
    return this.#find(low, high)?.value;
  }

  /** Adds, or replaces what is there. */
  set(low: number, high: number, value: V): void {
    const known = this.#find(low, high);
    if (known) {
      known.value = value;
      return;
    }
    const entry = { low, high, value };
    const line = this.#lineOf(low, high);
    if (line) {
      line.splice(behind(line, entry), 0, entry);
      return;
    }
    const exponent = exponentOf(low, high);
    let grid = this.#grids.get(exponent);
    if (!grid) this.#grids.set(exponent, (grid = new HashTable()));
    for (const cell of cellsOf(low, high, exponent)) {
      const entries = grid.get(hashScalar(cell), cell);
      if (entries) entries.push(entry);
      else grid.set(hashScalar(cell), cell, [entry]);
    }
  }

  delete(low: number, high: number): void {
    const entry = this.#find(low, high);
    if (!entry) return;
    const line = this.#lineOf(low, high);
    if (line) {
      line.splice(line.indexOf(entry), 1);
      return;
    }
    const exponent = exponentOf(low, high);
    const grid = this.#grids.get(exponent)!;
    for (const cell of cellsOf(low, high, exponent)) {
      const entries = grid.get(hashScalar(cell), cell)!;
      entries.splice(entries.indexOf(entry), 1);
      if (entries.length === 0) grid.delete(hashScalar(cell), cell);
    }
    if (grid.size === 0) this.#grids.delete(exponent);
  }

  /** Visits the values of all ranges that the point lies in, both ends included. */
  visit<A>(point: number, each: (value: V, argument: A) => void, argument: A): void {
    for (const [exponent, grid] of this.#grids) {
      const cell = cellOf(point, exponent);
      const entries = grid.get(hashScalar(cell), cell);
      if (entries)
        for (const { low, high, value } of entries) if (low <= point && point <= high) each(value, argument);
    }
    for (const { low, high, value } of this.#rising) {
      if (low > point) break;
      if (point <= high) each(value, argument);
    }
    for (const { high, value } of this.#falling) {
      if (high < point) break;
      each(value, argument);
    }
  }

  #find(low: number, high: number): Entry<V> | undefined {
    const same = (entry: Entry<V>): boolean => entry.low === low && entry.high === high;
    const line = this.#lineOf(low, high);
    if (line) {
      // Those with the same end stand together.
      const from =
        line === this.#rising
          ? before(line, ({ low: end }) => end < low)
          : before(line, ({ high: end }) => end > high);
      for (let at = from; at < line.length; at++) {
        const entry = line[at]!;
        if (same(entry)) return entry;
        if (line === this.#rising ? entry.low !== low : entry.high !== high) return undefined;
      }
      return undefined;
    }
    const exponent = exponentOf(low, high);
    const [cell] = cellsOf(low, high, exponent);
    return this.#grids.get(exponent)?.get(hashScalar(cell!), cell!)?.find(same);
  }

  /** The line of a range that has but one end, or is too wide for a grid. */
  #lineOf(low: number, high: number): Entry<V>[] | undefined {
    if (low === Number.NEGATIVE_INFINITY) return this.#falling;
    return Number.isFinite(high - low) ? undefined : this.#rising;
  }
}

/** Where a new entry belongs. */
function behind<V>(line: readonly Entry<V>[], { low, high }: Entry<V>): number {
  return low === Number.NEGATIVE_INFINITY
    ? before(line, (entry) => entry.high >= high)
    : before(line, (entry) => entry.low <= low);
}

/** How many entries at the beginning of a line are as asked. */
function before<V>(line: readonly Entry<V>[], is: (entry: Entry<V>) => boolean): number {
  let [from, to] = [0, line.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (is(line[middle]!)) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Of the narrowest cells that are not narrower than the range. A single number has cells of 2^-1074. */
function exponentOf(low: number, high: number): number {
  const width = high - low;
  if (width === 0) return exponentMin;
  const exponent = Math.max(exponentMin, Math.ceil(Math.log2(width)));
  // Width and logarithm are rounded.
  return cellOf(high, exponent) - cellOf(low, exponent) > 1 ? exponent + 1 : exponent;
}

/** Of the smallest number there is. */
const exponentMin = -1_074;

/**
 * Which cell a number lies in. Where cells are narrower than the distance between neighbouring numbers, each number is a
 * cell: the quotient is then an integer already, or infinite, and the number itself tells as much.
 */
function cellOf(point: number, exponent: number): number {
  const cell = point / 2 ** exponent;
  return Number.isFinite(cell) ? Math.floor(cell) : point;
}

function cellsOf(low: number, high: number, exponent: number): number[] {
  const [first, last] = [cellOf(low, exponent), cellOf(high, exponent)];
  return first === last ? [first] : [first, last];
}
