/** Duplicate detection where replies are lost, servers die, and confirmations have to be waited for. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { AppendResult, Store } from '@gridpost/store';
import { Redis } from 'ioredis';
import { openRedisStore, type RedisStoreOptions } from './index.js';
import {
  type RedisServer,
  type RedisServerOptions,
  redisAvailability,
  startProxy,
  startRedis,
  timed,
  until,
} from './testing/index.js';

const topic = 'topic00000000000';
const unique = new Map([[topic, { windowMs: 3_600_000, identitiesMax: 100_000 }]]);
const limits = { bytesMax: 256 * 2 ** 20, subscriptionShare: 0.5 };

const started: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of started.splice(0).reverse()) await end();
});

async function serve(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  started.push(() => server.stop());
  return server;
}

async function open(url: string, options: Partial<RedisStoreOptions> = {}): Promise<Store> {
  const store = await openRedisStore({ url, durability: 'memory', limits, ...options });
  started.push(() => store.close());
  return store;
}

/** An event whose identity is its content. */
const publish = (store: Store, content: string): Promise<AppendResult> =>
  store.append(0, [{ topic, frame: Buffer.from(content), identity: Buffer.from(content.padEnd(16)) }], {
    unique,
  });

async function contents(store: Store): Promise<string[]> {
  const { epoch } = (await store.claim(0, 'w1', 3_600_000, 100))!;
  const { entries } = await store.read(0, epoch, undefined, { entriesMax: 1_000_000, bytesMax: 2 ** 30 });
  return entries.flatMap(({ events }) => events.map(({ frame }) => String(frame)));
}

(redisAvailability().kind === 'spawned' ? describe : describe.skip)(
  'an event that is published again',
  () => {
    test('after its reply was lost is a duplicate, and stored once', async () => {
      const server = await serve();
      const proxy = await startProxy(server);
      started.push(() => proxy.close());
      const store = await open(`redis://127.0.0.1:${proxy.port}`);
      await publish(store, 'before');
      proxy.loseReplyTo('eaten');
      expect((await timed(publish(store, 'eaten'))).code).toBe('OutcomeUnknown');
      const again = await until(() => publish(store, 'eaten'));
      expect(again).toMatchObject({ duplicates: [0] });
      expect(await contents(store)).toEqual(['before', 'eaten']);
    });

    test('through another connection is answered no sooner than the first one is confirmed', async () => {
      const primary = await serve({ appendFsync: 'always', settings: { 'repl-diskless-sync-delay': '0' } });
      const replica = await serve({ settings: { replicaof: `${primary.host} ${primary.port}` } });
      // Half of it is for the replica; the rest, longer than by default, for a disk that stalls.
      const options = { durability: 'replicated', commandTimeoutMs: 6_000 } as const;
      const operator = new Redis(primary.url);
      started.push(async () => operator.disconnect());
      await until(async () => (await operator.info('replication')).includes('state=online'));
      const [first, second] = [await open(primary.url, options), await open(primary.url, options)];
      await publish(first, 'before');
      await publish(second, 'also before');
      await replica.kill('SIGSTOP');
      expect((await timed(publish(first, 'unconfirmed'))).code).toBe('OutcomeUnknown');
      expect((await timed(publish(second, 'unconfirmed'))).code).toBe('OutcomeUnknown');
      await replica.kill('SIGCONT');
      expect(await until(() => publish(second, 'unconfirmed'))).toMatchObject({ duplicates: [0] });
      expect(await contents(second)).toEqual(['before', 'also before', 'unconfirmed']);
    });

    test('until it is accepted, while its server is killed again and again, is stored once', async () => {
      // With `everysec` a disk that stalls would have Redis postpone its writes, and lose what it replied to (DESIGN.md).
      const server = await serve({ appendFsync: 'no' });
      const surviving = { durability: 'process' } as const;
      const stores = [await open(server.url, surviving), await open(server.url, surviving)];
      let accepted = 0;
      let running = true;
      const sent: string[] = [];
      const publishers = Array.from({ length: 8 }, async (_, publisher) => {
        for (let index = 0; running; index++) {
          const content = `${publisher}:${index}`;
          sent.push(content);
          await Promise.all(stores.map((store) => until(() => publish(store, content))));
          accepted++;
        }
      });
      for (let kill = 0; kill < 3; kill++) {
        const before = accepted;
        await until(async () => accepted > before + 100);
        await server.kill();
        await server.restart();
      }
      running = false;
      await Promise.all(publishers);
      expect((await contents(stores[0]!)).toSorted()).toEqual(sent.toSorted());
    });
  },
);
