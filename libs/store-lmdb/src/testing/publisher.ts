/**
 * A process of its own for tests that end it, or its disk. Run as `node publisher.js <directory> <mode>`; it reports on
 * standard output, one line per fact.
 *
 * `publish`: appends numbered events for ever, sixteen at a time, and prints `acked <number>` for each.
 * `fill`: appends until the store is full, settles all but the last entry, and appends again; then it waits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GridpostError } from '@gridpost/model';
import type { Store } from '@gridpost/store';
import { openLmdbStore } from '../open.js';

const [directory, mode] = process.argv.slice(2);
const limits = { bytesMax: 2 ** 30, subscriptionShare: 0.1 };
const store = await openLmdbStore({
  directory: directory!,
  limits,
  durability: 'disk',
  partitions: 1,
  // However long the disk takes.
  commitTimeoutMs: 60_000,
});
const claim = await store.claim(0, 'publisher', 60_000, 1_000);
let next = 0;

/** Appends one event that begins with its number, and says so when it is acknowledged. */
async function append(bytes: number): Promise<void> {
  const number = next++;
  const frame = Buffer.alloc(bytes, 'x');
  frame.writeUInt32LE(number, 0);
  await store.append(0, [{ topic: 'topic00000000000', frame }]);
  process.stdout.write(`acked ${number}\n`);
}

async function publish(): Promise<void> {
  for (;;) await append(700);
}

async function settleAllButLast(from: Store, epoch: number): Promise<void> {
  const { entries } = await from.read(0, epoch, undefined, { entriesMax: 100_000, bytesMax: 2 ** 30 });
  const batch = entries.slice(0, -1).map(({ id, acceptedAt }) => ({
    id,
    acceptedAt,
    deferrals: [],
    events: new Map(),
  }));
  const { removed } = await from.settle(0, epoch, { entries: batch, outcomes: [] });
  process.stdout.write(`settled ${removed}\n`);
}

async function fill(): Promise<void> {
  for (;;) {
    try {
      await append(20_000);
    } catch (error) {
      process.stdout.write(`refused ${(error as GridpostError).code}\n`);
      break;
    }
  }
  await settleAllButLast(store, claim!.epoch);
  for (let appended = 0; appended < 20; ) {
    try {
      await append(20_000);
      appended++;
    } catch (error) {
      // Pages become free for good with the commit after the one that freed them.
      if (!(error instanceof GridpostError)) throw error;
      await sleep(10);
    }
  }
  process.stdout.write(`resumed ${JSON.stringify(await store.health())}\n`);
  await sleep(60_000);
}

if (mode === 'fill') await fill();
else await Promise.all(Array.from({ length: 16 }, publish));
