/** A private redis-server for one run: append-only file, fsync every second, as most people run it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@gridpost/model/testing';
import { startProcess } from './processes.js';

export interface PrivateRedis {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Keeps its files in a new directory below `directory`, which stays for the caller to remove. */
export async function startRedis(directory: string): Promise<PrivateRedis> {
  const port = await freePort();
  const data = join(directory, `redis-${port}`);
  mkdirSync(data);
  const { pid, stop } = await startProcess({
    name: 'redis-server',
    command: 'redis-server',
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', data],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
    ],
    directory: data,
    ready: /Ready to accept connections/,
  });
  return { port, pid, stop };
}
