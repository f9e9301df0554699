/** The suite of the store port on one server, as a user with no more rights than documented, and on a cluster. */

import type { StoreLimits } from '@gridpost/store';
import { describeStore, type OpenedStore } from '@gridpost/store/suite';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { Redis } from 'ioredis';
import { openRedisStore } from './index.js';
import {
  audit,
  canSpawnRedis,
  type RedisCluster,
  type RedisServer,
  redisAvailability,
  startRedis,
  startRedisCluster,
  wipe,
} from './testing/index.js';

const availability = redisAvailability();
let stores = 0;

/** A store of its own on a server that tests share: told apart by the prefix of its keys. */
async function open(
  url: string,
  admin: string,
  partitions: number,
  limits: StoreLimits,
): Promise<OpenedStore> {
  const prefix = `gptest.${process.pid}.${++stores}`;
  // Deadlines are the business of `faults.test.ts`; here a busy machine must not meet them.
  const commandTimeoutMs = 60_000;
  const again = () =>
    openRedisStore({ url, durability: 'memory', limits, partitions, prefix, commandTimeoutMs });
  let store = await again();
  return {
    store,
    async reopen() {
      await store.close();
      await audit(admin, prefix);
      store = await again();
      return store;
    },
    share: again,
    async close() {
      await store.close();
      try {
        await audit(admin, prefix);
      } finally {
        await wipe(admin, prefix);
      }
    },
  };
}

(availability.kind === 'none' ? describe.skip : describe)('on one server', () => {
  let server: RedisServer | undefined;
  let url = '';
  let admin = '';

  beforeAll(async () => {
    if (availability.kind === 'given') {
      url = availability.url;
      admin = url;
      return;
    }
    server = await startRedis();
    admin = server.url;
    const redis = new Redis(admin);
    const rules = '~{gptest.* &gptest.* +@all -@dangerous +info';
    await redis.call('acl', 'setuser', 'router', 'on', '>a+secret/é', 'resetchannels', ...rules.split(' '));
    redis.disconnect();
    url = admin.replace('://', `://router:${encodeURIComponent('a+secret/é')}@`);
  });

  afterAll(async () => {
    await server?.stop();
  });

  describeStore('redis', (limits) => open(url, admin, 8, limits));
});

(canSpawnRedis() ? describe : describe.skip)('on a cluster', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startRedisCluster(3);
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  // What is random here is the same as on one server; only where it lies differs.
  const random = { histories: 3 };
  describeStore('redis-cluster', (limits) => open(cluster.url, cluster.url, 6, limits), { random });
});
