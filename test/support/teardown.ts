/**
 * Ends what a test file started, also when one of its tests failed or timed out: whatever starts something says here
 * how to end it. Ends run in reverse order, every one of them, and must be harmless when it was ended already.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';

const ends: (() => unknown)[] = [];

/** Calls `end` after the last test of the file. */
export function atEnd(end: () => unknown): void {
  ends.push(end);
}

afterAll(async () => {
  const failures: unknown[] = [];
  for (const end of ends.splice(0).reverse()) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'not everything could be ended');
});

/** A new empty directory, removed at the end of the file. Short, because Unix socket paths end at about 100 characters. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gp-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
