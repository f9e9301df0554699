/**
 * The newest committed entries, in memory: what an owner that keeps up reads, so that the way from append to delivery
 * never touches the disk a second time. Bounded in bytes; from `from` on it holds every entry that is in the log.
 */
import type { LogEntry } from '@gridpost/store';

export interface TailEntry {
  readonly number: number;
  readonly entry: LogEntry;
}

export class Tail {
  readonly #bytesMax: number;
  /** In log order; removed ones leave a hole, which goes when it reaches the front. */
  #entries: (TailEntry | undefined)[] = [];
  #first = 0;
  /** Numbers of the entries, also of those removed, for the binary search. */
  #numbers: number[] = [];
  #bytes = 0;
  #from: number;

  /** Starts empty: entries numbered below `from` are on disk only. */
  constructor(bytesMax: number, from: number) {
    this.#bytesMax = bytesMax;
    this.#from = from;
  }

  get from(): number {
    return this.#from;
  }

  get(number: number): TailEntry | undefined {
    const at = this.#at(number);
    return this.#numbers[at] === number ? this.#entries[at] : undefined;
  }

  push(entry: TailEntry): void {
    this.#entries.push(entry);
    this.#numbers.push(entry.number);
    this.#bytes += entry.entry.bytes;
    while (this.#bytes > this.#bytesMax) {
      this.#from = this.#numbers[this.#first]! + 1;
      this.#drop(this.#first);
    }
  }

  remove(number: number): void {
    const at = this.#at(number);
    if (this.#numbers[at] === number) this.#drop(at);
  }

  /** Entries numbered `from` and above, in order, until `take` declines one. */
  each(from: number, take: (entry: TailEntry) => boolean): void {
    for (let at = this.#at(from); at < this.#entries.length; at++) {
      const entry = this.#entries[at];
      if (entry && !take(entry)) return;
    }
  }

  #drop(at: number): void {
    const entry = this.#entries[at];
    if (entry) this.#bytes -= entry.entry.bytes;
    this.#entries[at] = undefined;
    while (this.#first < this.#entries.length && !this.#entries[this.#first]) this.#first++;
    // Cut off the holes when they are most of it: moving each entry once per doubling.
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#numbers = this.#numbers.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Position of the first entry numbered `number` or above. */
  #at(number: number): number {
    let low = this.#first;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
