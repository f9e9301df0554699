import { describe, expect, test } from '@jest/globals';
import { type Event, frameEvent, type SubscriptionFilter } from '@gridpost/model';
import { seededRandom } from '@gridpost/model/testing';
import { RoutingIndex } from './routing-index.js';

function event(type: string, subject?: string): Event {
  const attributes = {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type,
    ...(subject === undefined ? {} : { subject }),
  };
  return frameEvent({
    form: 'binary',
    attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    dataKind: 'none',
    dataAt: 0,
    dataLength: 0,
    body: Buffer.alloc(0),
  });
}

function matches(filter: SubscriptionFilter, type: string, subject?: string): boolean {
  const index = new RoutingIndex<string>();
  index.set('s', filter, 's');
  return index.match(event(type, subject)).length === 1;
}

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
  ])('%s', (_, filter, type, expected) => expect(matches(filter, type)).toBe(expected));
});

describe('subjects', () => {
  test.each<[string, SubscriptionFilter, string | undefined, boolean]>([
    ['a prefix', { subjectBeginsWith: '/orders/' }, '/orders/7', true],
    ['a prefix, other case', { subjectBeginsWith: '/Orders/' }, '/orders/7', true],
    [
      'a prefix, other case, sensitive',
      { subjectBeginsWith: '/Orders/', isSubjectCaseSensitive: true },
      '/orders/7',
      false,
    ],
    ['a suffix', { subjectEndsWith: '.JPG' }, 'a.jpg', true],
    ['a suffix that is no suffix', { subjectEndsWith: '.jpg' }, 'a.jpg.txt', false],
    ['both, overlapping', { subjectBeginsWith: 'ab', subjectEndsWith: 'ba' }, 'aba', true],
    ['no wildcards', { subjectBeginsWith: '/orders/*' }, '/orders/7', false],
    ['no subject', { subjectBeginsWith: 'a' }, undefined, false],
    ['no subject, nothing asked', { subjectBeginsWith: '', subjectEndsWith: '' }, undefined, true],
  ])('%s', (_, filter, subject, expected) => expect(matches(filter, 't', subject)).toBe(expected));
});

test('a subscription replaced or deleted leaves nothing behind', () => {
  const index = new RoutingIndex<string>();
  index.set('s', { includedEventTypes: ['a', 'b'] }, 'old');
  index.set('s', { includedEventTypes: ['b'] }, 'new');
  expect(index.match(event('a'))).toEqual([]);
  expect(index.match(event('b'))).toEqual(['new']);
  index.delete('s');
  index.delete('s');
  expect(index.match(event('b'))).toEqual([]);
  expect(index.size).toBe(0);
});

test('the index agrees with asking every subscription in turn', () => {
  const random = seededRandom(7);
  const pick = <V>(from: readonly V[]): V => from[Math.floor(random() * from.length)]!;
  const types = ['a', 'b', 'c', 'd'];
  const subjects = ['', 'x', 'X/y', 'x/Y/z', 'zz'];
  const filters = new Map<string, SubscriptionFilter>();
  const index = new RoutingIndex<string>();
  for (let round = 0; round < 5_000; round++) {
    const key = `s${Math.floor(random() * 50)}`;
    if (random() < 0.3) {
      filters.delete(key);
      index.delete(key);
    } else {
      const filter: SubscriptionFilter = {
        ...(random() < 0.7 ? { includedEventTypes: types.filter(() => random() < 0.4) } : {}),
        ...(random() < 0.4 ? { subjectBeginsWith: pick(subjects) } : {}),
        ...(random() < 0.4 ? { subjectEndsWith: pick(subjects) } : {}),
        isSubjectCaseSensitive: random() < 0.5,
      };
      filters.set(key, filter);
      index.set(key, filter, key);
    }
    const [type, subject] = [pick(types), pick([...subjects, undefined])];
    const expected = [...filters]
      .filter(([, filter]) => matches(filter, type, subject))
      .map(([name]) => name);
    expect(index.match(event(type, subject)).sort()).toEqual(expected.sort());
  }
});
