import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { acceptedAtOf, isEntryId, memberOf, placeOf } from './keys.js';

const places = fc.record({
  ms: fc.integer({ min: 0, max: 9_999_999_999_999 }),
  sequence: fc.integer({ min: 0, max: 9_999_999_999 }),
  index: fc.integer({ min: 0, max: 127 }),
});

describe('queue members', () => {
  test('give back the place they were made from', () => {
    fc.assert(
      fc.property(places, ({ ms, sequence, index }) => {
        const entry = `${ms}-${sequence}`;
        expect(isEntryId(entry)).toBe(true);
        expect(acceptedAtOf(entry)).toBe(ms);
        expect(placeOf(memberOf(entry, index)!)).toEqual({ entry, index, acceptedAt: ms });
      }),
    );
  });

  test('compare as their places do', () => {
    fc.assert(
      fc.property(places, places, (a, b) => {
        const order = a.ms - b.ms || a.sequence - b.sequence || a.index - b.index;
        const [first, second] = [a, b].map(
          ({ ms, sequence, index }) => memberOf(`${ms}-${sequence}`, index)!,
        );
        expect(Math.sign(Buffer.compare(Buffer.from(first!), Buffer.from(second!)))).toBe(Math.sign(order));
      }),
    );
  });

  test.each([
    ['', 0],
    ['ff', 0],
    ['1', 0],
    ['1-', 0],
    ['1-1-1', 0],
    [' 1-1', 0],
    ['1-1\n', 0],
    ['1-1', -1],
    ['1-1', 1.5],
    ['1-1', 128],
    ['1-1', Number.NaN],
    ['12345678901234-0', 0],
  ])('cannot be made of %j and %d', (entry, index) => {
    expect(memberOf(entry, index)).toBeUndefined();
  });
});
