/** What deliveries that are alike cost: one record, one place in the queue, and no more bytes than are asked for. */
import type { DeliveryState, LeasedDelivery, LogEntry, Store } from '@gridpost/store';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisStore } from './index.js';
import { audit, canSpawnRedis, type RedisServer, startRedis } from './testing/index.js';

const subscription = 'subscription1';
const hour = 3_600_000;
const count = 100;
const limits = { bytesMax: 2 ** 28, subscriptionShare: 0.5 };

(canSpawnRedis() ? describe : describe.skip)('deliveries of one entry', () => {
  let server: RedisServer;
  let redis: Redis;
  let stores = 0;

  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  });

  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  /** Runs with a store in which an entry of `count` events of so many bytes has been deferred, due now. */
  async function withDeferred(
    bytes: number,
    stateOf: (index: number) => DeliveryState,
    run: (store: Store, entry: LogEntry, epoch: number, base: string) => Promise<void>,
  ): Promise<void> {
    const prefix = `runs${++stores}`;
    const store = await openRedisStore({
      ...{ url: server.url, durability: 'memory', limits, partitions: 1, prefix },
      commandTimeoutMs: 20_000,
    });
    try {
      const events = Array.from({ length: count }, (_, index) => ({
        topic: 'topic1',
        frame: Buffer.alloc(bytes, index),
      }));
      await store.append(0, events);
      const { epoch } = (await store.claim(0, 'w1', hour, 0))!;
      const [entry] = (await store.read(0, epoch, undefined, { entriesMax: 1, bytesMax: 1 })).entries;
      const deferrals = events.map((_, index) => ({
        ...{ index, subscription },
        disposition: { kind: 'deferred' as const, dueInMs: 0, state: stateOf(index) },
      }));
      const settled = { ...entry!, deferrals, events: new Map(entry!.events.entries()) };
      await store.settle(0, epoch, { entries: [settled], outcomes: [] });
      await run(store, entry!, epoch, `{${prefix}:p0}`);
      await audit(server.url, prefix);
    } finally {
      await store.close();
    }
  }

  const receive = async (store: Store, max: number) =>
    (await store.receive(0, { subscription, max, leaseMs: hour, token: 'c' })).deliveries;
  const finish = async (store: Store, deliveries: readonly LeasedDelivery[]) =>
    (
      await store.conclude(
        0,
        deliveries.map(({ place, token }) => ({
          ...{ entry: place.entry, index: place.index, subscription, token },
          disposition: { kind: 'finished' },
        })),
      )
    ).applied;
  const alike = () => ({ attempts: 0, liveFrom: 1 });
  const indexesOf = (deliveries: readonly LeasedDelivery[]) => deliveries.map(({ place }) => place.index);

  test('that are alike are one record, deferred and received, until a part of it goes its own way', () =>
    withDeferred(1_000, alike, async (store, _, __, base) => {
      const runs = () => redis.zcard(`${base}:due:${subscription}`);
      expect(await runs()).toBe(1);
      const first = await receive(store, 30);
      expect(await runs()).toBe(2);
      const rest = await receive(store, 100);
      expect(await runs()).toBe(2);
      const all = [...first, ...rest];
      expect(indexesOf(all)).toEqual(Array.from({ length: count }, (_, index) => index));
      for (const { frame, place } of all) expect(frame.equals(Buffer.alloc(1_000, place.index))).toBe(true);
      expect(new Set(all.map(({ token }) => token)).size).toBe(2);
      expect(await finish(store, [...rest].reverse())).toEqual(Array(70).fill(true));
      expect(await runs()).toBe(1);
      expect(await finish(store, all)).toEqual([...Array(30).fill(true), ...Array(70).fill(false)]);
      expect(await redis.keys(`${base}:held:*`)).toEqual([]);
    }));

  test('let their payloads go with the last use of each chunk', () =>
    withDeferred(1_000, alike, async (store, { id }, _, base) => {
      const [key] = await redis.keys(`${base}:held:*`);
      const held = async () => {
        const fields = await redis.hgetallBuffer(key!);
        return Object.entries(fields).reduce(
          (sum, [name, { length }]) => sum + (name[0] === '@' ? length : 0),
          0,
        );
      };
      expect(await held()).toBeGreaterThan(count * 1_000);
      const deliveries = await receive(store, count);
      const kept = deliveries.filter(({ place }) => place.index % 25 === 3);
      await finish(
        store,
        deliveries.filter((delivery) => !kept.includes(delivery)),
      );
      expect(await held()).toBeLessThanOrEqual(kept.length * 4_096);
      expect(kept.map(({ place }) => place.entry)).toEqual(Array(4).fill(id));
      expect(await finish(store, kept)).toEqual(Array(4).fill(true));
    }));

  test('that are not alike are given with their own bytes only', () =>
    withDeferred(
      30,
      (attempts) => ({ attempts, liveFrom: 1 }),
      async (store, _, epoch, base) => {
        expect(await redis.zcard(`${base}:due:${subscription}`)).toBe(count);
        const sent = async () => Number(/total_net_output_bytes:(\d+)/.exec(await redis.info('stats'))![1]);
        const before = await sent();
        const { deliveries } = await store.due(0, epoch, {
          ...{
            max: count,
            room: count,
            rooms: new Map(),
            parked: new Map(),
            leaseMs: hour,
            token: 'w',
          },
        });
        // A chunk for each would be 400 KiB.
        expect((await sent()) - before).toBeLessThan(count * 400);
        expect(indexesOf(deliveries).sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        for (const { frame, place, state } of deliveries) {
          expect(frame.equals(Buffer.alloc(30, place.index))).toBe(true);
          expect(state.attempts).toBe(place.index);
        }
      },
    ));
});
