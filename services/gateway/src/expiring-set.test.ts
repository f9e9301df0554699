import { expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { ExpiringSet } from './expiring-set.js';

test('a key is in it until its instant', async () => {
  const clock = new FakeClock(0);
  const set = new ExpiringSet(2, clock);
  set.add('a', 10);
  expect([set.has('a'), set.has('b')]).toEqual([true, false]);
  await clock.advance(9);
  expect(set.has('a')).toBe(true);
  await clock.advance(1);
  expect(set.has('a')).toBe(false);
  set.add('a', 20);
  expect(set.has('a')).toBe(true);
});

test('the oldest goes for one too many, and a key that is added again is young', () => {
  const set = new ExpiringSet(2, new FakeClock(0));
  const seen = () => ['a', 'b', 'c'].filter((key) => set.has(key));
  set.add('a', 10);
  set.add('b', 10);
  expect(seen()).toEqual(['a', 'b']);
  set.add('a', 10);
  expect(seen()).toEqual(['a', 'b']);
  set.add('c', 10);
  expect(seen()).toEqual(['a', 'c']);
});
