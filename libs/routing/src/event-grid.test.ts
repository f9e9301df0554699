/** Event Grid's filters, row by row of PATTERNS.md. */
import { describe, expect, test } from '@jest/globals';
import type { AdvancedFilter, SubscriptionFilter } from '@gridpost/model';
import { operatorNames } from './event-grid.js';
import { FilterRefused } from './faults.js';
import { checkFilter } from './filter.js';
import { type EventParts, eventWith } from './testing/events.js';

const passes = (filter: SubscriptionFilter, parts: EventParts): boolean =>
  checkFilter({ filter }).holds(eventWith(parts));

const advanced = (filter: AdvancedFilter, parts: EventParts, arrays = false): boolean =>
  passes({ advancedFilters: [filter], enableAdvancedFilteringOnArrays: arrays }, parts);

describe('event types', () => {
  test.each<[string, SubscriptionFilter, string, boolean]>([
    ['an absent list takes every type', {}, 'a', true],
    ['null takes every type', { includedEventTypes: null }, 'a', true],
    ['an empty list takes every type', { includedEventTypes: [] }, 'a', true],
    ['All takes every type', { includedEventTypes: ['b', 'All'] }, 'a', true],
    ['membership is exact', { includedEventTypes: ['a', 'b'] }, 'a', true],
    ['another type does not match', { includedEventTypes: ['a', 'b'] }, 'c', false],
    ['a prefix of a type does not match', { includedEventTypes: ['a.b'] }, 'a', false],
    ['types compare case-sensitively', { includedEventTypes: ['A'] }, 'a', false],
  ])('%s', (_, filter, type, expected) => expect(passes(filter, { attributes: { type } })).toBe(expected));
});

describe('subjects', () => {
  const sensitive = { isSubjectCaseSensitive: true };
  test.each<[string, SubscriptionFilter, string | undefined, boolean]>([
    ['a prefix', { subjectBeginsWith: '/orders/' }, '/orders/7', true],
    ['a prefix, other case', { subjectBeginsWith: '/Orders/' }, '/orders/7', true],
    ['a prefix, other case, sensitive', { subjectBeginsWith: '/Orders/', ...sensitive }, '/orders/7', false],
    ['a suffix', { subjectEndsWith: '.JPG' }, 'a.jpg', true],
    ['a suffix that is no suffix', { subjectEndsWith: '.jpg' }, 'a.jpg.txt', false],
    ['both, overlapping', { subjectBeginsWith: 'ab', subjectEndsWith: 'ba' }, 'aba', true],
    ['no wildcards', { subjectBeginsWith: '/orders/*' }, '/orders/7', false],
    ['no subject', { subjectBeginsWith: 'a' }, undefined, false],
    ['no subject, nothing asked', { subjectBeginsWith: '', subjectEndsWith: '' }, undefined, true],
  ])('%s', (_, filter, subject, expected) =>
    expect(passes(filter, { attributes: subject === undefined ? {} : { subject } })).toBe(expected),
  );
});

/** Each operator with what it compares with, a value that hits, one that does not, and what it says of nothing. */
const golden: [string, Partial<AdvancedFilter>, unknown, unknown, boolean][] = [
  ['NumberIn', { values: [1, 2.5] }, 2.5, 3, false],
  ['NumberNotIn', { values: [1, 2.5] }, 3, 2.5, true],
  ['NumberLessThan', { value: 5 }, 4.9, 5, false],
  ['NumberLessThanOrEquals', { value: 5 }, 5, 5.1, false],
  ['NumberGreaterThan', { value: 5 }, 5.1, 5, false],
  ['NumberGreaterThanOrEquals', { value: 5 }, 5, 4.9, false],
  [
    'NumberInRange',
    {
      values: [
        [1, 2],
        [5, 6],
      ],
    },
    6,
    3,
    false,
  ],
  [
    'NumberNotInRange',
    {
      values: [
        [1, 2],
        [5, 6],
      ],
    },
    3,
    1,
    true,
  ],
  ['BoolEquals', { value: true }, true, false, false],
  ['StringIn', { values: ['Red', 'blue'] }, 'rED', 'redd', false],
  ['StringNotIn', { values: ['Red', 'blue'] }, 'redd', 'rED', true],
  ['StringBeginsWith', { values: ['Ab', 'cd'] }, 'aBx', 'xab', false],
  ['StringEndsWith', { values: ['Ab', 'cd'] }, 'xaB', 'abx', false],
  ['StringContains', { values: ['Ab', 'cd'] }, 'xaBx', 'xax', false],
  ['StringNotBeginsWith', { values: ['Ab', 'cd'] }, 'xab', 'aBx', false],
  ['StringNotEndsWith', { values: ['Ab', 'cd'] }, 'abx', 'xaB', false],
  ['StringNotContains', { values: ['Ab', 'cd'] }, 'xax', 'xaBx', false],
  ['IsNullOrUndefined', {}, null, 0, true],
  ['IsNotNull', {}, 0, null, false],
];

test('the golden table has every operator', () => {
  expect(golden.map(([operator]) => operator)).toEqual(operatorNames);
  expect(golden).toHaveLength(19);
});

describe.each(golden)('%s', (operatorType, wanted, hit, miss, withoutValue) => {
  const filter = { operatorType, key: 'data.Key', ...wanted };
  const presence = operatorType.startsWith('Is');

  test('holds for what it wants and for nothing else', () => {
    expect(advanced(filter, { data: { key: hit } })).toBe(true);
    expect(advanced(filter, { data: { key: miss } })).toBe(false);
  });

  test('says of what is missing, null or not JSON what Event Grid says', () => {
    for (const data of [{}, { other: 1 }, { key: null }, 'text', 7, [], undefined])
      expect(advanced(filter, { data })).toBe(withoutValue);
  });

  test('says the same of a value of another kind', () => {
    if (presence) return;
    for (const value of [
      {},
      { a: 1 },
      typeof hit === 'string' ? 1 : 'x',
      typeof hit === 'boolean' ? 1 : true,
    ])
      expect(advanced(filter, { data: { key: value } })).toBe(withoutValue);
  });

  test('takes an array for nothing to compare with, unless told to look at elements', () => {
    if (presence) return;
    expect(advanced(filter, { data: { key: [hit] } })).toBe(false);
    const negative = operatorType.includes('Not');
    expect(advanced(filter, { data: { key: [hit] } }, true)).toBe(true);
    expect(advanced(filter, { data: { key: [miss] } }, true)).toBe(false);
    expect(advanced(filter, { data: { key: [miss, hit] } }, true)).toBe(!negative);
    expect(advanced(filter, { data: { key: [] } }, true)).toBe(negative);
    expect(advanced(filter, { data: { key: [{}, null, []] } }, true)).toBe(negative);
    expect(advanced(filter, { data: { key: hit } }, true)).toBe(true);
    expect(advanced(filter, { data: {} }, true)).toBe(withoutValue);
  });

  test('is found by its name in any case', () => {
    expect(advanced({ ...filter, operatorType: operatorType.toUpperCase() }, { data: { key: hit } })).toBe(
      true,
    );
  });
});

describe('keys', () => {
  const is = (key: string, value: string): AdvancedFilter => ({
    operatorType: 'StringIn',
    key,
    values: [value],
  });
  test.each<[string, string, EventParts]>([
    ['an attribute', 'subject', { attributes: { subject: 'x' } }],
    ['in any case', 'SUBJECT', { attributes: { subject: 'x' } }],
    ['an extension', 'Tenant', { attributes: { tenant: 'x' } }],
    ['Event Grid’s name of type', 'eventType', { attributes: { type: 'x' } }],
    ['Event Grid’s name of time', 'eventTime', { attributes: { time: 'x' } }],
    ['Event Grid’s name of source', 'topic', { attributes: { source: 'x' } }],
    ['CloudEvents’ name of type', 'type', { attributes: { type: 'x' } }],
    ['the data itself', 'data', { data: 'x' }],
    ['a path of any depth', 'data.a.B.c.d', { data: { A: { b: { C: { D: 'x' } } } } }],
    ['a path with odd keys', 'data.a-b.c d', { data: { 'a-b': { 'c d': 'x' } } }],
  ])('%s', (_, key, parts) => {
    expect(advanced(is(key, 'X'), parts)).toBe(true);
    expect(advanced(is(key, 'y'), parts)).toBe(false);
  });

  test('prefer the member that is spelled exactly', () => {
    expect(advanced(is('data.Key', 'x'), { data: { key: 'y', Key: 'x' } })).toBe(true);
    expect(advanced(is('data.KEY', 'x'), { data: { key: 'x', Key: 'y' } })).toBe(true);
  });

  test('do not lead into arrays, texts or what objects inherit', () => {
    expect(advanced(is('data.a.0', 'x'), { data: { a: ['x'] } })).toBe(false);
    expect(advanced({ operatorType: 'IsNotNull', key: 'data.a.length' }, { data: { a: 'x' } })).toBe(false);
    for (const key of ['data.constructor', 'data.__proto__', 'data.toString'])
      expect(advanced({ operatorType: 'IsNotNull', key }, { data: { a: 1 } })).toBe(false);
  });
});

describe('context attributes are text', () => {
  test.each<[AdvancedFilter, EventParts['attributes'], boolean]>([
    [{ operatorType: 'StringIn', key: 'n', values: ['5'] }, { n: 5 }, true],
    [{ operatorType: 'StringBeginsWith', key: 'n', values: ['5'] }, { n: 57 }, true],
    [{ operatorType: 'NumberIn', key: 'n', values: [5] }, { n: 5 }, true],
    [{ operatorType: 'NumberIn', key: 'n', values: [5] }, { n: '5' }, true],
    [{ operatorType: 'NumberGreaterThan', key: 'n', value: 5 }, { n: '1e3' }, true],
    [{ operatorType: 'NumberGreaterThan', key: 'n', value: 5 }, { n: '0x10' }, false],
    [{ operatorType: 'NumberNotIn', key: 'n', values: [5] }, { n: 'five' }, true],
    [{ operatorType: 'BoolEquals', key: 'b', value: true }, { b: true }, true],
    [{ operatorType: 'BoolEquals', key: 'b', value: true }, { b: 'true' }, true],
    [{ operatorType: 'BoolEquals', key: 'b', value: false }, { b: 'no' }, false],
    [{ operatorType: 'StringIn', key: 'b', values: ['true'] }, { b: true }, true],
  ])('%j on %j', (filter, attributes, expected) =>
    expect(advanced(filter, { attributes: attributes! })).toBe(expected),
  );

  test('data is not: a number in quotes is no number', () => {
    expect(advanced({ operatorType: 'NumberIn', key: 'data.n', values: [5] }, { data: { n: '5' } })).toBe(
      false,
    );
  });
});

test('all advanced filters must hold, beside the other parts', () => {
  const filter: SubscriptionFilter = {
    includedEventTypes: ['t'],
    subjectBeginsWith: 's',
    advancedFilters: [
      { operatorType: 'NumberGreaterThan', key: 'data.n', value: 1 },
      { operatorType: 'NumberLessThan', key: 'data.n', value: 9 },
    ],
  };
  const attributes = { subject: 'sub' };
  expect(passes(filter, { attributes, data: { n: 5 } })).toBe(true);
  expect(passes(filter, { attributes, data: { n: 1 } })).toBe(false);
  expect(passes(filter, { attributes, data: { n: 9 } })).toBe(false);
  expect(passes(filter, { attributes: { subject: 'other' }, data: { n: 5 } })).toBe(false);
  expect(passes(filter, { attributes: { subject: 'sub', type: 'u' }, data: { n: 5 } })).toBe(false);
});

describe('refuses', () => {
  const faultsOf = (filter: AdvancedFilter): [string, string][] => {
    try {
      checkFilter({ filter: { advancedFilters: [filter] } });
    } catch (error) {
      if (error instanceof FilterRefused)
        return error.faults.map(({ pointer, message }) => [pointer, message]);
      throw error;
    }
    return [];
  };
  const at = '/filter/advancedFilters/0';
  test.each<[string, AdvancedFilter, string, RegExp]>([
    ['an unknown operator', { operatorType: 'Matches', key: 'k' }, '/operatorType', /"Matches".*NumberIn/],
    ['an empty key', { operatorType: 'IsNotNull', key: '' }, '/key', /""/],
    ['a path with an empty key', { operatorType: 'IsNotNull', key: 'data..a' }, '/key', /data\.\.a/],
    ['a missing value', { operatorType: 'NumberLessThan', key: 'k' }, '', /no value/],
    ['missing values', { operatorType: 'StringIn', key: 'k' }, '', /no values/],
    [
      'values where one is wanted',
      { operatorType: 'NumberLessThan', key: 'k', values: [1] },
      '/values',
      /takes value/,
    ],
    ['a value where none is wanted', { operatorType: 'IsNotNull', key: 'k', value: 1 }, '/value', /neither/],
    ['no values at all', { operatorType: 'StringIn', key: 'k', values: [] }, '/values', /at least one/],
    [
      'a number for a string',
      { operatorType: 'StringIn', key: 'k', values: ['a', 1] },
      '/values/1',
      /a string/,
    ],
    ['a string for a number', { operatorType: 'NumberIn', key: 'k', values: ['1'] }, '/values/0', /a number/],
    [
      'a range upside down',
      { operatorType: 'NumberInRange', key: 'k', values: [[2, 1]] },
      '/values/0',
      /lower first/,
    ],
    ['half a range', { operatorType: 'NumberInRange', key: 'k', values: [[2]] }, '/values/0', /pair/],
    ['a number for a boolean', { operatorType: 'BoolEquals', key: 'k', value: 1 }, '/value', /a boolean/],
    [
      'a string that is too long',
      { operatorType: 'StringIn', key: 'k', values: ['x'.repeat(1_025)] },
      '/values/0',
      /1025 bytes.*1024/,
    ],
    ['a key that is too long', { operatorType: 'IsNotNull', key: 'x'.repeat(1_025) }, '/key', /1025 bytes/],
  ])('%s', (_, filter, place, message) => {
    expect(faultsOf(filter)).toContainEqual([at + place, expect.stringMatching(message)]);
  });

  test('nothing that is just within its limits', () => {
    expect(faultsOf({ operatorType: 'StringIn', key: 'k', values: ['x'.repeat(1_024)] })).toEqual([]);
    const filter = { operatorType: 'IsNotNull', key: 'k' };
    const many = (count: number) => ({
      filter: { advancedFilters: new Array<AdvancedFilter>(count).fill(filter) },
    });
    expect(() => checkFilter(many(100))).not.toThrow();
    expect(() => checkFilter(many(101))).toThrow('/filter/advancedFilters/100: expected at most 100 clauses');
    const values = (count: number): AdvancedFilter => ({
      operatorType: 'NumberIn',
      key: 'k',
      values: Array.from({ length: count }, (_, i) => i),
    });
    expect(faultsOf(values(1_000))).toEqual([]);
    expect(faultsOf(values(1_001))).toEqual([[`${at}/values`, expect.stringMatching(/1001 values.*1000/)]]);
  });
});
