/** A bag holds what was put in and not taken out, whatever the order. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Bag, type InBag } from './bag.js';

const items = (count: number): InBag[] => Array.from({ length: count }, () => ({ bagIndex: -1 }));

test('agrees with a set on any history', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9)), (moves) => {
      const all = items(10);
      const bag = new Bag<InBag>();
      const model = new Set<InBag>();
      for (const move of moves) {
        const item = all[move]!;
        if (model.has(item)) {
          expect(bag.delete(item)).toBe(model.delete(item));
        } else {
          expect(bag.delete(item)).toBe(false);
          bag.add(item);
          model.add(item);
        }
        expect(new Set(bag)).toEqual(model);
        expect(bag.size).toBe(model.size);
      }
    }),
  );
});

test('what is gone over may be taken out meanwhile', () => {
  const all = items(3);
  const bag = new Bag<InBag>();
  for (const item of all) bag.add(item);
  const seen: InBag[] = [];
  for (const item of bag) {
    seen.push(item);
    for (const other of all) bag.delete(other);
  }
  expect(seen).toEqual(all);
  expect(bag.size).toBe(0);
});
