/** Looking at what stores keep in a server, past the stores. */
import { Cluster, Redis } from 'ioredis';

/** Calls `visit` for each key of the stores whose prefix begins so, on a server or all primaries of a cluster. */
export async function eachKey(
  url: string,
  prefix: string,
  visit: (node: Redis, key: string) => Promise<unknown>,
): Promise<void> {
  const [host, port] = url
    .slice(url.lastIndexOf('@') + 1)
    .replace(/^.*:\/\//, '')
    .split(',')[0]!
    .split(':');
  const clustered = url.startsWith('redis-cluster:');
  const client = clustered ? new Cluster([{ host: host!, port: Number(port) }]) : new Redis(url);
  try {
    if (client instanceof Cluster) await new Promise((resolve) => client.once('ready', resolve));
    for (const node of client instanceof Cluster ? client.nodes('master') : [client]) {
      for (let cursor = '0'; ; ) {
        const [next, keys] = await node.scan(cursor, 'MATCH', `{${prefix}*`, 'COUNT', 1_000);
        for (const key of keys) await visit(node, key);
        cursor = next;
        if (cursor === '0') break;
      }
    }
  } finally {
    client.disconnect();
  }
}
