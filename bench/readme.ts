/** The results section of the README: written from the summaries, between two marks that frame it. */
import { describeConditions } from './conditions.js';
import type { Summaries } from './results.js';
import { type Table, renderTable } from './table.js';
import type { Verdict } from './workload.js';

const begin = '<!-- results: begin (written by npm run bench -- --write) -->';
const end = '<!-- results: end -->';

/** Replaces what stands between the marks. Throws if the text does not hold each mark once, in order. */
export function replaceResults(text: string, section: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from || text.lastIndexOf(begin) !== from || text.lastIndexOf(end) !== to)
    throw new Error(`the README needs each of the marks once, in this order: ${begin} ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${section}\n\n${text.slice(to)}`;
}

/** A part per workload, in the order of `workloads`; one without a summary says that it has not been measured. */
export function renderResults(
  workloads: readonly { readonly name: string; readonly about: string }[],
  summaries: Summaries,
): string {
  return workloads
    .map(({ name, about }) => {
      const summary = summaries[name];
      const head = `### ${name}\n\n${about}`;
      if (!summary) return `${head}\n\nNot measured yet.`;
      const { conditions, verdicts, tables } = summary;
      const parts = [verdictTable(verdicts), ...tables].map(renderTable);
      return [head, `*${describeConditions(conditions)}*`, ...parts].join('\n\n');
    })
    .join('\n\n');
}

export function verdictTable(verdicts: readonly Verdict[]): Table {
  return {
    title: 'Verdict',
    columns: ['target', 'found', 'verdict'],
    rows: verdicts.map(({ target, found, met }) => [target, found, met ? 'met' : '**not met**']),
  };
}
