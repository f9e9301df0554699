/**
 * Values by ranges of numbers of about one width. A range lies in the cells of a grid that are not narrower than it is:
 * in one of them or in two neighbours. So a point need only look at the ranges of its own cell.
 *
 * A record per range and cell, four numbers each, all in one array: what a point has to look at lies together, not in
 * objects all over the heap. Records are numbered from 1, without gaps; those of a bucket are chained, so that a cell
 * with many of them is in no other cell's way.
 */
import { hashScalar } from './hash-table.js';

/** A record: its cell, the range's ends, and the next record of its bucket, 0 if it is the last. */
const recordLength = 4;
const bucketsMin = 8;

export class Grid<V> {
  readonly exponent: number;
  /** Of its cells. */
  readonly #width: number;
  /** By the low bits of a cell's hash the first record, 0 if there is none. */
  #first = new Int32Array(bucketsMin);
  /** Record 0 is none. */
  readonly #records: number[] = [0, 0, 0, 0];
  readonly #values: (V | undefined)[] = [undefined];

  constructor(exponent: number) {
    this.exponent = exponent;
    this.#width = 2 ** exponent;
  }

  get empty(): boolean {
    return this.#values.length === 1;
  }

  /** The value of exactly this range. */
  get(low: number, high: number): V | undefined {
    return this.#values[this.#find(cellOf(low, this.#width), low, high)];
  }

  /** Adds a range, or replaces its value. */
  set(low: number, high: number, value: V): void {
    for (const cell of cellsOf(low, high, this.#width)) {
      const known = this.#find(cell, low, high);
      if (known !== 0) this.#values[known] = value;
      else this.#add(cell, low, high, value);
    }
  }

  /** The range must be there. */
  delete(low: number, high: number): void {
    for (const cell of cellsOf(low, high, this.#width)) this.#remove(this.#find(cell, low, high));
  }

  /** Visits the values of all ranges that the point lies in, both ends included. */
  visit<A>(point: number, each: (value: V, argument: A) => void, argument: A): void {
    const records = this.#records;
    const cell = cellOf(point, this.#width);
    for (let record = this.#first[this.#bucketOf(cell)]!; record !== 0; ) {
      const at = record * recordLength;
      if (records[at] === cell && records[at + 1]! <= point && point <= records[at + 2]!)
        each(this.#values[record]!, argument);
      record = records[at + 3]!;
    }
  }

  #bucketOf(cell: number): number {
    return hashScalar(cell) & (this.#first.length - 1);
  }

  /** The record of a range in one of its cells, 0 if there is none. */
  #find(cell: number, low: number, high: number): number {
    const records = this.#records;
    let record = this.#first[this.#bucketOf(cell)]!;
    for (; record !== 0; record = records[record * recordLength + 3]!) {
      const at = record * recordLength;
      if (records[at] === cell && records[at + 1] === low && records[at + 2] === high) break;
    }
    return record;
  }

  #add(cell: number, low: number, high: number, value: V): void {
    const record = this.#values.push(value) - 1;
    this.#records.push(cell, low, high, 0);
    if (record > this.#first.length) this.#chainAnew(this.#first.length * 2);
    else this.#chain(record);
  }

  /** The last one takes its number. */
  #remove(record: number): void {
    const records = this.#records;
    const last = this.#values.length - 1;
    this.#redirect(record, records[record * recordLength + 3]!);
    if (record !== last) {
      this.#redirect(last, record);
      records.copyWithin(record * recordLength, last * recordLength, (last + 1) * recordLength);
      this.#values[record] = this.#values[last];
    }
    records.length -= recordLength;
    this.#values.pop();
    const buckets = this.#first.length;
    if (buckets > bucketsMin && last * 8 < buckets) this.#chainAnew(buckets / 2);
  }

  /** Has what leads to one record lead to another. */
  #redirect(from: number, to: number): void {
    const records = this.#records;
    const bucket = this.#bucketOf(records[from * recordLength]!);
    let record = this.#first[bucket]!;
    if (record === from) {
      this.#first[bucket] = to;
      return;
    }
    while (records[record * recordLength + 3] !== from) record = records[record * recordLength + 3]!;
    records[record * recordLength + 3] = to;
  }

  #chain(record: number): void {
    const bucket = this.#bucketOf(this.#records[record * recordLength]!);
    this.#records[record * recordLength + 3] = this.#first[bucket]!;
    this.#first[bucket] = record;
  }

  #chainAnew(buckets: number): void {
    this.#first = new Int32Array(buckets);
    for (let record = 1; record < this.#values.length; record++) this.#chain(record);
  }
}

/** Of the narrowest cells that are not narrower than the range. A single number has cells of 2^-1074. */
export function exponentOf(low: number, high: number): number {
  const width = high - low;
  if (width === 0) return exponentMin;
  const exponent = Math.max(exponentMin, Math.ceil(Math.log2(width)));
  // Width and logarithm are rounded.
  const cells = 2 ** exponent;
  return cellOf(high, cells) - cellOf(low, cells) > 1 ? exponent + 1 : exponent;
}

/** Of the smallest number there is. */
const exponentMin = -1_074;

/**
 * Which cell a number lies in. Where cells are narrower than the distance between neighbouring numbers, each number is a
 * cell: the quotient is then an integer already, or infinite, and the number itself tells as much.
 */
function cellOf(point: number, width: number): number {
  const cell = point / width;
  return Number.isFinite(cell) ? Math.floor(cell) : point;
}

function cellsOf(low: number, high: number, width: number): number[] {
  const [first, last] = [cellOf(low, width), cellOf(high, width)];
  return first === last ? [first] : [first, last];
}
