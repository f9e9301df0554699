/**
 * Child processes of the benchmark: started until they say they are ready, killed when the measurement is over.
 * Nothing is drained at the end, since every store is thrown away with its run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const readyWithinMs = 30_000;
const logTailCharacters = 2_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** An interrupted benchmark leaves no router, no Redis and no driver behind. */
export function endWithUs(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

export interface Command {
  /** Names the log file, and the process in error messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the little of our own environment that is passed on. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Working directory, and place of the log of its standard error. */
  readonly directory: string;
  /** A line on standard output that says it is ready. */
  readonly ready: RegExp;
}

export interface Started {
  readonly pid: number;
  /** What `ready` matched. */
  readonly match: RegExpExecArray;
  /** Kills the process and waits for its end. May be called twice. */
  stop(): Promise<void>;
}

/** Rejects with the end of the process's log if it ends, or is not ready within 30 s. */
export async function startProcess(command: Command): Promise<Started> {
  const logPath = join(command.directory, `${command.name}.log`);
  const logFile = openSync(logPath, 'a');
  const child = spawn(command.command, command.args, {
    cwd: command.directory,
    env: { ...inherited(), NODE_ENV: 'production', ...command.environment },
    stdio: ['ignore', 'pipe', logFile],
  });
  closeSync(logFile);
  endWithUs(child);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };

  // The lines are read to the end of the process, so that it never waits for a full pipe.
  const lines = createInterface({ input: child.stdout! });
  const match = await new Promise<RegExpExecArray | string>((resolve) => {
    const timer = setTimeout(end, readyWithinMs, `it was not ready within ${readyWithinMs} ms`);
    function end(result: RegExpExecArray | string): void {
      clearTimeout(timer);
      resolve(result);
    }
    lines.on('line', (line) => {
      const found = command.ready.exec(line);
      if (found) end(found);
    });
    void ended.then(end);
  });
  if (typeof match === 'string') {
    await stop();
    const tail = readFileSync(logPath, 'utf8').slice(-logTailCharacters);
    throw new Error(`${command.name} did not start: ${match}\n${tail}`);
  }
  return { pid: child.pid!, match, stop };
}

/** Settings of whoever runs the benchmark must not reach the routers, so variables are passed on by name. */
function inherited(): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'LANG', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
