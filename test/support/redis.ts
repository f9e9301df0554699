/**
 * A Redis of the test's own, on a port and a directory that outlive its process, so that it can be killed and started
 * again as itself. Its append-only file is on with `everysec`, the configuration that the `process` class is about.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { exchange } from './http.js';
import { atEnd, temporaryDirectory } from './teardown.js';
import { until } from './waiting.js';

export interface SingleRedis {
  /** For `GRIDPOST_STORE`. */
  readonly url: string;
  readonly port: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on what the killed one left; resolves when it answers PING, its data loaded. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Safe to call twice, and while it is down or frozen. */
  stop(): Promise<void>;
}

export type RedisAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export function redisAvailability(): RedisAvailability {
  const { status } = spawnSync('redis-server', ['--version']);
  return status === 0 ? { ok: true } : { ok: false, reason: 'redis-server is not on the PATH' };
}

/** Starts a Redis on a free loopback port. */
export async function startSingleRedis(): Promise<SingleRedis> {
  const directory = temporaryDirectory();
  const port = await freePort();
  let child: ChildProcess;
  let exited: Promise<void> = Promise.resolve();

  const start = async (): Promise<void> => {
    const options = {
      port,
      bind: '127.0.0.1',
      dir: directory,
      appendonly: 'yes',
      appendfsync: 'everysec',
      save: '',
      loglevel: 'warning',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    child = spawn('redis-server', args, { stdio: 'ignore' });
    exited = new Promise((resolve) => child.once('close', () => resolve()));
    await until(`redis on port ${port} answers`, () => answers(port), { everyMs: 10 });
  };
  const kill = async (): Promise<void> => {
    // SIGKILL ends a stopped process as well.
    child.kill('SIGKILL');
    await exited;
  };
  atEnd(kill);
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    restart: start,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop: kill,
  };
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await exchange(`http://127.0.0.1:${port}`, 'PING\r\nQUIT\r\n', 1_000)).startsWith('+PONG');
  } catch {
    return false;
  }
}

/** A port that is free now. Another process may take it before it is used; that start then fails and says so. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
