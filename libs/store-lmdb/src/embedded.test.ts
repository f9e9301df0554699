import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LogEntry, Store } from '@gridpost/store';
import { open } from 'lmdb';
import { metaKey } from './layout.js';
import { type LmdbStoreOptions, openLmdbStore } from './open.js';
import { socketPath } from './owner-lock.js';
import { Publisher } from './testing/index.js';

let root: string;
let directory: string;
const stores: Store[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gridpost-lmdb-'));
  directory = join(root, 'store');
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(root, { recursive: true });
});

async function setup(options: Partial<LmdbStoreOptions> = {}): Promise<Store> {
  const store = await openLmdbStore({
    directory,
    limits: { bytesMax: 2 ** 28, subscriptionShare: 0.5 },
    durability: 'process',
    partitions: 1,
    // However long the disk takes.
    commitTimeoutMs: 60_000,
    ...options,
  });
  stores.push(store);
  return store;
}

/** The whole log, read as a new owner. */
async function readAll(store: Store, limits = { entriesMax: 1_000, bytesMax: 2 ** 24 }): Promise<LogEntry[]> {
  const { epoch } = (await store.claim(0, 'reader', 60_000, 1_000))!;
  const all: LogEntry[] = [];
  for (;;) {
    const { entries } = await store.read(0, epoch, all.at(-1)?.id, limits);
    if (!entries.length) return all;
    all.push(...entries);
  }
}

/** The entry as settled, with nothing left to do for it. */
const finished = ({ id, acceptedAt }: LogEntry) => ({ id, acceptedAt, deferrals: [], events: new Map() });

const numbersIn = (entries: readonly LogEntry[]): number[] =>
  entries.flatMap(({ events }) => events.map(({ frame }) => frame.readUInt32LE(0)));

test('a second opener is refused by the name of the directory, until the first has closed', async () => {
  const first = await setup();
  expect(first.info).toEqual({ kind: 'lmdb', place: directory, partitions: 1, durability: 'disk' });
  await expect(setup()).rejects.toThrow(`${directory} is in use by another process`);
  await first.close();
  expect((await (await setup()).health()).ok).toBe(true);
});

test('a directory whose path is too long for a socket is locked all the same', async () => {
  directory = join(root, 'x'.repeat(60), 'y'.repeat(60));
  const first = await setup();
  expect(socketPath(directory).startsWith(join(tmpdir(), 'gridpost-'))).toBe(true);
  await expect(setup()).rejects.toThrow('in use by another process');
  await first.close();
  await setup();
});

test('a name left over by a process that is gone does not count as a lock', async () => {
  mkdirSync(directory);
  writeFileSync(socketPath(directory), '');
  expect((await (await setup()).health()).ok).toBe(true);
  await expect(setup()).rejects.toThrow('in use by another process');
});

test('what cannot be promised or is not ours is refused before anything is written', async () => {
  await expect(setup({ durability: 'replicated' })).rejects.toThrow('cannot be replicated');
  await expect(setup({ partitions: 8 })).rejects.toThrow('has 1 partition, not 8');
  await (await setup()).close();
  const path = join(directory, 'data');
  const write = async (text: string) => {
    const environment = open<Buffer, Buffer>({ path, encoding: 'binary', keyEncoding: 'binary' });
    const meta = environment.openDB<Buffer, Buffer>({
      name: 'meta',
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    await meta.put(metaKey.store, Buffer.from(text));
    await environment.close();
  };
  await write('{"format":1,"partitions":1}');
  await expect(setup()).rejects.toThrow('has format 1, this version of Gridpost reads format 2');
  await write('{"format":3,"partitions":1}');
  await expect(setup()).rejects.toThrow('has format 3, this version of Gridpost reads format 2');
  await write('{"format":2,"partitions":4}');
  await expect(setup()).rejects.toThrow('has 4 partitions, not 1');
  await write('{"format":2,"partitions":1}');
  await setup();
});

test('what an owner reads behind the tail in memory is what it would have read in it', async () => {
  const store = await setup({ tailBytesMax: 20_000 });
  const sizes = Array.from({ length: 60 }, (_, index) => (index % 10 === 9 ? 300_000 : 700 + index));
  for (const [number, size] of sizes.entries()) {
    const frame = Buffer.alloc(size, number);
    frame.writeUInt32LE(number, 0);
    await store.append(0, [{ topic: 'topic00000000000', frame }]);
  }
  for (const limits of [
    { entriesMax: 7, bytesMax: 2 ** 24 },
    { entriesMax: 1_000, bytesMax: 5_000 },
  ]) {
    const entries = await readAll(store, limits);
    expect(numbersIn(entries)).toEqual([...sizes.keys()]);
    expect(entries.map(({ events }) => events[0]!.frame.length)).toEqual(sizes);
    for (const [number, { events }] of entries.entries()) {
      expect(events[0]!.frame.subarray(4).equals(Buffer.alloc(sizes[number]! - 4, number))).toBe(true);
    }
  }
  const even = (await readAll(store)).filter((_, index) => index % 2 === 0);
  const { epoch } = (await store.claim(0, 'reader', 60_000, 1_000))!;
  const settled = await store.settle(0, epoch, { entries: even.map(finished), outcomes: [] });
  expect(settled.removed).toBe(30);
  expect(numbersIn(await readAll(store))).toEqual([...sizes.keys()].filter((number) => number % 2 === 1));
});

test('every event that was acknowledged is there after the process was killed', async () => {
  for (let round = 1; round <= 3; round++) {
    const publisher = new Publisher(directory, 'publish');
    await publisher.until((lines) => lines.length > 300);
    await expect(setup()).rejects.toThrow('in use by another process');
    await publisher.kill();
    const store = await setup();
    const claim = (await store.claim(0, 'heir', 60_000, 100_000))!;
    const { entries } = await store.read(0, claim.epoch, undefined, {
      entriesMax: 100_000,
      bytesMax: 2 ** 28,
    });
    // The owner did not release: what it may have been working on is suspect.
    expect(claim.suspectUpTo).toBe(entries.at(-1)!.id);
    const stored = new Set(numbersIn(entries));
    expect(publisher.acked.filter((number) => !stored.has(number))).toEqual([]);
    await store.settle(0, claim.epoch, { entries: entries.map(finished), outcomes: [] });
    await store.release(0, 'heir', claim.epoch);
    await store.close();
  }
});

test('a full disk refuses publishers, lets settling go on, and loses nothing', async () => {
  const blocksMax = 4_096;
  const publisher = new Publisher(directory, 'fill', blocksMax);
  await publisher.until((lines) => lines.some((line) => line.startsWith('resumed ')));
  await publisher.kill();
  const { acked, lines } = publisher;
  const settled = lines.find((line) => line.startsWith('settled '))!;
  expect(lines).toContain('refused StoreFull');
  expect(lines.at(-1)).toBe('resumed {"ok":true}');
  expect(statSync(join(directory, 'data', 'data.mdb')).size).toBeLessThanOrEqual(blocksMax * 1_024);
  // One event per entry: what was settled is gone, everything acknowledged after it is there.
  const gone = Number(settled.slice('settled '.length));
  expect(gone).toBeGreaterThan(20);
  expect(numbersIn(await readAll(await setup()))).toEqual(acked.slice(gone));
});
