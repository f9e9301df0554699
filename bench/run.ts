/**
 * `npm run bench`: runs workloads one after the other, prints what they found, and keeps it. Exit codes: 0 measured,
 * whether the targets were met or not; 1 something went wrong or a result is not valid; 2 wrong arguments.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { conditionsOf, describeConditions } from './conditions.js';
import { type Options, parseOptions, usage } from './options.js';
import { preparePeers } from './peers.js';
import { renderResults, replaceResults, verdictTable } from './readme.js';
import { type Result, readSummaries, renew, writeRaw, writeSummaries } from './results.js';
import { renderTable } from './table.js';
import type { Workload } from './workload.js';
import { workloads } from './workloads/index.js';

const root = join(import.meta.dirname, '..', '..');
const readme = join(root, 'bench', 'README.md');
const resultsDirectory = join(root, 'bench', 'results');
const latest = join(resultsDirectory, 'latest.json');

/** Progress goes to standard error, so that standard output is the report. */
const say = (line: string): void => console.error(line);

async function main(options: Options): Promise<number> {
  if (process.platform !== 'linux') throw new Error('CPU time and memory are read from /proc: Linux only');
  const chosen = workloads.filter(({ name, byDefault }) =>
    options.workloads.length > 0 ? options.workloads.includes(name) : byDefault,
  );
  const peers = preparePeers(resolve(options.peers ?? join(root, '..', 'shared', 'peers')));
  mkdirSync(resultsDirectory, { recursive: true });
  // Beside the results and not under /tmp, which is memory on many machines: an fsync there would cost nothing.
  const scratch = mkdtempSync(join(resultsDirectory, 'scratch-'));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const conditions = conditionsOf(root, scratch, options.rounds);
  console.log(describeConditions(conditions));

  const results: Result[] = [];
  for (const workload of chosen) {
    say(`${workload.name}…`);
    const problems: string[] = [];
    const outcome = await workload.run({
      peers,
      scratch,
      rounds: options.rounds,
      say: (line) => say(`  ${line}`),
      complain: (problem) => {
        problems.push(problem);
        say(`  NOT VALID: ${problem}`);
      },
    });
    const result = { workload: workload.name, conditions, problems, outcome };
    results.push(result);
    print(workload, result);
    writeRaw(resultsDirectory, results);
  }
  if (options.write) write(results);
  return results.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

function print({ name }: Workload, { problems, outcome }: Result): void {
  const parts = [verdictTable(outcome.verdicts), ...outcome.tables].map(renderTable);
  console.log(
    ['', `## ${name}`, ...problems.map((problem) => `NOT VALID: ${problem}`), ...parts].join('\n\n'),
  );
}

function write(results: readonly Result[]): void {
  const summaries = renew(readSummaries(latest), results);
  writeSummaries(latest, summaries);
  writeFileSync(readme, replaceResults(readFileSync(readme, 'utf8'), renderResults(workloads, summaries)));
}

let options: Options;
try {
  options = parseOptions(
    process.argv.slice(2),
    workloads.map(({ name }) => name),
  );
} catch (error) {
  console.error(`${(error as Error).message}\n${usage}`);
  process.exit(2);
}
try {
  process.exit(await main(options));
} catch (error) {
  console.error(error);
  process.exit(1);
}
