import { describe, expect, test } from '@jest/globals';
import { median, quantile, ratioOf } from './statistics.js';

describe('median', () => {
  test.each([
    [[3], 3],
    [[5, 1, 3], 3],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('leaves its argument as it was', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  test('of nothing is an error', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  test.each([
    [0, 1],
    [0.5, 51],
    [0.99, 100],
    [1, 100],
  ])('at %d of 1 to 100 is %d', (share, expected) => {
    expect(quantile(hundred, share)).toBe(expected);
  });

  test('of nothing is an error', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });
});

describe('ratioOf', () => {
  test('pairs each round with the same round of the base', () => {
    expect(ratioOf([10, 30, 20], [10, 10, 20]).pairs).toEqual([1, 3, 1]);
  });

  test('tells the median of the pairs from the ratio of the medians', () => {
    const { medianOfPairs, ofMedians } = ratioOf([100, 200, 300], [100, 50, 300]);
    expect(medianOfPairs).toBe(1);
    expect(ofMedians).toBe(2);
  });

  test('refuses rounds without a partner', () => {
    expect(() => ratioOf([1, 2], [1])).toThrow('2 rounds cannot be paired with 1');
  });
});
