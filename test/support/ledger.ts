/**
 * Two append-only files written outside the router: what publishers meant and were told, and what endpoints received.
 * Each line is in the hands of the kernel before anything counts on it, so it survives the death of any process here;
 * power cuts are not among the faults these tests make, which is why there is no fsync.
 *
 * An event ends as `accepted` (answered 200), `refused` (certainly not stored), or `unknown` (the connection ended, or
 * the router itself said it cannot know): an unknown event may appear or not, but not changed and not invented.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, temporaryDirectory } from './teardown.js';

export type PublishOutcome = 'accepted' | 'refused' | 'unknown';

/** A publisher's line: first without an outcome, then with one. Times are `performance.now()` of the test process. */
export interface PublishLine {
  readonly id: string;
  readonly at: number;
  /** SHA-256 of the data, on the intent. */
  readonly digest?: string;
  readonly outcome?: PublishOutcome;
}

export interface ReceiptLine {
  readonly id: string;
  readonly subscription: string;
  readonly digest: string;
  /** Identity that all attempts of one delivery share. */
  readonly message: string | undefined;
  readonly at: number;
}

export interface Ledger {
  readonly directory: string;
  intend(id: string, data: Buffer): void;
  conclude(id: string, outcome: PublishOutcome): void;
  receive(receipt: Omit<ReceiptLine, 'at'>): void;
}

export interface LedgerLines {
  readonly published: readonly PublishLine[];
  readonly received: readonly ReceiptLine[];
}

/** A new pair of empty files, closed and removed at the end of the test file. */
export function openLedger(): Ledger {
  const directory = temporaryDirectory();
  const published = openSync(join(directory, 'published.ndjson'), 'ax');
  const received = openSync(join(directory, 'received.ndjson'), 'ax');
  atEnd(() => {
    closeSync(published);
    closeSync(received);
  });
  const write = (file: number, line: PublishLine | ReceiptLine): void => {
    writeSync(file, `${JSON.stringify(line)}\n`);
  };
  return {
    directory,
    intend: (id, data) => write(published, { id, at: performance.now(), digest: digestOf(data) }),
    conclude: (id, outcome) => write(published, { id, at: performance.now(), outcome }),
    receive: (receipt) => write(received, { ...receipt, at: performance.now() }),
  };
}

export function digestOf(data: Buffer | undefined): string {
  return createHash('sha256')
    .update(data ?? Buffer.alloc(0))
    .digest('hex');
}

/** Reads the files back: what is checked is what was written, not what somebody remembers. */
export function readLedger(ledger: Ledger): LedgerLines {
  const lines = <T>(file: string): T[] =>
    readFileSync(join(ledger.directory, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  return { published: lines('published.ndjson'), received: lines('received.ndjson') };
}
