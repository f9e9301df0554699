/** Bounded records about the deployment as a whole. */

/** One line of a journal. */
export interface JournalRecord {
  /** Opaque; where the record stands in its journal. */
  readonly id: string;
  /** When it was written. */
  readonly at: number;
  readonly text: string;
}

export interface JournalBounds {
  readonly recordsMax: number;
  readonly olderThanMs: number;
}

/**
 * Bounded journals about the deployment as a whole, such as who changed what. They are no part of the configuration:
 * writing to one is no change, and no partition learns of it. Their names are `[a-z-]`, at most 32.
 */
export interface Journals {
  /**
   * Writes records of at most `journalRecordBytesMax` each behind those that are there, then lets the oldest go that are
   * one too many or too old. One atomic step; resolves when they are durable in `info.durability`. Repeating it writes
   * them again. Allowed when the store is full.
   */
  appendRecords(journal: string, records: readonly string[], bounds: JournalBounds): Promise<void>;
  /** The newest first: at most `max` of those before `before`, the id of a record that may be gone by now. */
  newestRecords(journal: string, before: string | undefined, max: number): Promise<JournalRecord[]>;
}
