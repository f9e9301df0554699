/**
 * Values by ranges of numbers, such that those around a point are found without looking at most of the others.
 *
 * A range with two ends stands in a grid (`grid.ts`) whose cells' width is the next power of two above its own. A point
 * lies in one cell of each grid in use, and those of its ranges that it hits are at least about a quarter. A range with
 * one end stands in order of that end: those that a point hits come first.
 */
import { exponentOf, Grid } from './grid.js';

/** A range with one end. */
interface Entry<V> {
  readonly low: number;
  readonly high: number;
  value: V;
}

export class RangeTable<V> {
  /** One for each width of cells that is in use. */
  readonly #grids: Grid<V>[] = [];
  /** Without an upper end, ascending by the lower; without a lower end, descending by the upper. */
  readonly #rising: Entry<V>[] = [];
  readonly #falling: Entry<V>[] = [];

  /** The value of exactly this range. */
  get(low: number, high: number): V | undefined {
    const line = this.#lineOf(low, high);
    return line ? this.#findIn(line, low, high)?.value : this.#gridOf(low, high)?.get(low, high);
  }

  /** Adds, or replaces what is there. */
  set(low: number, high: number, value: V): void {
    const line = this.#lineOf(low, high);
    if (!line) {
      let grid = this.#gridOf(low, high);
      if (!grid) this.#grids.push((grid = new Grid(exponentOf(low, high))));
      grid.set(low, high, value);
      return;
    }
    const known = this.#findIn(line, low, high);
    if (known) known.value = value;
    else {
      const entry = { low, high, value };
      line.splice(behind(line, entry), 0, entry);
    }
  }

  /** The range must be there. */
  delete(low: number, high: number): void {
    const line = this.#lineOf(low, high);
    if (line) {
      line.splice(line.indexOf(this.#findIn(line, low, high)!), 1);
      return;
    }
    const grid = this.#gridOf(low, high)!;
    grid.delete(low, high);
    if (grid.empty) this.#grids.splice(this.#grids.indexOf(grid), 1);
  }

  /** Visits the values of all ranges that the point lies in, both ends included. */
  visit<A>(point: number, each: (value: V, argument: A) => void, argument: A): void {
    for (const grid of this.#grids) grid.visit(point, each, argument);
    for (const { low, high, value } of this.#rising) {
      if (low > point) break;
      if (point <= high) each(value, argument);
    }
    for (const { high, value } of this.#falling) {
      if (high < point) break;
      each(value, argument);
    }
  }

  #findIn(line: readonly Entry<V>[], low: number, high: number): Entry<V> | undefined {
    // Those with the same end stand together.
    const rising = line === this.#rising;
    const from = rising
      ? before(line, ({ low: end }) => end < low)
      : before(line, ({ high: end }) => end > high);
    for (let at = from; at < line.length; at++) {
      const entry = line[at]!;
      if (entry.low === low && entry.high === high) return entry;
      if (rising ? entry.low !== low : entry.high !== high) return undefined;
    }
    return undefined;
  }

  #gridOf(low: number, high: number): Grid<V> | undefined {
    const exponent = exponentOf(low, high);
    return this.#grids.find((grid) => grid.exponent === exponent);
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
