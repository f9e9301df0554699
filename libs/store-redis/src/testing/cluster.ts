/** A private Redis Cluster of primaries without replicas, put together by commands. For tests. */
import { Redis } from 'ioredis';
import { freePort, type RedisServer, type RedisServerOptions, startRedis } from './server.js';

export interface RedisCluster {
  /** `redis-cluster://` with all nodes. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

const slots = 16_384;
const meetMs = 20_000;

export async function startRedisCluster(
  primaries = 3,
  options: RedisServerOptions = {},
): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let index = 0; index < primaries; index++) {
      const settings = {
        'cluster-enabled': 'yes',
        'cluster-node-timeout': '2000',
        'cluster-port': String(await freePort()),
        ...options.settings,
      };
      nodes.push(await startRedis({ ...options, settings }));
    }
    await join(nodes);
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
async function join(nodes: readonly RedisServer[]): Promise<void> {
  const connections = nodes.map(({ host, port }) => new Redis({ host, port }));
  try {
    const share = Math.ceil(slots / nodes.length);
    for (const [index, connection] of connections.entries()) {
      const last = Math.min(slots, (index + 1) * share) - 1;
      await connection.call('cluster', 'set-config-epoch', String(index + 1));
      await connection.call('cluster', 'addslotsrange', String(index * share), String(last));
    }
    const busPorts = await Promise.all(
      connections.map(async (connection) =>
        String(((await connection.config('GET', 'cluster-port')) as string[])[1]),
      ),
    );
    for (const [index, { host, port }] of nodes.entries()) {
      if (index > 0) await connections[0]!.call('cluster', 'meet', host, String(port), busPorts[index]!);
    }
    const patience = AbortSignal.timeout(meetMs);
    for (const connection of connections) {
      for (;;) {
        const info = String(await connection.call('cluster', 'info'));
        if (/cluster_state:ok/.test(info) && info.includes(`cluster_known_nodes:${nodes.length}`)) break;
        if (patience.aborted) throw new Error(`the nodes did not become a cluster:\n${info}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  } finally {
    for (const connection of connections) connection.disconnect();
  }
}
