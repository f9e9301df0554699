import { expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { ExpiringMap } from './expiring-map.js';

test('a value is in it until its instant', async () => {
  const clock = new FakeClock(0);
  const map = new ExpiringMap<number>(2, clock);
  map.set('a', 1, 10);
  expect([map.get('a'), map.get('b')]).toEqual([1, undefined]);
  await clock.advance(9);
  expect(map.get('a')).toBe(1);
  await clock.advance(1);
  expect(map.get('a')).toBeUndefined();
  map.set('a', 2, 20);
  expect(map.get('a')).toBe(2);
});

test('the oldest goes for one too many, and a key that is set again is young', () => {
  const map = new ExpiringMap<string>(2, new FakeClock(0));
  const seen = () => ['a', 'b', 'c'].filter((key) => map.get(key) !== undefined);
  map.set('a', 'x', 10);
  map.set('b', 'x', 10);
  expect(seen()).toEqual(['a', 'b']);
  map.set('a', 'x', 10);
  expect(seen()).toEqual(['a', 'b']);
  map.set('c', 'x', 10);
  expect(seen()).toEqual(['a', 'c']);
});
