/** What journals must hold, kept by the random driver beside the store. */
import { expect } from '@jest/globals';
import type { JournalRecord } from '../port.js';

interface Written {
  readonly number: number;
  readonly text: string;
}

export class JournalLedger {
  readonly #journals = new Map<string, readonly Written[]>();
  /** By journal: ids that were given out, also of records that are gone, and which record each is of. */
  readonly #numbers = new Map<string, Map<string, number>>();
  #count = 0;

  /** Ids of records that were read, also of those that are gone by now. */
  idsOf(journal: string): string[] {
    return [...this.#numbersOf(journal).keys()];
  }

  /** Records were written with these bounds. `outlived`: all that were there had become too old. */
  written(journal: string, texts: readonly string[], recordsMax: number, outlived: boolean): void {
    const before = outlived ? [] : (this.#journals.get(journal) ?? []);
    const all = [...before, ...texts.map((text) => ({ number: ++this.#count, text }))];
    this.#journals.set(journal, all.slice(Math.max(0, all.length - recordsMax)));
  }

  /** A page of a journal: the newest before the record of this id. */
  check(journal: string, before: string | undefined, max: number, page: readonly JournalRecord[]): void {
    const numbers = this.#numbersOf(journal);
    const end = before === undefined ? Number.POSITIVE_INFINITY : numbers.get(before)!;
    const expected = (this.#journals.get(journal) ?? [])
      .filter(({ number }) => number < end)
      .toReversed()
      .slice(0, max);
    expect(page.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    for (const [index, { id, at }] of page.entries()) {
      const { number } = expected[index]!;
      expect(numbers.get(id) ?? number).toBe(number);
      numbers.set(id, number);
      expect(at).toBeLessThanOrEqual(page[index - 1]?.at ?? at);
    }
  }
  #numbersOf(journal: string): Map<string, number> {
    const known = this.#numbers.get(journal) ?? new Map<string, number>();
    this.#numbers.set(journal, known);
    return known;
  }
}
