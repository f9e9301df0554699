/**
 * A private redis-server in a directory of its own, to be killed, frozen and started again. Nothing of it is left after
 * `stop`. For tests.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@gridpost/model/testing';

export interface RedisServerOptions {
  /** `appendfsync` of the append-only file, or none. Default none. */
  readonly appendFsync?: 'always' | 'everysec' | 'no';
  /** Further settings, as in redis.conf: `{ maxmemory: '100mb' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Of the process that runs now. */
  readonly pid: number;
  readonly dir: string;
  /** Sends a signal; resolves when the process is gone, for those that end it. Default SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and directory, with other settings where given; resolves when it answers. */
  restart(options?: RedisServerOptions): Promise<void>;
  /** Ends the server and removes its directory. May be called twice, and in any state. */
  stop(): Promise<void>;
}

const host = '127.0.0.1';
/** Generous: a busy machine may take its time, and what does not start says so by itself. */
const startMs = 60_000;
/** Signals after which the process is still there. */
const survived = new Set<NodeJS.Signals>(['SIGSTOP', 'SIGCONT']);

/** Writes what the server needs into its directory, and returns its command line. */
export type CommandLine = (dir: string, port: number, options: RedisServerOptions) => Promise<string[]>;

export function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  return startServer(settingsLine, options);
}

export async function startServer(line: CommandLine, options: RedisServerOptions): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'gridpost-redis-'));
  const port = await freePort();
  let current = options;
  let child = await launch(await line(dir, port, current), port);
  return {
    url: `redis://${host}:${port}`,
    host,
    port,
    dir,
    get pid() {
      return child.pid!;
    },
    async kill(signal = 'SIGKILL') {
      if (survived.has(signal)) process.kill(child.pid!, signal);
      else await end(child, signal);
    },
    async restart(changed) {
      await end(child, 'SIGTERM');
      current = changed ?? current;
      child = await launch(await line(dir, port, current), port);
    },
    async stop() {
      await end(child, 'SIGKILL');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function launch(line: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn('redis-server', line, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      output = `${output}${chunk}`.slice(-4_000);
    });
  }
  let failed: string | undefined;
  child.once('error', (error) => {
    failed = error.message;
  });
  child.once('exit', (code, signal) => {
    failed ??= `it ended with ${code ?? signal}`;
  });
  const patience = AbortSignal.timeout(startMs);
  while (!(await answers(port))) {
    if (failed === undefined && !patience.aborted) continue;
    child.kill('SIGKILL');
    throw new Error(`redis-server did not start: ${failed ?? 'no answer'}\n${output}`);
  }
  return child;
}

const settingsLine: CommandLine = async (dir, port, { appendFsync, settings }) => {
  const all: Record<string, string> = {
    port: String(port),
    bind: host,
    dir,
    save: '',
    appendonly: appendFsync ? 'yes' : 'no',
    ...(appendFsync ? { appendfsync: appendFsync } : {}),
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...value.split(' ')]);
};

/** Whether a server on the port serves commands: it may also want a password first, but not be loading its data. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (answer: boolean) => {
      socket.destroy();
      // A short breath before the next attempt.
      setTimeout(resolve, answer ? 0 : 10, answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (reply) => end(/^(\+PONG|-NOAUTH)/.test(String(reply))));
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  // A frozen process takes no signal but these.
  if (signal !== 'SIGKILL') child.kill('SIGCONT');
  await gone;
}
