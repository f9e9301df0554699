/** The command line of the benchmark: which workloads, how many rounds, which peers, and whether results are kept. */
import { parseArgs } from 'node:util';

/** Fewer rounds give a first look and nothing to quote, so they are never written. */
export const roundsToQuote = 5;

export interface Options {
  /** Names as given; empty for all that run by default. */
  readonly workloads: readonly string[];
  /** Directory of the peers, as given. */
  readonly peers: string | undefined;
  readonly rounds: number;
  /** Rewrite `results/latest.json` and the results section of the README. */
  readonly write: boolean;
}

export const usage = 'usage: npm run bench -- [workload…] [--peers DIR] [--runs N] [--write]';

/** Throws an `Error` with a sentence for the person at the terminal. `known` are the names of the workloads. */
export function parseOptions(argv: readonly string[], known: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      peers: { type: 'string' },
      runs: { type: 'string', default: String(roundsToQuote) },
      write: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`no workload is named ${unknown.join(', ')}; there are: ${known.join(', ')}`);
  const rounds = Number(values.runs);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new Error(`--runs takes a whole number from 1 to 100, not ${values.runs}`);
  if (values.write && rounds < roundsToQuote)
    throw new Error(`--write needs at least ${roundsToQuote} runs: fewer are not quoted`);
  return { workloads: [...new Set(positionals)], peers: values.peers, rounds, write: values.write };
}
