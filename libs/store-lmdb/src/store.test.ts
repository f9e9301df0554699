import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@gridpost/model/testing';
import { describeStore } from '@gridpost/store/suite';
import { openLmdbStore } from './open.js';

describeStore(
  'lmdb',
  async (limits) => {
    const directory = mkdtempSync(join(tmpdir(), 'gridpost-lmdb-'));
    const clock = new FakeClock();
    // Giving up is the business of `commits.test.ts`; here a disk may take its time.
    const commitTimeoutMs = 60_000;
    const options = { directory, limits, durability: 'disk', partitions: 1, clock, commitTimeoutMs } as const;
    let store = await openLmdbStore(options);
    return {
      store,
      advance: (ms) => clock.advance(ms),
      reopen: async () => {
        await store.close();
        store = await openLmdbStore(options);
        return store;
      },
      close: async () => {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
  {
    lacks: {
      sharing: 'one process owns the data directory',
      partitions: 'the embedded store has one partition',
    },
  },
);
