/** A private Redis Cluster, put together by commands. For tests. */
import { freePort } from '@gridpost/model/testing';
import { Redis } from 'ioredis';
import { until } from './patience.js';
import { type RedisServer, type RedisServerOptions, startRedis } from './server.js';

export interface RedisCluster {
  /** `redis-cluster://` with all nodes. */
  readonly url: string;
  /** The primaries, then the replicas: those of the first primary, of the second, and so on. */
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

const slots = 16_384;
const joinMs = 60_000;

export interface RedisClusterOptions extends RedisServerOptions {
  /** Of each primary. Default 0. */
  readonly replicas?: number;
}

export async function startRedisCluster(
  primaries = 3,
  { replicas = 0, ...options }: RedisClusterOptions = {},
): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let index = 0; index < primaries * (1 + replicas); index++) {
      const settings = {
        'cluster-enabled': 'yes',
        // Where nobody is to take over, longer than a machine may stall: a node that was not run for so long serves nothing
        // until it has found the others again, and what nodes tell each other of hints is lost.
        'cluster-node-timeout': replicas > 0 ? '2000' : '10000',
        'repl-diskless-sync-delay': '0',
        'cluster-port': String(await freePort()),
        ...options.settings,
      };
      nodes.push(await startRedis({ ...options, settings }));
    }
    await join(nodes, primaries);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis-cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    nodes,
    stop,
  };
}

/** Shares the slots out, introduces the nodes to each other, and waits until each knows that all is well. */
async function join(nodes: readonly RedisServer[], primaries: number): Promise<void> {
  const connections = nodes.map(({ host, port }) => new Redis({ host, port }));
  const patience = AbortSignal.timeout(joinMs);
  const call = (index: number, ...words: string[]) => connections[index]!.call('cluster', ...words);
  const everywhere = async (...signs: readonly string[]) => {
    for (const index of nodes.keys()) {
      for (;;) {
        const info = String(await call(index, 'info'));
        if (signs.every((sign) => info.includes(sign))) break;
        if (patience.aborted) throw new Error(`the nodes did not become a cluster:\n${info}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  try {
    const share = Math.ceil(slots / primaries);
    for (const [index, { host, port }] of nodes.entries()) {
      await call(index, 'set-config-epoch', String(index + 1));
      if (index < primaries) {
        const last = Math.min(slots, (index + 1) * share) - 1;
        await call(index, 'addslotsrange', String(index * share), String(last));
      }
      const [, busPort] = (await connections[index]!.config('GET', 'cluster-port')) as string[];
      if (index > 0) await call(0, 'meet', host, String(port), busPort!);
    }
    await everywhere(`cluster_known_nodes:${nodes.length}`);
    const replicasEach = nodes.length / primaries - 1;
    for (let index = primaries; index < nodes.length; index++) {
      const primary = Math.floor((index - primaries) / replicasEach);
      // A node that is being introduced is counted before it is known by its id.
      const id = String(await call(primary, 'myid'));
      await until(async () => String(await call(index, 'replicate', id)) === 'OK');
      await linkUp(connections[index]!, patience);
    }
    // Nodes that serve without full coverage are ok before they know who has the other slots.
    await everywhere('cluster_state:ok', `cluster_slots_assigned:${slots}`);
  } finally {
    for (const connection of connections) connection.disconnect();
  }
}

/** A replica that has not been synchronised yet cannot take over. */
async function linkUp(replica: Redis, patience: AbortSignal): Promise<void> {
  while (!/master_link_status:up/.test(await replica.info('replication'))) {
    if (patience.aborted) throw new Error('a replica was not synchronised');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
