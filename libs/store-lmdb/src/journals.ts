/** Journals: records under numbers without gaps, so that the first and the last tell how many there are. */
import type { Clock } from '@gridpost/model';
import type { JournalBounds, JournalRecord, Journals } from '@gridpost/store';
import type { Commits } from './commits.js';
import { after, type Tables, topicKey } from './layout.js';

const atBytes = 6;

export class LmdbJournals implements Journals {
  readonly #table: Tables['journals'];
  readonly #commits: Commits;
  readonly #clock: Clock;

  constructor(tables: Tables, commits: Commits, clock: Clock) {
    this.#table = tables.journals;
    this.#commits = commits;
    this.#clock = clock;
  }

  async appendRecords(
    journal: string,
    records: readonly string[],
    { recordsMax, olderThanMs }: JournalBounds,
  ): Promise<void> {
    await this.#commits.change(() => {
      const now = this.#clock.now();
      // One that was emptied begins behind whatever number it may have had: ids that were given out stay those of the past.
      let number = this.#last(journal) ?? now;
      for (const text of records) {
        const value = Buffer.allocUnsafe(atBytes + Buffer.byteLength(text));
        value.writeUIntBE(now, 0, atBytes);
        value.write(text, atBytes);
        this.#table.put(topicKey(journal, ++number), value);
      }
      for (;;) {
        const oldest = this.#oldest(journal);
        if (!oldest || (oldest.at > now - olderThanMs && number - oldest.number < recordsMax)) break;
        this.#table.remove(topicKey(journal, oldest.number));
      }
    });
  }

  async newestRecords(journal: string, before: string | undefined, max: number): Promise<JournalRecord[]> {
    const prefix = topicKey(journal);
    const start = before === undefined ? after(prefix) : topicKey(journal, Number.parseInt(before, 16));
    const range = { start, end: prefix, reverse: true, exclusiveStart: before !== undefined, limit: max };
    return [...this.#table.getRange(range)].map(({ key, value }) => ({
      id: key.readUIntBE(prefix.length, 6).toString(16),
      at: value.readUIntBE(0, atBytes),
      text: value.toString('utf8', atBytes),
    }));
  }

  /** Number of the newest record. */
  #last(journal: string): number | undefined {
    const prefix = topicKey(journal);
    const range = { start: after(prefix), end: prefix, reverse: true, limit: 1 };
    const [key] = [...this.#table.getKeys(range)];
    return key?.readUIntBE(prefix.length, 6);
  }

  #oldest(journal: string): { readonly number: number; readonly at: number } | undefined {
    const prefix = topicKey(journal);
    const [found] = [...this.#table.getRange({ start: prefix, end: after(prefix), limit: 1 })];
    return (
      found && { number: found.key.readUIntBE(prefix.length, 6), at: found.value.readUIntBE(0, atBytes) }
    );
  }
}
