/** Under which conditions figures were measured: without them a figure means nothing. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Conditions {
  /** ISO 8601, UTC, start of the run. */
  readonly date: string;
  /** Short hash; `+` behind it if anything tracked was changed. */
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** Type of the file system that the stores are on. */
  readonly fileSystem: string;
  /** Of the minute before the start: what else the machine was doing. */
  readonly loadBefore: number;
  readonly rounds: number;
}

/** Reads the machine and the checkout. `scratch` is where the stores will be. */
export function conditionsOf(root: string, scratch: string, rounds: number): Conditions {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
  const redisVersion = /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }));
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=10', 'HEAD') + (changed ? '+' : ''),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    redis: redisVersion?.[1] ?? 'unknown',
    fileSystem: fileSystemOf(scratch, readFileSync('/proc/self/mounts', 'utf8')),
    loadBefore: loadavg()[0]!,
    rounds,
  };
}

/** Type of the innermost mount that holds `path`, from the text of `/proc/self/mounts`. */
export function fileSystemOf(path: string, mounts: string): string {
  let best = { point: '', type: 'unknown' };
  for (const line of mounts.split('\n')) {
    const [, point, type] = line.split(' ');
    if (point === undefined || type === undefined) continue;
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    // A later mount on the same point hides the earlier one.
    if (holds && point.length >= best.point.length) best = { point, type };
  }
  return best.type;
}

/** One sentence for a heading. */
export function describeConditions(conditions: Conditions): string {
  const { cpu, cores, memoryBytes, kernel, node, redis, fileSystem, loadBefore, rounds, date, commit } =
    conditions;
  return (
    `${date.slice(0, 10)}, commit ${commit}, ${rounds} runs. ${cpu}, ${cores} cores, ` +
    `${Math.round(memoryBytes / 1024 ** 3)} GiB, Linux ${kernel}, stores on ${fileSystem}; Node ${node}, Redis ${redis}; ` +
    `load before the run ${loadBefore.toFixed(2)}.`
  );
}
