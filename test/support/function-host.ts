/** An app on the official `@azure/functions` package, hosted as a process of its own (`functions/host.mjs`). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './teardown.js';
import { until, within } from './waiting.js';

export interface Invocation {
  readonly functionName: string;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface FunctionHost {
  /** Of its root. */
  readonly url: string;
  readonly key: string;
  /** Resolves with the invocations of a function as soon as there are `count`. */
  invoked(functionName: string, count?: number, withinMs?: number): Promise<Invocation[]>;
}

export async function startFunctionHost(key: string): Promise<FunctionHost> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'functions', 'host.mjs'), key], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const invocations: Invocation[] = [];
  const url = await within(
    'the function host listens',
    60_000,
    new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const address = /^listening on (\S+)/.exec(line)?.[1];
        if (address === undefined) invocations.push(JSON.parse(line) as Invocation);
        else resolve(address);
      });
      void exited.then(() => reject(new Error('the function host ended')));
    }),
  );
  const of = (name: string): Invocation[] => invocations.filter(({ functionName }) => functionName === name);
  return {
    url,
    key,
    invoked: (functionName, count = 1, withinMs) =>
      until(
        `${count} invocations of ${functionName}`,
        () => of(functionName).length >= count && of(functionName),
        withinMs === undefined ? {} : { withinMs },
      ),
  };
}
