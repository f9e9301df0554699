/**
 * How long one durable write takes on the stores the routers use, measured bare, on the same disk and beside the
 * passes it is compared with. A latency target allows for these, since no router can be faster than its store.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { open } from 'lmdb';
import { startRedis } from './redis.js';
import { quantile } from './statistics.js';

const warmUpWrites = 100;
const measuredWrites = 1_000;
/** About one event as the driver makes them. */
const valueBytes = 600;

export interface CommitMs {
  readonly p50: number;
  readonly p99: number;
}

/** Puts into a fresh LMDB environment one after the other, each awaited until it is on disk. */
export async function measureLmdbCommit(scratch: string): Promise<CommitMs> {
  const database = open<Buffer, number>({
    path: mkdtempSync(join(scratch, 'commits-')),
    encoding: 'binary',
    // With overlapping the promise would resolve before the data is on disk.
    overlappingSync: false,
  });
  try {
    return await measureWrites((at, value) => database.put(at, value));
  } finally {
    await database.close();
  }
}

/** Appends to a list of a private redis-server one after the other, each awaited until it is answered. */
export async function measureRedisCommit(scratch: string): Promise<CommitMs> {
  const server = await startRedis(scratch);
  const client = new Redis(server.port, '127.0.0.1');
  try {
    return await measureWrites((_, value) => client.rpush('commits', value));
  } finally {
    client.disconnect();
    await server.stop();
  }
}

async function measureWrites(write: (at: number, value: Buffer) => Promise<unknown>): Promise<CommitMs> {
  const value = randomBytes(valueBytes);
  const tookMs: number[] = [];
  for (let at = 0; at < warmUpWrites + measuredWrites; at++) {
    const before = performance.now();
    await write(at, value);
    if (at >= warmUpWrites) tookMs.push(performance.now() - before);
  }
  return { p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
}
