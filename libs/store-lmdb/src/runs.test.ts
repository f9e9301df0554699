/** How many records deliveries cost that are alike, and that nothing is left of them, on a real store's disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Incarnation } from '@gridpost/model';
import { FakeClock, seededRandom } from '@gridpost/model/testing';
import type {
  Deferral,
  Disposition,
  LeasedDelivery,
  LeaseOutcome,
  LogEntry,
  PendingEvent,
  Store,
} from '@gridpost/store';
import { open } from 'lmdb';
import { openTables, tableNames, type Tables } from './layout.js';
import { openLmdbStore } from './open.js';

const subA = 'one~000000000001' as Incarnation;
const subB = 'two~000000000002' as Incarnation;
const held = ['payloads', 'open', 'due', 'dead', 'places', 'lines', 'rest', 'log'] as const;

let directory: string;
let clock: FakeClock;
let store: Store;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gridpost-lmdb-'));
  clock = new FakeClock();
  await reopen();
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

async function reopen(): Promise<void> {
  const limits = { bytesMax: 2 ** 28, subscriptionShare: 0.5 };
  // However long the disk takes.
  const commitTimeoutMs = 60_000;
  const options = { directory, limits, partitions: 1, clock, commitTimeoutMs };
  store = await openLmdbStore({ ...options, durability: 'disk' });
}

/** Records by table, read while nobody has the store open. */
async function records(): Promise<Record<(typeof held)[number], number>> {
  await store.close();
  const root = open<Buffer, Buffer>({
    path: join(directory, 'data'),
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: tableNames.length,
  });
  const tables: Tables = openTables(root);
  const counts = Object.fromEntries(
    held.map((name) => [name, (tables[name].getStats() as { entryCount: number }).entryCount]),
  );
  await root.close();
  await reopen();
  return counts as Record<(typeof held)[number], number>;
}

/** One entry of events of these sizes, the deferrals of each made by `deferralsOf`. */
async function settle(
  sizes: readonly number[],
  deferralsOf: (index: number) => readonly (readonly [Incarnation, Disposition])[],
): Promise<LogEntry> {
  const { epoch } = (await store.claim(0, 'owner', 3_600_000, 1_000))!;
  await store.append(
    0,
    sizes.map((size, index) => ({
      topic: 'topic00000000000' as Incarnation,
      frame: Buffer.alloc(size, index),
    })),
  );
  const limits = { entriesMax: 10, bytesMax: 2 ** 26 };
  const [entry] = (await store.read(0, epoch, undefined, limits)).entries;
  const events = new Map<number, PendingEvent>(entry!.events.entries());
  const deferrals = sizes.flatMap((_, index) =>
    deferralsOf(index).map(([subscription, disposition]): Deferral => ({ index, subscription, disposition })),
  );
  const { id, acceptedAt } = entry!;
  await store.settle(0, epoch, { entries: [{ id, acceptedAt, deferrals, events }], outcomes: [] });
  await store.release(0, 'owner', epoch);
  return entry!;
}

const deferred: Disposition = { kind: 'deferred', dueInMs: 0, state: { attempts: 0, liveFrom: 1 } };

const outcomeOf = (
  { place, subscription, token }: LeasedDelivery,
  disposition: LeaseOutcome['disposition'],
): LeaseOutcome => ({ entry: place.entry, index: place.index, subscription, token, disposition });

const receive = async (max: number, subscription = subA): Promise<readonly LeasedDelivery[]> => {
  const ask = { subscription, max, leaseMs: 1_000, token: 'c.' };
  const { deliveries } = await store.receive(0, ask);
  return deliveries;
};

test('a hundred deliveries that are alike cost one record, and their events a page for six', async () => {
  const sizes = Array.from({ length: 100 }, () => 600);
  await settle(sizes, () => [[subA, deferred]]);
  // 17 chunks, and the list of them.
  expect(await records()).toMatchObject({ open: 1, due: 1, payloads: 18, rest: 0 });
  const all = await receive(100);
  expect(all.map(({ place }) => place.index)).toEqual([...sizes.keys()]);
  expect(await records()).toMatchObject({ open: 1, due: 1, payloads: 18 });
  const state = all[0]!.state;
  const renewed = all.map((one) =>
    outcomeOf(one, { kind: 'leased', leaseMs: 5_000, token: one.token, state }),
  );
  const { applied } = await store.conclude(0, renewed);
  expect(applied).not.toContain(false);
  expect(await records()).toMatchObject({ open: 1, due: 1, payloads: 18 });
  // The first 96 fill the first 16 chunks.
  await store.conclude(
    0,
    all.slice(0, 96).map((one) => outcomeOf(one, { kind: 'finished' })),
  );
  expect(await records()).toMatchObject({ open: 1, due: 1, payloads: 2 });
  await store.conclude(
    0,
    all.slice(96).map((one) => outcomeOf(one, { kind: 'finished' })),
  );
  expect(await records()).toEqual(Object.fromEntries(held.map((name) => [name, 0])));
});

test('what differs in when it is due or in what is known of it stands apart', async () => {
  const state = { attempts: 1, liveFrom: 1 };
  const dispositions: Disposition[] = [
    { kind: 'deferred', dueInMs: 5, state },
    { kind: 'deferred', dueInMs: 5, state: { ...state } },
    { kind: 'deferred', dueInMs: 6, state },
    { kind: 'deferred', dueInMs: 6, state: { ...state, lastError: 'reset' } },
    { kind: 'leased', leaseMs: 6, token: 't', state },
  ];
  await settle([10, 20, 30, 40, 50], (index) => [[subA, dispositions[index]!]]);
  expect(await records()).toMatchObject({ open: 4, due: 4, payloads: 2 });
  await clock.advance(10);
  const all = await receive(10);
  expect(all.map(({ frame, leaseExpired }) => [frame.length, leaseExpired])).toEqual([
    [10, false],
    [20, false],
    [30, false],
    [40, false],
    [50, true],
  ]);
  expect(all.map(({ state: { lastError } }) => lastError)).toEqual([...Array(3), 'reset', undefined]);
});

test('nothing is left of a batch that was taken apart in every way, and frames stay what they were', async () => {
  const random = seededRandom(3);
  for (let round = 0; round < 5; round++) {
    const sizes = Array.from({ length: 128 }, () => [30, 600, 1_900, 9_000][Math.floor(random() * 4)]!);
    sizes.splice(40, 88, ...sizes.slice(40).map((size) => Math.min(size, 600)));
    const dead: Disposition = { kind: 'deadLettered', reason: 'Rejected', state: deferred.state };
    const entry = await settle(sizes, (index) => [
      [subA, index % 7 === 3 ? dead : deferred],
      ...(index % 3 === 0 ? [[subB, deferred] as const] : []),
    ]);
    for (let step = 0; step < 400; step++) {
      for (const subscription of [subA, subB]) {
        const some = await receive(1 + Math.floor(random() * 40), subscription);
        for (const { place, frame } of some) {
          expect(place.entry).toBe(entry.id);
          expect(frame.equals(entry.events[place.index]!.frame)).toBe(true);
        }
        const ended = some.flatMap((one) => {
          const chance = random();
          if (chance < 0.4) return [outcomeOf(one, { kind: 'finished' })];
          if (chance < 0.5) return [outcomeOf(one, dead)];
          if (chance < 0.7) return [outcomeOf(one, deferred)];
          return [];
        });
        if (random() < 0.5) ended.reverse();
        expect((await store.conclude(0, ended)).applied).not.toContain(false);
        const { deadLetters } = await store.deadLetters(0, subscription, undefined, 5);
        for (const { place, frame } of deadLetters) {
          expect(frame.equals(entry.events[place.index]!.frame)).toBe(true);
        }
        const chance = random();
        if (chance < 0.3) await store.redrive(0, subscription, { max: 3 });
        else if (chance < 0.5) await store.letGo(0, subscription, deadLetters);
      }
      await clock.advance(700);
      if ((await store.usage(0)).subscriptions.every(({ deferred: open }) => open === 0)) break;
    }
    for (const subscription of [subA, subB]) while (await store.purge(0, subscription, 10));
    expect(await records()).toEqual(Object.fromEntries(held.map((name) => [name, 0])));
  }
});
