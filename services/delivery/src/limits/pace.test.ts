import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Pace } from './pace.js';

/** Takes all there is at each of these instants; how many that was. */
const takeAt = (pace: Pace, instants: readonly number[]): number[] =>
  instants.map((now) => {
    const count = pace.available(now);
    for (let i = 0; i < count; i++) pace.take(now);
    return count;
  });

describe('a pace', () => {
  test.each([
    [0.5, 1],
    [9, 1],
    [10, 2],
    [25, 3],
    [100, 11],
  ])('for a rate of %d a second begins with %d', (rate, count) => {
    expect(new Pace(rate, 0).available(0)).toBe(count);
  });

  test('gets its tokens one after the other, and says when', () => {
    const pace = new Pace(0.5, 0);
    expect(takeAt(pace, [0, 0, 1_899, 1_900, 3_899, 3_900])).toEqual([1, 0, 0, 1, 0, 1]);
    expect(pace.waitMs(3_900)).toBe(2_000);
    expect(pace.waitMs(5_400)).toBe(500);
    expect(pace.waitMs(5_900)).toBe(0);
  });

  test('keeps to another rate from then on', () => {
    const pace = new Pace(100, 0);
    pace.change(1, 0);
    expect(takeAt(pace, [0, 899, 900])).toEqual([1, 0, 1]);
    pace.change(1_000, 900);
    expect(takeAt(pace, [900, 910])).toEqual([0, 10]);
  });

  test('is full when a new one would be the same', () => {
    const pace = new Pace(0.01, 0);
    expect(pace.full(0)).toBe(true);
    pace.take(0);
    expect([pace.full(99_999), pace.full(100_000)]).toEqual([false, true]);
  });

  test('takes nothing back where time seems to go backwards', () => {
    const pace = new Pace(1, 5_000);
    pace.take(5_000);
    expect([pace.available(0), pace.available(5_899), pace.available(5_900)]).toEqual([0, 0, 1]);
  });

  test('allows no more in any time than the rate and what was left over, and in the long run no less', () => {
    const pauses = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 50, maxLength: 200 });
    fc.assert(
      fc.property(fc.double({ min: 0.5, max: 500, noNaN: true }), pauses, (rate, steps) => {
        let now = 0;
        const instants = steps.map((step) => (now += step));
        const counts = takeAt(new Pace(rate, 0), instants);
        let excess = 0;
        for (let from = 0; from < counts.length; from++) {
          let sum = 0;
          for (let to = from; to < counts.length; to++) {
            sum += counts[to]!;
            excess = Math.max(excess, sum - (rate * (instants[to]! - instants[from]!)) / 1_000);
          }
        }
        expect(excess).toBeLessThanOrEqual(1 + rate / 10 + 1e-6);
        const total = counts.reduce((a, b) => a + b, 0);
        // Asked more often than the left over lasts, nothing is lost.
        expect(total).toBeGreaterThan((rate * now) / 1_000 - 1);
      }),
    );
  });
});
