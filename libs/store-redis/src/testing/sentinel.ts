/** A private sentinel that watches a server under the name `main`. For tests. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RedisServer, startServer } from './server.js';

/** Two sentinels that find the primary down for two seconds fail over: a busy machine holds one up for less. */
export function startSentinel(primary: {
  readonly host: string;
  readonly port: number;
}): Promise<RedisServer> {
  return startServer(async (dir, port) => {
    const file = join(dir, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${dir}`,
      `sentinel monitor main ${primary.host} ${primary.port} 2`,
      'sentinel down-after-milliseconds main 2000',
      'sentinel failover-timeout main 3000',
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    return [file, '--sentinel'];
  }, {});
}
