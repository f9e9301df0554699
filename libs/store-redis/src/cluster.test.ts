/** A store on a cluster that loses a node: the others' partitions go on, and the node's come back with it. */

import type { Store } from '@gridpost/store';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisStore, type RedisStoreOptions } from './index.js';
import {
  canSpawnRedis,
  type RedisCluster,
  type RedisServer,
  startRedisCluster,
  timed,
  until,
} from './testing/index.js';

const limits = { bytesMax: 256 * 2 ** 20, subscriptionShare: 0.5 };
const partitions = 12;
const numbers = Array.from({ length: partitions }, (_, partition) => partition);

(canSpawnRedis() ? describe : describe.skip)('a store on a cluster', () => {
  let cluster: RedisCluster;
  let stores = 0;
  const open: Store[] = [];

  beforeAll(async () => {
    // Without it a cluster serves nothing while any slot is without a node.
    const settings = { 'cluster-require-full-coverage': 'no' };
    // And with `everysec` a stalling disk has Redis postpone what it replied to, which then dies with it (DESIGN.md).
    cluster = await startRedisCluster(3, { appendFsync: 'no', settings });
  });

  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  async function setup(options: Partial<RedisStoreOptions> = {}) {
    const prefix = `test${++stores}`;
    const store = await openRedisStore({
      url: cluster.url,
      durability: 'process',
      limits,
      partitions,
      prefix,
      ...options,
    });
    open.push(store);
    return { store, prefix };
  }

  const publish = (store: Store, partition: number, content: string) =>
    store.append(partition, [{ topic: 'topic00000000000', frame: Buffer.from(content) }]);

  /** Partitions by the node that has them. */
  async function nodesOf(prefix: string): Promise<Map<RedisServer, number[]>> {
    const redis = new Redis(cluster.nodes[0]!.url, { disconnectTimeout: 100 });
    const slots = (await redis.call('cluster', 'slots')) as [number, number, [string, number]][];
    const found = new Map<RedisServer, number[]>(cluster.nodes.map((node) => [node, []]));
    for (const partition of numbers) {
      const slot = Number(await redis.call('cluster', 'keyslot', `{${prefix}:p${partition}}`));
      const [, , [, port]] = slots.find(([first, last]) => slot >= first && slot <= last)!;
      found.get(cluster.nodes.find((node) => node.port === port)!)!.push(partition);
    }
    redis.disconnect();
    return found;
  }

  /** A node that has partitions, these, and those of the others; not the node of the configuration. */
  async function victim(prefix: string) {
    const nodes = await nodesOf(prefix);
    const [node, own] = [...nodes].find(([, each]) => each.length > 0)!;
    return { node, own, others: numbers.filter((partition) => !own.includes(partition)) };
  }

  test('spreads partitions over the nodes, 32 by default', async () => {
    const { prefix } = await setup();
    const nodes = [...(await nodesOf(prefix)).values()];
    expect(nodes.flat()).toHaveLength(partitions);
    expect(nodes.filter((own) => own.length > 0).length).toBeGreaterThan(1);
    const store = await openRedisStore({
      url: cluster.url,
      durability: 'memory',
      limits,
      prefix: 'defaults',
    });
    open.push(store);
    expect(store.info).toMatchObject({ kind: 'redis-cluster', place: cluster.url, partitions: 32 });
  });

  test('wakes readers of every partition', async () => {
    const { store } = await setup();
    const woken = new Set<number>();
    store.onAppend((partition) => woken.add(partition));
    const epochs: number[] = [];
    for (const partition of numbers) epochs.push((await store.claim(partition, 'w1', 600_000, 1))!.epoch);
    // The nodes tell each other of hints, and one that finds another slow to answer tells it nothing for a moment.
    await until(async () => {
      for (const partition of numbers.filter((each) => !woken.has(each))) {
        const all = { entriesMax: 1_000, bytesMax: 1e6 };
        await store.read(partition, epochs[partition]!, undefined, all);
        await publish(store, partition, 'hint');
      }
      return woken.size === partitions;
    });
  });

  test('a killed node takes its partitions along, and brings back what they had acknowledged', async () => {
    const { store, prefix } = await setup({ commandTimeoutMs: 1_000 });
    const { node, own, others } = await victim(prefix);
    let tries = 0;
    // What one try left unknown may have been stored: each is told apart.
    const persist = (partition: number, content: string) =>
      until(() => publish(store, partition, `${content} ${++tries}`));
    for (const partition of numbers) await persist(partition, 'before');
    await node.kill();
    const ends = await Promise.all(own.map((partition) => timed(publish(store, partition, 'meanwhile'))));
    for (const { ms, code } of ends) {
      expect(code).toMatch(/^(StoreUnavailable|OutcomeUnknown)$/);
      expect(ms).toBeLessThan(2_000);
    }
    for (const partition of others) await persist(partition, 'meanwhile');
    const health = await timed(store.health());
    expect(health.ms).toBeLessThan(2_000);
    expect((await store.health()).ok).toBe(false);
    await node.restart();
    // The node itself waits for its word with the others before it accepts writes.
    for (const partition of own) await persist(partition, 'after');
    for (const partition of numbers) {
      const { epoch } = await until(() => store.claim(partition, 'w1', 600_000, 1));
      const all = { entriesMax: 10_000, bytesMax: 1e6 };
      const { entries } = await until(() => store.read(partition, epoch, undefined, all));
      const contents = entries.flatMap(({ events }) => events.map(({ frame }) => String(frame)));
      expect(new Set(contents).size).toBe(contents.length);
      expect(contents[0]).toMatch(/^before/);
      expect(contents.at(-1)).toMatch(own.includes(partition) ? /^after/ : /^meanwhile/);
    }
    await until(async () => (await store.health()).ok);
  });

  test('a frozen node holds nobody up for longer than a call may take, and the others not at all', async () => {
    const commandTimeoutMs = 3_000;
    const { store, prefix } = await setup({ commandTimeoutMs });
    const { node, own, others } = await victim(prefix);
    for (const partition of numbers) await publish(store, partition, 'before');
    await node.kill('SIGSTOP');
    try {
      const frozen = own.map((partition) => timed(publish(store, partition, 'frozen')));
      for (const partition of others) {
        const { ms, code } = await timed(publish(store, partition, 'meanwhile'));
        expect(code).toBeUndefined();
        expect(ms).toBeLessThan(commandTimeoutMs / 2);
      }
      for (const { ms, code } of await Promise.all(frozen)) {
        expect(code).toBe('OutcomeUnknown');
        expect(ms).toBeLessThan(commandTimeoutMs + 1_000);
      }
      const later = await Promise.all(own.map((partition) => timed(publish(store, partition, 'refused'))));
      for (const { ms, code } of later) {
        expect(code).toMatch(/^(StoreUnavailable|OutcomeUnknown)$/);
        expect(ms).toBeLessThan(commandTimeoutMs + 1_000);
      }
    } finally {
      await node.kill('SIGCONT');
    }
    for (const partition of own) await until(() => publish(store, partition, 'after'));
  });

  test('a node that forgets its scripts is told them again', async () => {
    const { store } = await setup();
    await publish(store, 0, 'before');
    for (const { url } of cluster.nodes) {
      const redis = new Redis(url, { disconnectTimeout: 100 });
      await redis.script('FLUSH');
      redis.disconnect();
    }
    await Promise.all(numbers.map((partition) => publish(store, partition, 'after')));
  });
});

(canSpawnRedis() ? describe : describe.skip)('a store on a cluster with replicas', () => {
  test('goes on with the replica of a primary that is gone', async () => {
    const cluster = await startRedisCluster(3, { appendFsync: 'no', replicas: 1 });
    const store = await openRedisStore({ url: cluster.url, durability: 'process', limits, partitions });
    try {
      const publish = (partition: number, content: string) =>
        store.append(partition, [{ topic: 'topic00000000000', frame: Buffer.from(content) }]);
      for (const partition of numbers) await publish(partition, 'before');
      const [primary] = cluster.nodes;
      // The class promises nothing of what a replica has not got yet.
      await until(() => hasReplicated(primary!));
      await primary!.kill();
      // When the nodes have found it gone and elected another is their business: where they were held up, they try again.
      await until(() => isPrimary(cluster.nodes[3]!), 100_000);
      for (const partition of numbers) await until(() => publish(partition, 'after'));
      for (const partition of numbers) expect((await store.usage(partition)).logEntries).toBeGreaterThan(1);
      await until(async () => (await store.health()).ok);
    } finally {
      await store.close();
      await cluster.stop();
    }
  }, 300_000);
});

const isPrimary = async (server: RedisServer): Promise<boolean> =>
  /role:master/.test(await replicationOf(server));

/** Whether the server's replica has confirmed all that was written to it. */
async function hasReplicated(server: RedisServer): Promise<boolean> {
  const told = await replicationOf(server);
  const [written] = /(?<=master_repl_offset:)\d+/.exec(told)!;
  return told.includes(`offset=${written},`);
}

async function replicationOf({ host, port }: RedisServer): Promise<string> {
  const connection = new Redis({ host, port });
  try {
    return await connection.info('replication');
  } finally {
    connection.disconnect();
  }
}
