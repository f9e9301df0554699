/** Tables in Markdown, padded so that they also read well on a terminal. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** One cell per column. */
  readonly rows: readonly (readonly string[])[];
}

/** Title line, blank line, table. Cells are taken literally, but for the pipe, which would end them. */
export function renderTable({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = columns.map((_, at) => Math.max(3, ...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, at) => (row[at] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const [head, ...body] = cells;
  return [`${title}:`, '', line(head ?? []), rule, ...body.map(line)].join('\n');
}

/** Three significant figures below 100, whole numbers with separators from there on. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

/** `131 (128–140)`: the median and the extremes. */
export function spread(middle: number, values: readonly number[]): string {
  return `${figure(middle)} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}
