/** What all adapters' journals begin with: names and records that none can have are refused. */
import { journalRecordBytesMax } from './bounds.js';
import type { Journals } from './port.js';

/** The journals, whose calls reject with a `RangeError` for what no journal takes. */
export function checkedJournals(journals: Journals): Journals {
  return {
    async appendRecords(journal, records, bounds) {
      check(journal, records);
      await journals.appendRecords(journal, records, bounds);
    },
    async newestRecords(journal, before, max) {
      check(journal);
      return journals.newestRecords(journal, before, max);
    },
  };
}

function check(journal: string, records: readonly string[] = []): void {
  if (!/^[a-z-]{1,32}$/.test(journal)) throw new RangeError(`there is no journal ${JSON.stringify(journal)}`);
  for (const record of records)
    if (Buffer.byteLength(record) > journalRecordBytesMax)
      throw new RangeError(`a record has more than ${journalRecordBytesMax} bytes`);
}
