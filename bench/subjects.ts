/** What is measured: a router that was just started, told to deliver to the driver's sink. The peers are here. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@gridpost/model/testing';
import { startProcess } from './processes.js';
import { startRedis } from './redis.js';

export interface Surroundings {
  /** Installed copy of the peers. */
  readonly peers: string;
  /** Directory for stores and logs, on the disk that is measured; removed by its owner. */
  readonly scratch: string;
  /** Loopback port of the driver's sink; it delivers to `/hook` there. */
  readonly sinkPort: number;
}

export interface Subject {
  /** URL to publish to. */
  readonly publish: string;
  /** Its own Node processes, by what they do. Their CPU time is the router's. */
  readonly router: Readonly<Record<string, number>>;
  /** The redis-server it uses, whose CPU time is told apart. */
  readonly storePid?: number;
  /** Kills all of its processes. */
  stop(): Promise<void>;
}

export type StartSubject = (surroundings: Surroundings) => Promise<Subject>;

/** The type of the driver's events. */
export const eventType = 'com.example.order.created';

export const sinkUrl = (port: number): string => `http://127.0.0.1:${port}/hook`;

/** The least a Node process can do: no store, no filter, no retry. The yardstick of every ratio. */
export const floor: StartSubject = async ({ peers, scratch, sinkPort }) => {
  const port = await freePort();
  const { pid, stop } = await startProcess({
    name: 'floor',
    command: process.execPath,
    args: [join(peers, 'floor.mjs')],
    environment: { PORT: String(port), TARGET: sinkUrl(sinkPort) },
    directory: mkdtempSync(join(scratch, 'floor-')),
    ready: /ready/,
  });
  return { publish: `http://127.0.0.1:${port}/events`, router: { router: pid }, stop };
};

/** Express, BullMQ and undici on a private Redis. */
export const bullmq: StartSubject = async ({ peers, scratch, sinkPort }) => {
  const directory = mkdtempSync(join(scratch, 'bullmq-'));
  const redis = await startRedis(directory);
  const port = await freePort();
  try {
    const { pid, stop } = await startProcess({
      name: 'bullmq-router',
      command: process.execPath,
      args: [join(peers, 'bullmq-router.mjs')],
      environment: {
        PORT: String(port),
        REDIS_PORT: String(redis.port),
        SUBS: JSON.stringify([{ type: eventType, url: sinkUrl(sinkPort) }]),
      },
      directory,
      ready: /ready/,
    });
    return {
      publish: `http://127.0.0.1:${port}/events`,
      router: { router: pid },
      storePid: redis.pid,
      stop: async () => {
        await stop();
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
};
