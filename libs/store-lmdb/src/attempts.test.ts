/** What is in memory of the attempt log is what is on disk, whatever becomes of commits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { FakeClock, seededRandom } from '@gridpost/model/testing';
import { type AttemptBlock, attemptKinds, chargedBlockBytes } from '@gridpost/store';
import { open } from 'lmdb';
import { Attempts } from './attempts.js';
import { openTables, tableNames } from './layout.js';
import { pageBytes } from './pieces.js';
import { Space } from './space.js';

test('random blocks are held and let go of alike in memory and on disk, through commits, aborts and reopening', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gridpost-lmdb-'));
  const root = open<Buffer, Buffer>({
    path: join(directory, 'data'),
    encoding: 'binary',
    keyEncoding: 'binary',
    cache: false,
    pageSize: pageBytes,
    maxDbs: tableNames.length,
  });
  try {
    const tables = openTables(root);
    const clock = new FakeClock();
    const space = new Space(root, tables, { bytesMax: 2 ** 28, subscriptionShare: 0.5 });
    const quota = 40_000;
    const opened = (): Attempts => new Attempts({ tables, clock, space, quota });
    const random = seededRandom(3);
    const count = (most: number): number => Math.floor(random() * (most + 1));
    let attempts = opened();
    let written = 0;
    for (let step = 0; step < 600; step++) {
      await clock.advance(count(2));
      const blocks = Array.from({ length: count(4) }, (): AttemptBlock => {
        const block = Buffer.alloc(1 + count(random() < 0.1 ? 9_000 : 300), ++written);
        return { kind: random() < 0.2 ? 'failures' : 'successes', block };
      });
      const before = attempts.usage();
      const way = random();
      if (way < 0.2) {
        const aborted = root.childTransaction(() => {
          attempts.append(blocks);
          throw new Error('aborted');
        });
        await expect(aborted).rejects.toThrow('aborted');
        attempts.undone();
        expect(attempts.usage()).toEqual(before);
      } else {
        if (way < 0.6) await root.batch(() => attempts.append(blocks));
        else await root.childTransaction(() => void attempts.append(blocks));
        attempts.committed();
      }
      const usage = attempts.usage();
      expect(usage.failures.bytes + usage.successes.bytes).toBeLessThanOrEqual(quota);
      if (random() < 0.05) attempts = opened();
      for (const kind of attemptKinds) {
        const page = attempts.page(kind, undefined, 2 ** 30);
        const bytes = page.blocks.reduce((sum, { block }) => sum + chargedBlockBytes(block.length), 0);
        expect([bytes, attempts.usage()[kind]]).toEqual([usage[kind].bytes, usage[kind]]);
      }
    }
    const heads = (tables.attempts.getStats() as { entryCount: number }).entryCount;
    expect(heads).toBe(attemptKinds.flatMap((kind) => attempts.page(kind, undefined, 2 ** 30).blocks).length);
  } finally {
    await root.close();
    rmSync(directory, { recursive: true });
  }
});
