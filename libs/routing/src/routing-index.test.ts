import { expect, test } from '@jest/globals';
import type { AdvancedFilter } from '@gridpost/model';
import { seededRandom } from '@gridpost/model/testing';
import { compileFilter, type Filters } from './filter.js';
import { RoutingIndex } from './routing-index.js';
import { eventWith } from './testing/events.js';
import { randomEvent, randomFilters } from './testing/random-filters.js';

function indexOf(filters: Readonly<Record<string, Filters>>): RoutingIndex<string> {
  const index = new RoutingIndex<string>();
  for (const [key, each] of Object.entries(filters)) index.set(key, compileFilter(each), key);
  return index;
}

test('a subscription replaced or deleted leaves nothing behind', () => {
  const index = indexOf({ s: { filter: { includedEventTypes: ['a', 'b'] } } });
  index.set('s', compileFilter({ filter: { includedEventTypes: ['b'] } }), 'new');
  expect(index.match(eventWith({ attributes: { type: 'a' } }))).toEqual([]);
  expect(index.match(eventWith({ attributes: { type: 'b' } }))).toEqual(['new']);
  index.delete('s');
  index.delete('s');
  expect(index.match(eventWith({ attributes: { type: 'b' } }))).toEqual([]);
  expect(index.size).toBe(0);
});

test('an event with an array reaches a subscription once', () => {
  const advancedFilters: AdvancedFilter[] = [
    { operatorType: 'StringIn', key: 'data.tags', values: ['a', 'b'] },
  ];
  const filter = { advancedFilters, enableAdvancedFilteringOnArrays: true };
  const index = new RoutingIndex<string>();
  for (let i = 0; i < 20; i++) index.set(`s${i}`, compileFilter({ filter }), `s${i}`);
  expect(index.match(eventWith({ data: { tags: ['a', 'b', 'a'] } }))).toHaveLength(20);
});

test('an event that has several signs of a subscription reaches it once', () => {
  const exact = { exact: { type: 'a' } };
  for (const filters of [
    [{ any: [exact, exact] }],
    [{ any: [exact, { prefix: { type: 'a' } }, { exact: { subject: 's' } }] }],
    [{ sql: "type IN ('a', 'a')" }],
  ]) {
    const index = new RoutingIndex<string>();
    for (let i = 0; i < 20; i++) index.set(`s${i}`, compileFilter({ filters }), `s${i}`);
    expect(index.match(eventWith({ attributes: { type: 'a', subject: 's' } }))).toHaveLength(20);
  }
});

test('counts the subscriptions that only trying finds', () => {
  const containing: Filters = {
    filter: { advancedFilters: [{ operatorType: 'StringContains', key: 'subject', values: ['x'] }] },
  };
  const index = indexOf({
    everything: {},
    typed: { filter: { includedEventTypes: ['a'] } },
    containing,
    both: { filter: { ...containing.filter, includedEventTypes: ['a'] } },
    negative: { filters: [{ not: { exact: { type: 'a' } } }] },
  });
  expect(index.scanned).toBe(2);
  index.delete('containing');
  expect(index.scanned).toBe(1);
});

test('half a character in a pattern of LIKE is not found in a whole one', () => {
  const event = eventWith({ data: { t: '\u{1f600}' } });
  for (const pattern of ['\ud83d%', '%\ude00', '\ud83d'])
    expect(indexOf({ s: { filters: [{ sql: `data.t LIKE '${pattern}'` }] } }).match(event)).toEqual([]);
  expect(indexOf({ s: { filters: [{ sql: "data.t LIKE '\u{1f600}%'" }] } }).match(event)).toEqual(['s']);
});

test('data is not looked into for an event that comes to nobody who wants it', () => {
  const index = new RoutingIndex<number>();
  for (let i = 0; i < 1_000; i++)
    index.set(
      `s${i}`,
      compileFilter({
        filter: {
          includedEventTypes: ['wanted'],
          advancedFilters: [{ operatorType: 'NumberIn', key: 'data.n', values: [i] }],
        },
      }),
      i,
    );
  const other = eventWith({ attributes: { type: 'other' }, data: { n: 7 } });
  let parsed = 0;
  other.parsedData = () => {
    parsed++;
    return { n: 7 };
  };
  expect(index.match(other)).toEqual([]);
  expect(parsed).toBe(0);
  expect(index.match(eventWith({ attributes: { type: 'wanted' }, data: { n: 7 } }))).toEqual([7]);
});

test('the index agrees with asking every filter in turn', () => {
  const random = seededRandom(11);
  const index = new RoutingIndex<string>();
  const filters = new Map<string, ReturnType<typeof compileFilter>>();
  let cases = 0;
  let matches = 0;
  for (let round = 0; round < 3_000; round++) {
    const key = `s${Math.floor(random() * 120)}`;
    if (random() < 0.35) {
      filters.delete(key);
      index.delete(key);
    } else {
      const filter = compileFilter(randomFilters(random));
      filters.set(key, filter);
      index.set(key, filter, key);
    }
    const event = randomEvent(random);
    const expected = [...filters].filter(([, filter]) => filter.holds(event)).map(([name]) => name);
    expect(index.match(event).sort()).toEqual(expected.sort());
    expect(index.size).toBe(filters.size);
    cases += filters.size;
    matches += expected.length;
  }
  for (const key of filters.keys()) index.delete(key);
  expect(index.size).toBe(0);
  expect(index.scanned).toBe(0);
  expect(index.match(randomEvent(random))).toEqual([]);
  expect(cases).toBeGreaterThan(50_000);
  // Neither all nor nothing.
  expect(matches / cases).toBeGreaterThan(0.05);
  expect(matches / cases).toBeLessThan(0.5);
});

test('an explanation says the same as the match', () => {
  const random = seededRandom(12);
  for (let round = 0; round < 10_000; round++) {
    const filter = compileFilter(randomFilters(random));
    const event = randomEvent(random);
    const explained = filter.explain(event);
    expect(explained.every(({ matched }) => matched)).toBe(filter.holds(event));
    for (const { clause, reason } of explained) {
      expect(clause).toMatch(/^\/filters?\//);
      expect(reason.length).toBeGreaterThan(10);
    }
  }
});
