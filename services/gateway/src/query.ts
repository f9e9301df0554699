/** Query parameters. */
import { GridpostError } from '@gridpost/model';

/** A request whose parameters have been taken apart: a string each, a list of those that come several times. */
export interface Queried {
  readonly query: Readonly<Record<string, unknown>>;
}

/** A whole number within its bounds, both included, or its default. Throws `InvalidParameter`. */
export function wholeNumber(
  { query }: Queried,
  name: string,
  { min, max, default: otherwise }: { readonly min: number; readonly max: number; readonly default: number },
): number {
  const text = query[name];
  if (text === undefined) return otherwise;
  const number = typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw invalidParameter(name, `saw ${shown(text)}, expected a whole number from ${min} to ${max}`);
}

/** RFC 3339, as JSON Schema's `date-time`: seconds, and an offset. */
const instantShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** An instant in milliseconds since the epoch; undefined without one. Throws `InvalidParameter`. */
export function instant({ query }: Queried, name: string): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const ms = typeof text === 'string' && instantShape.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw invalidParameter(
    name,
    `saw ${shown(text)}, expected an ISO 8601 instant with its offset, such as 2030-01-31T12:00:00Z`,
  );
}

/** A range of time: `from` and later, before `to`. Throws `InvalidParameter`, also for one that ends before it begins. */
export function rangeAsked(req: Queried): { readonly from?: number; readonly to?: number } {
  const from = instant(req, 'from');
  const to = instant(req, 'to');
  if (from !== undefined && to !== undefined && to <= from)
    throw invalidParameter('to', 'expected an instant later than from');
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** One of these words; undefined without one. Throws `InvalidParameter`. */
export function oneOf<W extends string>(
  { query }: Queried,
  name: string,
  words: readonly W[],
): W | undefined {
  const word = query[name];
  if (word === undefined || words.includes(word as W)) return word as W | undefined;
  throw invalidParameter(name, `expected one of ${words.join(', ')}`);
}

/** A text of 1 to `max` characters; undefined without one. Throws `InvalidParameter`. */
export function textAsked({ query }: Queried, name: string, max: number): string | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  if (typeof text === 'string' && text !== '' && text.length <= max) return text;
  throw invalidParameter(name, `expected it once, with 1 to ${max} characters`);
}

export function invalidParameter(name: string, message: string): GridpostError {
  return new GridpostError('InvalidParameter', `the query parameter ${name}: ${message}`, {
    errors: [{ pointer: `query/${name}`, message }],
  });
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 64);
}
