/**
 * The files of results: everything measured by one run, and the latest summary of every workload, from which the
 * README is written. A workload run alone renews its own part of the summary and leaves the others as they were.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Conditions } from './conditions.js';
import type { Table } from './table.js';
import type { Outcome, Verdict } from './workload.js';

export interface Result {
  readonly workload: string;
  readonly conditions: Conditions;
  /** What makes the figures worthless; empty for a valid result. */
  readonly problems: readonly string[];
  readonly outcome: Outcome;
}

/** A result without its raw figures. */
export interface Summary {
  readonly conditions: Conditions;
  readonly tables: readonly Table[];
  readonly verdicts: readonly Verdict[];
}

export type Summaries = Readonly<Record<string, Summary>>;

/** Writes all of a run, raw, into a new file named after its start. Returns the path. */
export function writeRaw(directory: string, results: readonly Result[]): string {
  const started = results[0]?.conditions.date ?? 'empty';
  const path = join(directory, `${started.replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  return path;
}

export function readSummaries(path: string): Summaries {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Summaries) : {};
}

export function writeSummaries(path: string, summaries: Summaries): void {
  writeFileSync(path, `${JSON.stringify(summaries, null, 2)}\n`);
}

/** The summaries with those of the valid results renewed. */
export function renew(summaries: Summaries, results: readonly Result[]): Summaries {
  const renewed: Record<string, Summary> = { ...summaries };
  for (const { workload, conditions, problems, outcome } of results) {
    if (problems.length > 0) continue;
    renewed[workload] = { conditions, tables: outcome.tables, verdicts: outcome.verdicts };
  }
  return renewed;
}
