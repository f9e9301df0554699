/** Opening: what is refused and in what words, what is recorded, and what happens when the server becomes less than it was. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '@gridpost/model/testing';
import type { Store } from '@gridpost/store';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisStore, type RedisStoreOptions } from './index.js';
import {
  type RedisServer,
  type RedisServerOptions,
  redisAvailability,
  startProxy,
  startRedis,
  startSentinel,
  timed,
  until,
} from './testing/index.js';

const hour = 3_600_000;
const limits = { bytesMax: 256 * 2 ** 20, subscriptionShare: 0.5 };
/** However long the disk takes. */
const patient = { commandTimeoutMs: 20_000 };
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

async function refusal(url: string, options: Partial<RedisStoreOptions> = {}): Promise<string> {
  const error = await open(url, options).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error!.message;
}

function operator(server: RedisServer): Redis {
  const redis = new Redis(server.url, { disconnectTimeout: 100 });
  redis.on('error', () => {});
  started.push(async () => redis.disconnect());
  return redis;
}

const publish = (store: Store, content: string) =>
  store.append(0, [{ topic: 'topic00000000000', frame: Buffer.from(content) }]);

(redisAvailability().kind === 'spawned' ? describe : describe.skip)('opening a store on Redis', () => {
  test('says where nobody answers, and soon', async () => {
    const port = await freePort();
    const { ms } = await timed(refusal(`redis://127.0.0.1:${port}`));
    expect(ms).toBeLessThan(2_500);
    expect(await refusal(`redis://127.0.0.1:${port}`)).toMatch(new RegExp(`127.0.0.1:${port}.*ECONNREFUSED`));
    expect(await refusal(`redis-cluster://127.0.0.1:${port}`)).toContain(`127.0.0.1:${port}`);
    expect(await refusal(`redis-sentinel://127.0.0.1:${port}/name`)).toMatch(/sentinels are unreachable/i);
  });

  test('gives up a server that accepts and does not answer', async () => {
    const server = await serve();
    await server.kill('SIGSTOP');
    const { ms } = await timed(refusal(server.url, { commandTimeoutMs: 1_000 }));
    expect(ms).toBeLessThan(3_000);
    await server.kill('SIGCONT');
  });

  test('never repeats a password', async () => {
    const server = await serve({ settings: { requirepass: 'right-secret' } });
    const authority = server.url.slice('redis://'.length);
    for (const credentials of [':wrong-secret@', 'user:wrong-secret@', '']) {
      const message = await refusal(`redis://${credentials}${authority}`);
      expect(message).toMatch(/WRONGPASS|NOAUTH/);
      expect(message).not.toContain('secret');
    }
    const store = await open(`redis://:right-secret@${authority}`);
    expect(store.info).toEqual({ kind: 'redis', place: server.url, partitions: 8, durability: 'memory' });
    await publish(store, 'let in');
    await operator(server);
    const redis = new Redis(server.port, { password: 'right-secret' });
    await redis.config('SET', 'requirepass', 'changed-secret');
    await redis.call('client', 'kill', 'type', 'normal', 'skipme', 'no').catch(() => {});
    redis.disconnect();
    const error = await until(() =>
      publish(store, 'kept out').then(
        () => undefined,
        (reason: Error) => reason,
      ),
    );
    for (const text of [error.message, JSON.stringify(error), (await store.health()).reason]) {
      expect(text).not.toContain('secret');
    }
  });

  test('refuses a server whose durability is less than asked for, and says what to set', async () => {
    const server = await serve();
    const redis = operator(server);
    expect(await refusal(server.url, { durability: 'process' })).toContain('appendonly yes');
    await redis.config('SET', 'appendonly', 'yes');
    await open(server.url, { durability: 'process' });
    expect(await refusal(server.url, { durability: 'disk' })).toContain('appendfsync always');
    await redis.config('SET', 'appendfsync', 'always');
    await open(server.url, { durability: 'disk', ...patient });
    expect(await refusal(server.url, { durability: 'replicated' })).toContain('replica');
    await redis.config('SET', 'no-appendfsync-on-rewrite', 'yes');
    expect(await refusal(server.url, { durability: 'disk' })).toContain('no-appendfsync-on-rewrite no');
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await refusal(server.url)).toContain('noeviction');
  });

  test('checks durability without CONFIG as far as it shows, and refuses where it does not', async () => {
    const server = await serve({ appendFsync: 'always' });
    const redis = operator(server);
    const rules = ['on', '>pw', '~{gp:*', '&gp:*', '+@all', '-@dangerous', '+info'];
    await redis.call('acl', 'setuser', 'router', ...rules);
    const url = server.url.replace('://', '://router:pw@');
    await open(url, { durability: 'process', ...patient });
    expect(await refusal(url, { durability: 'disk' })).toContain('+config|get');
    await redis.call('acl', 'setuser', 'router', '+config|get');
    await open(url, { durability: 'disk', ...patient });
    await redis.call('acl', 'setuser', 'router', '-info');
    const said = jest.spyOn(console, 'warn').mockImplementation(() => {});
    expect(await refusal(url)).toMatch(/NOPERM.*info/i);
    said.mockRestore();
  });

  test('refuses a replica, a node of a cluster, and a cluster that is none', async () => {
    const server = await serve();
    expect(await refusal(server.url.replace('redis:', 'redis-cluster:'))).toMatch(/cluster/i);
    const replica = await serve({ settings: { replicaof: `${server.host} ${server.port}` } });
    expect(await refusal(replica.url)).toContain('replica');
    // The port that it chooses by itself may be anybody's.
    const bus = { 'cluster-port': String(await freePort()) };
    const node = await serve({ settings: { 'cluster-enabled': 'yes', ...bus } });
    expect(await refusal(node.url)).toContain('redis-cluster://');
  });

  test('records partitions and format once', async () => {
    const server = await serve();
    const first = await open(server.url, { partitions: 3 });
    expect(first.info.partitions).toBe(3);
    expect((await open(server.url, { partitions: 5 })).info.partitions).toBe(3);
    expect((await open(server.url, { partitions: 5, prefix: 'other' })).info.partitions).toBe(5);
    for (const partitions of [0, 1.5, 5_000]) {
      expect(await refusal(server.url, { partitions })).toContain('partitions');
    }
    expect(await refusal(server.url, { commandTimeoutMs: 100 })).toContain('timeout of 100 ms');
    for (const other of [1, 3]) {
      await operator(server).hset('{gp:config}', 'format', other);
      expect(await refusal(server.url)).toContain(`format ${other}, this version of Gridpost reads format 2`);
    }
  });

  test('keeps stores of different prefixes apart, and all names out of keys', async () => {
    const server = await serve();
    const store = await open(server.url, { prefix: 'a' });
    const other = await open(server.url, { prefix: 'b' });
    await publish(store, 'for a');
    expect((await other.usage(0)).logEntries).toBe(0);
    for (const prefix of ['', 'a:b', '{a}', 'a b', 'x'.repeat(65)]) {
      expect(await refusal(server.url, { prefix })).toContain('prefix');
    }
    const claim = await store.claim(0, '{w}:\0*', hour, 1);
    expect(claim).toBeDefined();
    const hostile = ['a}:b', '{p1}', 'x:y', 'nul\0', 'cr\r\n', '*', '', 'ü', 'x'.repeat(33), '__proto__'];
    const state = { attempts: 0, liveFrom: 1 };
    const unboundedAsk = {
      max: Number.POSITIVE_INFINITY,
      room: Number.POSITIVE_INFINITY,
      rooms: new Map(hostile.map((name) => [name, Number.POSITIVE_INFINITY])),
      parked: new Map<string, number>(),
      leaseMs: hour,
      token: 'w1-',
    };
    expect((await store.due(0, claim!.epoch, unboundedAsk)).deliveries).toEqual([]);
    for (const name of hostile) {
      const calls = [
        () => store.hasten(0, name),
        () => store.deadLetters(0, name, undefined, 1),
        () => store.redrive(0, name, { max: 1 }),
        () => store.purge(0, name, 1),
        () => store.due(0, claim!.epoch, { ...unboundedAsk, parked: new Map([[name, hour]]) }),
        () => store.history(0, name, undefined, 1),
        () => store.trimHistory(0, name, { ageMs: 0 }, 1),
        () => store.append(0, [{ topic: name, frame: Buffer.from('x') }], { retained: new Set([name]) }),
        () =>
          store.settle(0, claim!.epoch, {
            entries: [],
            outcomes: [
              {
                entry: '1-1',
                index: 0,
                subscription: name,
                token: 't',
                disposition: { kind: 'deferred', dueInMs: 0, state },
              },
            ],
          }),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(RangeError);
    }
    await store.resources.put('topics/{gp:p0}', '{gp:p1}');
    await store.announce('{w}', 60_000);
    const keys = (await operator(server).keys('*')).sort();
    expect(keys.filter((key) => !/^\{[ab]:(p\d|config)\}(:[a-z]+)?$/.test(key))).toEqual([]);
  });

  test('notices a server that came back weaker, and one that was mended', async () => {
    const server = await serve({ appendFsync: 'always' });
    const store = await open(server.url, { durability: 'disk', ...patient });
    await publish(store, 'before');
    await server.restart({ appendFsync: 'everysec' });
    const codes = new Set<string | undefined>();
    const reason = await until(async () => {
      codes.add((await timed(publish(store, 'weak'))).code);
      const health = await store.health();
      return /appendfsync/.test(health.reason ?? '') && health.reason;
    });
    expect(reason).toContain('set appendfsync always');
    expect(codes).not.toContain(undefined);
    expect((await timed(publish(store, 'weak'))).code).toBe('StoreUnavailable');
    await operator(server).config('SET', 'appendfsync', 'always');
    await until(() => publish(store, 'mended'));
    await until(async () => (await store.health()).ok);
  });

  test('with TLS verifies the server', async () => {
    const dir = (await serve()).dir;
    const file = (name: string) => join(dir, name);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
    for (const name of ['right', 'wrong']) {
      const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
      const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)];
      openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files);
    }
    const port = String(await freePort());
    const server = await serve({
      settings: {
        'tls-port': port,
        'tls-cert-file': file('right.pem'),
        'tls-key-file': file('right.key'),
        'tls-auth-clients': 'no',
      },
    });
    const url = `rediss://${server.host}:${port}`;
    expect(await refusal(url)).toMatch(/self.signed certificate/i);
    expect(await refusal(`${url}?ca=${file('wrong.pem')}`)).toMatch(/certificate/i);
    const store = await open(`${url}?ca=${file('right.pem')}`);
    expect(store.info.place).toBe(url);
    await publish(store, 'over TLS');
  });
});

(redisAvailability().kind === 'spawned' ? describe : describe.skip)('durability beyond one server', () => {
  /** A primary waits 5 s for further replicas by default. */
  const syncsAtOnce = { 'repl-diskless-sync-delay': '0' };

  async function primaryAndReplica() {
    const server = await serve({ appendFsync: 'always', settings: syncsAtOnce });
    const proxy = await startProxy(server);
    started.push(() => proxy.close());
    const replica = await serve({ settings: { replicaof: `127.0.0.1 ${proxy.port}` } });
    const redis = operator(server);
    await until(async () => /state=online/.test(await redis.info('replication')));
    return { server, proxy, replica, redis };
  }

  test('disk, on a server that is asked whether its disk has it: answers when it says so', async () => {
    const server = await serve({ appendFsync: 'everysec' });
    const proxy = await startProxy(server);
    started.push(() => proxy.close());
    const url = `redis://127.0.0.1:${proxy.port}`;
    expect(await refusal(url, { durability: 'disk' })).toContain('appendfsync always');
    // As a Redis that knows WAITAOF answers: that it has the command, and how many disks have the write.
    const asked = ['waitaof', '1', '0', '1000'];
    proxy.replace(['command', 'info', 'waitaof'], ['command', 'info', 'wait']);
    proxy.replace(asked, ['eval', 'return {1, 0}', '0']);
    const store = await open(url, { durability: 'disk' });
    // So that the script is known: all of them with its text are too much for the proxy to see in one piece.
    await publish(store, 'first');
    await Promise.all(Array.from({ length: 50 }, (_, index) => publish(store, `${index}`)));
    proxy.replace(asked, ['eval', 'return {0, 0}', '0']);
    expect((await timed(publish(store, 'not on disk'))).code).toBe('OutcomeUnknown');
    proxy.replace(asked, ['waitaof', 'no', 'such', 'command']);
    expect((await timed(publish(store, 'refused'))).code).toBe('OutcomeUnknown');
    expect((await store.usage(0)).logEntries).toBe(53);
  });

  test('with Sentinel: goes on with the replica when the primary is gone', async () => {
    const server = await serve({ appendFsync: 'no', settings: syncsAtOnce });
    const replica = await serve({
      appendFsync: 'no',
      settings: { replicaof: `${server.host} ${server.port}` },
    });
    await until(async () => /state=online/.test(await operator(server).info('replication')));
    const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(server)));
    started.push(() => Promise.all(sentinels.map((sentinel) => sentinel.stop())));
    const hosts = sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
    const url = `redis-sentinel://${hosts}/main`;
    // Whichever of them is to fail over has to know of the others and of the replica.
    for (const watching of sentinels.map(operator))
      await until(async () => /slaves=1,sentinels=3/.test(await watching.info('sentinel')));
    const store = await open(url, { durability: 'process' });
    expect(store.info).toMatchObject({ kind: 'redis-sentinel', place: url });
    await publish(store, 'before');
    // The class promises nothing of what a replica has not got yet.
    await until(async () => (await operator(replica).xlen('{gp:p0}:log')) === 1);
    await server.kill();
    // When the sentinels agree is their business: where they split their votes, or were held up, they try again.
    for (const sentinel of sentinels.map(operator))
      await until(async () => {
        const [, port] = (await sentinel.call('sentinel', 'get-master-addr-by-name', 'main')) as string[];
        return Number(port) === replica.port;
      }, 100_000);
    await until(() => publish(store, 'after'));
    // Each sentinel tells the store of the failover, which connects anew: what is under way then is tried again.
    const { epoch } = await until(() => store.claim(0, 'w1', hour, 10));
    const all = { entriesMax: 1_000, bytesMax: 1e6 };
    const { entries } = await until(() => store.read(0, epoch, undefined, all));
    const contents = entries.flatMap(({ events }) => events.map(({ frame }) => String(frame)));
    expect([...new Set(contents)]).toEqual(['before', 'after']);
  }, 500_000);

  test('replicated: answers when the replica has it, and knows nothing when it has not', async () => {
    const { server, proxy, replica, redis } = await primaryAndReplica();
    // Half of it is for the replica; the rest, longer than by default, for a disk that stalls.
    const commandTimeoutMs = 6_000;
    const store = await open(server.url, { durability: 'replicated', commandTimeoutMs });
    const copy = operator(replica);
    await Promise.all(Array.from({ length: 50 }, (_, index) => publish(store, `${index}`)));
    expect(await copy.xlen('{gp:p0}:log')).toBe(50);
    proxy.freeze();
    const publishing = timed(publish(store, 'not replicated'));
    // Nobody else waits for the replica.
    const first = await Promise.race([store.usage(0).then(() => 'usage'), publishing.then(() => 'append')]);
    expect(first).toBe('usage');
    const { code, ms } = await publishing;
    expect(code).toBe('OutcomeUnknown');
    expect(ms).toBeLessThan(commandTimeoutMs);
    proxy.cut();
    await until(async () => /connected_slaves:0/.test(await redis.info('replication')));
    await until(async () => /replica/.test((await store.health()).reason ?? ''));
    expect((await timed(publish(store, 'alone'))).code).toBe('StoreUnavailable');
    proxy.thaw();
    await until(() => publish(store, 'again'));
    // More than one if the replica needed longer than the first try.
    const log = (await copy.xrange('{gp:p0}:log', '-', '+')).slice(50).map(([, [, packed]]) => packed!);
    expect(log[0]).toMatch(/not replicated$/);
    expect([...new Set(log.slice(1).map((packed) => packed.slice(-'again'.length)))]).toEqual(['again']);
  });
});
