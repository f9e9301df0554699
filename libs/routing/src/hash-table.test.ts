import { expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import { HashTable, hashBackwards, hashOf, hashScalar, hashText, hashUnit, noText } from './hash-table.js';
import type { Scalar } from './kinds.js';

test('agrees with a map, whatever is set and deleted, with hashes that collide as well', () => {
  const random = seededRandom(5);
  for (const hash of [hashScalar, (value: Scalar) => (hashScalar(value) & 7) + 1]) {
    const table = new HashTable<Scalar, number>();
    const map = new Map<Scalar, number>();
    for (let round = 0; round < 5_000; round++) {
      const number = Math.floor(random() * 100) - 50;
      const key: Scalar = random() < 0.5 ? number : random() < 0.95 ? `text ${number}` : number > 0;
      if (random() < 0.5) {
        table.set(hash(key), key, round);
        map.set(key, round);
      } else {
        table.delete(hash(key), key);
        map.delete(key);
      }
      const asked: Scalar = random() < 0.5 ? key : `text ${Math.floor(random() * 100) - 50}`;
      expect(table.get(hash(asked), asked)).toBe(map.get(asked));
      expect(table.size).toBe(map.size);
    }
    for (const key of map.keys()) table.delete(hash(key), key);
    expect(table.size).toBe(0);
  }
});

test('zero is zero, whatever its sign, and a text is not a number', () => {
  const table = new HashTable<Scalar, string>();
  table.set(hashScalar(0), 0, 'zero');
  expect(table.get(hashScalar(-0), -0)).toBe('zero');
  expect(table.get(hashScalar('0'), '0')).toBeUndefined();
  expect(table.get(hashScalar(false), false)).toBeUndefined();
});

test('beginnings and ends are found by hashes taken on the way', () => {
  const table = new HashTable<string, string>();
  for (const key of ['', 'a', 'ab', 'b', '😀']) table.set(hashText(key), key, key);
  const found: string[] = [];
  const text = 'ab😀';
  let state = noText;
  for (let length = 0; length <= text.length; length++) {
    const hit = table.getAffix(hashOf(state), text, length, false);
    if (hit !== undefined) found.push(hit);
    state = hashUnit(state, text.charCodeAt(length));
  }
  expect(found).toEqual(['', 'a', 'ab']);
  const ends = new HashTable<string, string>();
  ends.set(hashBackwards('b😀'), 'b😀', 'end');
  expect(ends.getAffix(hashBackwards('b😀'), text, 3, true)).toBe('end');
  expect(ends.getAffix(hashBackwards('b😀'), 'xa😀', 3, true)).toBeUndefined();
});
