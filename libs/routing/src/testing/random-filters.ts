/**
 * Filters and events at random, from small vocabularies so that they often meet: every operator and dialect, attributes
 * and data, nesting, arrays, values of the wrong kind.
 */
import type { AdvancedFilter, Event, FilterEntry, SubscriptionFilter } from '@gridpost/model';
import { operatorNames } from '../event-grid.js';
import type { Filters } from '../filter.js';
import { eventWith } from './events.js';

export type Random = () => number;

const texts = ['a', 'ab', 'abc', 'B', 'bC', 'Ca', 'x', 'abX', '1', 'true'];
const numbers = [-1, 0, 1, 2, 2.5, 3, 10];
const gridKeys = [
  'subject',
  'eventType',
  'Source',
  'ext',
  'num',
  'flag',
  'data.s',
  'data.N',
  'data.b',
  'data.o.s',
  'data.list',
];
const names = ['subject', 'type', 'source', 'ext', 'num', 'data.s', 'data.n', 'data.b', 'data.o.s'];

const pick = <V>(random: Random, from: readonly V[]): V => from[Math.floor(random() * from.length)]!;
const some = <V>(random: Random, make: () => V, most = 3): V[] =>
  Array.from({ length: 1 + Math.floor(random() * most) }, make);

export function randomEvent(random: Random): Event {
  const text = (): string => pick(random, texts);
  const scalar = (): unknown => pick(random, [text(), pick(random, numbers), random() < 0.5, null]);
  const attributes: Record<string, string | number | boolean> = { type: text(), source: text() };
  if (random() < 0.8) attributes.subject = text();
  if (random() < 0.5) attributes.ext = text();
  if (random() < 0.5) attributes.num = pick(random, [1, 2, 3]);
  if (random() < 0.5) attributes.flag = random() < 0.5;
  const data: Record<string, unknown> = {};
  if (random() < 0.8) data.s = random() < 0.8 ? text() : scalar();
  if (random() < 0.8) data.n = random() < 0.8 ? pick(random, numbers) : scalar();
  if (random() < 0.5) data.b = scalar();
  if (random() < 0.5) data.o = random() < 0.8 ? { s: scalar(), S: text() } : scalar();
  if (random() < 0.5) data.list = some(random, scalar, 4);
  return eventWith({ attributes, ...(random() < 0.9 ? { data } : {}) });
}

export function randomFilters(random: Random): Filters {
  return {
    ...(random() < 0.7 ? { filter: randomFilter(random) } : {}),
    ...(random() < 0.5 ? { filters: some(random, () => randomEntry(random, 0), 2) } : {}),
  };
}

function randomFilter(random: Random): SubscriptionFilter {
  return {
    ...(random() < 0.4 ? { includedEventTypes: some(random, () => pick(random, texts)) } : {}),
    ...(random() < 0.2 ? { subjectBeginsWith: pick(random, texts) } : {}),
    ...(random() < 0.2 ? { subjectEndsWith: pick(random, texts) } : {}),
    ...(random() < 0.5 ? { isSubjectCaseSensitive: random() < 0.5 } : {}),
    ...(random() < 0.7 ? { advancedFilters: some(random, () => randomAdvanced(random)) } : {}),
    ...(random() < 0.5 ? { enableAdvancedFilteringOnArrays: random() < 0.8 } : {}),
  };
}

function randomAdvanced(random: Random): AdvancedFilter {
  const operatorType = pick(random, operatorNames);
  const key = pick(random, gridKeys);
  if (operatorType.startsWith('Is')) return { operatorType, key };
  if (operatorType === 'BoolEquals') return { operatorType, key, value: random() < 0.5 };
  const number = (): number => pick(random, numbers);
  if (operatorType.endsWith('Range'))
    return {
      operatorType,
      key,
      values: some(random, () => [number(), number()].sort((a, b) => a - b)),
    };
  if (operatorType.endsWith('In') && operatorType.startsWith('Number'))
    return { operatorType, key, values: some(random, number) };
  if (operatorType.startsWith('Number')) return { operatorType, key, value: number() };
  return { operatorType, key, values: some(random, () => pick(random, texts)) };
}

function randomEntry(random: Random, depth: number): FilterEntry {
  const dialect = pick(random, [
    'exact',
    'prefix',
    'suffix',
    'sql',
    ...(depth < 3 ? ['all', 'any', 'not'] : []),
  ]);
  const entries = (): FilterEntry[] => some(random, () => randomEntry(random, depth + 1));
  const pairs = (): Record<string, string> =>
    Object.fromEntries(some(random, () => [pick(random, names), pick(random, texts)], 2));
  switch (dialect) {
    case 'all':
      return { all: entries() };
    case 'any':
      return { any: entries() };
    case 'not':
      return { not: randomEntry(random, depth + 1) };
    case 'sql':
      return { sql: randomSql(random, 0) };
    case 'exact':
      return { exact: pairs() };
    case 'prefix':
      return { prefix: pairs() };
    default:
      return { suffix: pairs() };
  }
}

function randomSql(random: Random, depth: number): string {
  const name = pick(random, names);
  const text = (): string => `'${pick(random, texts)}'`;
  const join = pick(random, ['AND', 'AND', 'OR', 'XOR']);
  switch (Math.floor(random() * (depth < 2 ? 8 : 6))) {
    case 0:
      return `${name} = ${text()}`;
    case 1:
      return `${name} IN (${some(random, text).join(', ')})`;
    case 2:
      return `${name} LIKE '${pick(random, texts)}%'`;
    case 3:
      return `EXISTS ${name}`;
    case 4:
      return `${name} != ${pick(random, [text(), '1', 'TRUE'])}`;
    case 5:
      return `${name} = ${pick(random, ['1', '2', 'true', 'FALSE'])}`;
    case 6:
      return `NOT (${randomSql(random, depth + 1)})`;
    default:
      return `(${randomSql(random, depth + 1)}) ${join} (${randomSql(random, depth + 1)})`;
  }
}
