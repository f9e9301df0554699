/** What a partition's parts need of the partition. */
import type { EntryId } from '@gridpost/model';
import type { LogEntry } from '@gridpost/store';
import type { OpenEntry } from './entry.js';
import type { Holder } from '../attempts/open-delivery.js';

export interface Site extends Holder {
  readonly epoch: number;
  /** Nothing may be written any more: the ownership was lost. */
  readonly lost: boolean;
  /** Whether another entry may be taken in hand. */
  readonly hasRoom: boolean;
  /** Whether an entry is in hand, or was settled since `reread` was called. */
  knows(entry: EntryId): boolean;
  /** The log is read from the front again: what is settled meanwhile may still be among what was read. */
  reread(begins: boolean): void;
  /** Takes an entry in hand. */
  open(log: LogEntry): OpenEntry;
  /** All events of an entry have been offered to their lanes. */
  offered(entry: OpenEntry): void;
  /** Everything concluded has been written. */
  settled(): Promise<void>;
  /** Resolves after `ms`, or earlier: when `over` does, or the partition is lost. */
  pause(ms: number, over?: Promise<void>): Promise<void>;
  /** The store's clock, just read. */
  noteStoreNow(storeNow: number): void;
  /** The store refused the epoch. */
  fenced(): void;
}
