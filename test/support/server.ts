/**
 * Runs the product as its users do: the compiled server as a process of its own, configured by its environment alone.
 * Whatever happens to a test, no process outlives its file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '@gridpost/model/testing';
import { atEnd, temporaryDirectory } from './teardown.js';
import { within } from './waiting.js';

const main = join(import.meta.dirname, '..', '..', 'services', 'server', 'dist', 'main.js');
/** Lines of output that are kept, from the end. */
const linesMax = 5_000;

/** Environment variables, `GRIDPOST_STORE` and the like. Nothing is inherited but what Node needs to run. */
export type Settings = Readonly<Record<string, string>>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly settings: Settings;
  /** Lines written to standard error so far: the log. */
  readonly log: readonly string[];
  /** Resolves when the process is gone, however it went. */
  readonly exited: Promise<Exit>;
  kill(signal?: NodeJS.Signals): void;
  /** Sends SIGTERM and resolves with how it ended; rejects, after SIGKILL, if it did not end within `withinMs`. */
  stop(withinMs?: number): Promise<Exit>;
}

interface Started {
  readonly child: ChildProcess;
  readonly stdout: string[];
  readonly stderr: string[];
  readonly exited: Promise<Exit>;
  onLine(call: (line: string) => void): void;
}

function start(settings: Settings, args: readonly string[]): Started {
  const child = spawn(process.execPath, [main, ...args], {
    // Relative paths in settings, and files that a server may look for, are this run's own.
    cwd: temporaryDirectory(),
    env: { PATH: process.env.PATH, TZ: 'UTC', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stdout: string[] = [];
  const stderr: string[] = [];
  const watchers = new Set<(line: string) => void>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    keep(stdout, line);
    for (const watch of watchers) watch(line);
  });
  createInterface({ input: child.stderr! }).on('line', (line) => keep(stderr, line));
  // `close` comes after `exit`, when the output has been read to its end.
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { child, stdout, stderr, exited, onLine: (call) => void watchers.add(call) };
}

function keep(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > 2 * linesMax) lines.splice(0, linesMax);
}

/**
 * Starts a server on a free loopback port, or on `GRIDPOST_PORT` if the settings name one, and resolves when it
 * listens. Started again with the settings it had, it has the same port. Rejects with its output if it ends before, or after `withinMs`.
 */
export async function startServer(settings: Settings, withinMs = 90_000): Promise<ServerProcess> {
  const all = { GRIDPOST_PORT: String(await freePort()), GRIDPOST_LOG_LEVEL: 'info', ...settings };
  const { child, stdout, stderr, exited, onLine } = start(all, []);
  const output = (): string => [...stdout, ...stderr].join('\n');
  const listening = new Promise<string>((resolve, reject) => {
    onLine((line) => {
      const url = /listening on (https?:\/\/\S+)/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    void exited.then(({ code, signal }) =>
      reject(new Error(`the server ended with ${code ?? signal} before it listened:\n${output()}`)),
    );
  });
  let url: string;
  try {
    url = await within('the server listens', withinMs, listening);
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    throw new Error(`${(error as Error).message}\n${output()}`);
  }
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid!,
    settings: all,
    log: stderr,
    exited,
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    async stop(stopWithinMs = 60_000) {
      child.kill('SIGTERM');
      try {
        return await within('the server stops', stopWithinMs, exited);
      } catch (error) {
        child.kill('SIGKILL');
        await exited;
        throw new Error(`${(error as Error).message}\n${stderr.slice(-50).join('\n')}`);
      }
    },
  };
}

export interface Run extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a server that is expected to end by itself, and resolves with what it said. Ends it after `withinMs`. */
export async function runServer(
  settings: Settings,
  args: readonly string[] = [],
  withinMs = 60_000,
): Promise<Run> {
  const { child, stdout, stderr, exited } = start({ GRIDPOST_PORT: '0', ...settings }, args);
  try {
    const exit = await within('the server ends by itself', withinMs, exited);
    return { ...exit, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
  } finally {
    child.kill('SIGKILL');
  }
}
