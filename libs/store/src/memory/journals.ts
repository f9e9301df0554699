/** The reference model's journals. */
import type { Clock } from '@gridpost/model';
import type { JournalBounds, JournalRecord, Journals } from '../port.js';

export class MemoryJournals implements Journals {
  readonly #clock: Clock;
  readonly #journals = new Map<string, JournalRecord[]>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async appendRecords(
    journal: string,
    records: readonly string[],
    { recordsMax, olderThanMs }: JournalBounds,
  ): Promise<void> {
    const at = this.#clock.now();
    const before = this.#journals.get(journal) ?? [];
    const all = [...before, ...records.map((text) => ({ id: String(++this.#count), at, text }))];
    const young = all.filter((record) => record.at > at - olderThanMs);
    this.#journals.set(journal, young.slice(Math.max(0, young.length - recordsMax)));
  }

  async newestRecords(journal: string, before: string | undefined, max: number): Promise<JournalRecord[]> {
    return (this.#journals.get(journal) ?? [])
      .filter(({ id }) => before === undefined || Number(id) < Number(before))
      .toReversed()
      .slice(0, max);
  }
}
