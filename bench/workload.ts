/** What a workload is given and what it answers. The workloads themselves are in `workloads/`. */
import type { Table } from './table.js';

export interface Context {
  /** Installed copy of the peers. */
  readonly peers: string;
  /** Directory on the disk that is measured. */
  readonly scratch: string;
  /** Interleaved runs of every arm. */
  readonly rounds: number;
  /** A line about progress. */
  say(line: string): void;
  /** Something that makes the workload's figures worthless, such as a lost event. The run goes on. */
  complain(problem: string): void;
}

/** A target and what was found. */
export interface Verdict {
  readonly target: string;
  /** The figures that decide, as text. */
  readonly found: string;
  readonly met: boolean;
}

export interface Outcome {
  readonly tables: readonly Table[];
  readonly verdicts: readonly Verdict[];
  /** Everything measured, for the file of raw results. */
  readonly raw: unknown;
}

/**
 * A named workload. Its numbers are frozen: figures of one name can be compared for as long as the name exists, and
 * whoever changes a number gives it a new one.
 */
export interface Workload {
  readonly name: string;
  /** What it does and what is compared, for the README. Markdown, one paragraph. */
  readonly about: string;
  /** Whether it runs when no workload is named. */
  readonly byDefault: boolean;
  run(context: Context): Promise<Outcome>;
}
