/**
 * Redis for the tests of the whole product: private servers, since they are killed and frozen, ended with the test
 * file. A server that somebody else runs (`REDIS_URL`) is not for this.
 */
import { describe, test } from '@jest/globals';
import {
  canSpawnRedis,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from '@gridpost/store-redis/testing';
import { atEnd } from './teardown.js';

/**
 * Appends to its file before it answers: what the durability class `process` asks for. With `everysec` a disk that stalls
 * has Redis postpone that, and lose what it replied to when it is killed.
 */
const options = { appendFsync: 'no' } as const;

export async function startOwnRedis(): Promise<RedisServer> {
  const server = await startRedis(options);
  atEnd(() => server.stop());
  return server;
}

export async function startOwnCluster(): Promise<RedisCluster> {
  const cluster = await startRedisCluster(3, options);
  atEnd(() => cluster.stop());
  return cluster;
}

/** Describes what needs a Redis: skipped loudly where none can be started, failing where that must not be. */
export function describeWithRedis(title: string, body: () => void): void {
  if (canSpawnRedis()) {
    describe(title, body);
    return;
  }
  const reason = 'redis-server is not on the PATH';
  if (process.env.GRIDPOST_REQUIRE_REDIS === '1') {
    test(title, () => {
      throw new Error(`GRIDPOST_REQUIRE_REDIS is 1, but ${reason}`);
    });
    return;
  }
  process.stderr.write(`skipped: ${title}: ${reason}\n`);
  describe.skip(`${title} (skipped: ${reason})`, body);
}
