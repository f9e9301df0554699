/**
 * The product as it is deployed: one process on the embedded store, or gateways and delivery workers as processes of
 * their own on Redis and on Redis Cluster. What outlives the servers, a directory or a Redis, is the *ground*; a
 * deployment can be stopped and started again on it.
 */
import { describe } from '@jest/globals';
import type { RedisServer } from '@gridpost/store-redis/testing';
import { Api } from './api.js';
import { describeWithRedis, saveToDisk, startOwnCluster, startOwnRedis } from './redis.js';
import { type Exit, type ServerProcess, type Settings, startServer } from './server.js';
import { atEnd, temporaryDirectory } from './teardown.js';
import { until } from './waiting.js';

export interface Ground {
  readonly settings: Settings;
  /** One list of roles per process to start. */
  readonly processes: readonly Role[];
  /** Directories with everything that the store holds, and with what it has not overwritten yet. Nothing in them is compressed. */
  saved?(): Promise<readonly string[]>;
  /** Stops what is under the servers. Safe to call twice. */
  close(): Promise<void>;
}

export type Role = 'gateway' | 'delivery' | 'gateway,delivery';

export interface Deployment {
  readonly ground: Ground;
  readonly servers: readonly ServerProcess[];
  readonly gateways: readonly ServerProcess[];
  readonly workers: readonly ServerProcess[];
  /** Of the first gateway, and of each. */
  readonly api: Api;
  readonly apis: readonly Api[];
  /** A metric's value, summed over all processes. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** Resolves when a counter has reached `least`. */
  counted(name: string, least: number, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** Stops the servers gracefully, gateways first, and resolves with how each ended. */
  stopServers(): Promise<Exit[]>;
  /** Stops everything, the ground included. */
  stop(): Promise<void>;
  /** The same, waiting for nothing that is under way: for when nothing is looked at any more. */
  kill(): Promise<void>;
}

export interface Topology {
  readonly name: string;
  prepare(): Promise<Ground>;
  /** Starts on the given ground, or on a new one, with settings on top of the ground's. */
  start(ground?: Ground, settings?: Settings): Promise<Deployment>;
}

function topology(name: string, prepare: () => Promise<Ground>): Topology {
  return {
    name,
    prepare,
    start: async (ground, settings) => deploy(ground ?? (await prepare()), settings),
  };
}

export const embedded = topology('embedded', async () => {
  const directory = temporaryDirectory();
  return {
    settings: { GRIDPOST_STORE: `lmdb:${directory}` },
    processes: ['gateway,delivery'],
    saved: async () => [directory],
    close: async () => {},
  };
});

export const redis = topology('redis', async () => {
  const server = await startOwnRedis();
  return {
    settings: { GRIDPOST_STORE: server.url },
    processes: ['gateway', 'gateway', 'delivery', 'delivery'],
    saved: () => savedBy([server]),
    close: () => server.stop(),
  };
});

export const redisCluster = topology('redis-cluster', async () => {
  const cluster = await startOwnCluster();
  return {
    settings: { GRIDPOST_STORE: cluster.url },
    processes: ['gateway', 'delivery', 'delivery'],
    saved: () => savedBy(cluster.nodes),
    close: () => cluster.stop(),
  };
});

async function savedBy(servers: readonly RedisServer[]): Promise<string[]> {
  await Promise.all(servers.map(saveToDisk));
  return servers.map(({ dir }) => dir);
}

export async function deploy(ground: Ground, settings: Settings = {}): Promise<Deployment> {
  atEnd(() => ground.close());
  const servers = await Promise.all(
    ground.processes.map((roles) => startServer({ ...ground.settings, GRIDPOST_ROLES: roles, ...settings })),
  );
  const having = (role: string): ServerProcess[] =>
    servers.filter((_, i) => ground.processes[i]!.includes(role));
  const gateways = having('gateway');
  const apis = gateways.map(({ url }) => new Api(url));
  const metric: Deployment['metric'] = (name, labels) => metricOf(servers, name, labels);
  const stopServers = async (): Promise<Exit[]> => {
    const exits = await Promise.all(gateways.map((server) => server.stop()));
    const rest = servers.filter((server) => !gateways.includes(server));
    return [...exits, ...(await Promise.all(rest.map((server) => server.stop())))];
  };
  return {
    ground,
    servers,
    gateways,
    workers: having('delivery'),
    api: apis[0]!,
    apis,
    metric,
    async counted(name, least, labels) {
      await until(`${name} ${JSON.stringify(labels ?? {})} reaches ${least}`, async () => {
        return (await metric(name, labels)) >= least;
      });
    },
    stopServers,
    async stop() {
      await stopServers();
      await ground.close();
    },
    async kill() {
      for (const server of servers) server.kill();
      await Promise.all(servers.map(({ exited }) => exited));
      await ground.close();
    },
  };
}

/** A metric's value, summed over these processes. */
export async function metricOf(
  servers: readonly ServerProcess[],
  name: string,
  labels?: Readonly<Record<string, string>>,
): Promise<number> {
  const scrapes = await Promise.all(servers.map(({ url }) => new Api(url).metrics()));
  return scrapes.reduce((sum, scrape) => sum + scrape.value(name, labels), 0);
}

/** Whether these workers own all partitions, and none more than its even part. */
export async function areShared(workers: readonly ServerProcess[]): Promise<boolean> {
  const [all, ...owned] = await Promise.all([
    metricOf(workers.slice(0, 1), 'gridpost_partitions'),
    ...workers.map((worker) => metricOf([worker], 'gridpost_partitions_owned')),
  ]);
  const most = Math.ceil(all / workers.length);
  return owned.every((count) => count <= most) && owned.reduce((a, b) => a + b, 0) === all;
}

/** Describes the same behaviour on every topology; those that need a Redis are skipped, by name, where there is none. */
export function describeTopologies(title: string, body: (topology: Topology) => void): void {
  describeStores(title, body);
  describeWithRedis(`${title}, ${redisCluster.name}`, () => body(redisCluster));
}

/** The same on one topology of each store, for what no number of Redis servers makes a difference to. */
export function describeStores(title: string, body: (topology: Topology) => void): void {
  describe(`${title}, ${embedded.name}`, () => body(embedded));
  describeWithRedis(`${title}, ${redis.name}`, () => body(redis));
}
