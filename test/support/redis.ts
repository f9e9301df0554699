/**
 * Redis for the tests of the whole product: private servers, since they are killed and frozen, ended with the test
 * file. A server that somebody else runs (`REDIS_URL`) is not for this.
 */
import { connect } from 'node:net';
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

/** Has the server write all that it holds into its directory, as it is: values are not compressed. */
export async function saveToDisk({ host, port }: RedisServer): Promise<void> {
  const socket = connect(port, host);
  try {
    await new Promise<void>((resolve, reject) => {
      let answers = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        answers += chunk.toString();
        if (answers.includes('-')) reject(new Error(answers));
        else if (answers === '+OK\r\n+OK\r\n') resolve();
      });
      socket.write('CONFIG SET rdbcompression no\r\nSAVE\r\n');
    });
  } finally {
    socket.destroy();
  }
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
