/** Journals, in the configuration's slot. */
import type { JournalBounds, JournalRecord, Journals } from '@gridpost/store';
import { acceptedAtOf, isEntryId, type Key } from './keys.js';
import type { Link } from './link.js';
import { readRecords, writeRecords } from './scripts/journals.js';
import type { Writer } from './writer.js';

export class RedisJournals implements Journals {
  readonly #link: Link;
  readonly #writer: Writer;
  readonly #key: Key;

  constructor(link: Link, writer: Writer, key: Key) {
    this.#link = link;
    this.#writer = writer;
    this.#key = key;
  }

  async appendRecords(
    journal: string,
    records: readonly string[],
    { recordsMax, olderThanMs }: JournalBounds,
  ): Promise<void> {
    const args = [journal, String(recordsMax), String(olderThanMs), ...records];
    await this.#writer.write(writeRecords, this.#key, args);
  }

  async newestRecords(journal: string, before: string | undefined, max: number): Promise<JournalRecord[]> {
    if (before !== undefined && !isEntryId(before)) throw new RangeError(`no record is at ${before}`);
    const from = before === undefined ? '+' : `(${before}`;
    const reply = (await this.#link.run(readRecords, this.#key, [journal, from, String(max)])) as Buffer[];
    return Array.from({ length: reply.length / 2 }, (_, index) => {
      const id = String(reply[2 * index]);
      return { id, at: acceptedAtOf(id), text: String(reply[2 * index + 1]) };
    });
  }
}
