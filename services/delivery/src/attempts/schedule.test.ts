import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import { parseRetryAfter, retryDelayMs } from './schedule.js';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const middle = (): number => 0.5;
const eventGrid = {};

describe('the wait before the next attempt', () => {
  test.each([
    [1, 10 * second],
    [2, 30 * second],
    [3, minute],
    [4, 5 * minute],
    [5, 10 * minute],
    [6, 30 * minute],
    [7, hour],
    [8, 3 * hour],
    [9, 6 * hour],
    [10, 12 * hour],
    [11, 12 * hour],
    [29, 12 * hour],
  ])('after attempt %i is %i ms', (attempts, expected) => {
    expect(retryDelayMs({ attempts, status: 500, retryAfterMs: undefined }, eventGrid, middle)).toBe(
      expected,
    );
  });

  test.each([
    [408, 2 * minute],
    [503, 30 * second],
    [404, 5 * minute],
    [500, 10 * second],
    [429, 10 * second],
    [undefined, 10 * second],
  ])('is never less than the floor of status %p', (status, floorMs) => {
    const random = seededRandom(7);
    for (let i = 0; i < 1_000; i++) {
      const delayMs = retryDelayMs({ attempts: 1, status, retryAfterMs: undefined }, eventGrid, random);
      expect(delayMs).toBeGreaterThanOrEqual(floorMs);
      expect(delayMs).toBeLessThanOrEqual(floorMs * 1.1);
    }
  });

  test('leaves the floor to the schedule where that is longer', () => {
    expect(retryDelayMs({ attempts: 5, status: 404, retryAfterMs: undefined }, eventGrid, middle)).toBe(
      10 * minute,
    );
  });

  test('varies by a tenth both ways, so that what failed together does not return together', () => {
    const random = seededRandom(3);
    const bins = new Array<number>(21).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const delayMs = retryDelayMs({ attempts: 3, status: 500, retryAfterMs: undefined }, eventGrid, random);
      expect(Math.abs(delayMs - minute)).toBeLessThanOrEqual(minute / 10);
      bins[Math.floor((delayMs - 54 * second) / 600)]!++;
    }
    expect(Math.max(...bins.slice(0, 20))).toBeLessThan(3 * (10_000 / 20));
  });

  test('does not gather at the floor what jitter would take below it', () => {
    const random = seededRandom(5);
    let atFloor = 0;
    for (let i = 0; i < 1_000; i++)
      if (
        retryDelayMs({ attempts: 1, status: 500, retryAfterMs: undefined }, eventGrid, random) ===
        10 * second
      )
        atFloor++;
    expect(atFloor).toBeLessThan(10);
  });

  test.each([
    ['longer than the gap', 1, 45 * second, 45 * second],
    ['shorter than the gap', 4, 45 * second, 5 * minute],
    ['longer than a day', 1, 100 * hour, 24 * hour],
  ])('heeds a wish that is %s', (_, attempts, retryAfterMs, expected) => {
    const failure = { attempts, status: 503, retryAfterMs };
    expect(retryDelayMs(failure, eventGrid, middle)).toBe(expected);
    expect(retryDelayMs(failure, eventGrid, () => 0)).toBeGreaterThanOrEqual(
      Math.min(retryAfterMs, 24 * hour),
    );
  });
});

describe("a schedule of one's own", () => {
  const list = { delaysInSeconds: [0.5, 2, 60] };
  const growing = {
    exponentialBackoff: { firstDelayInSeconds: 1, factor: 3, maxDelayInSeconds: 20, jitter: 0.5 },
  };
  const failure = { attempts: 1, status: 404, retryAfterMs: undefined };

  test.each([
    [1, 500],
    [2, 2 * second],
    [3, minute],
    [4, minute],
    [30, minute],
  ])('has after attempt %i of a list %i ms, whatever the status', (attempts, expected) => {
    expect(retryDelayMs({ ...failure, attempts }, list, middle)).toBe(expected);
  });

  test.each([
    [1, second],
    [2, 3 * second],
    [3, 9 * second],
    [4, 20 * second],
    [30, 20 * second],
  ])('that grows has after attempt %i %i ms', (attempts, expected) => {
    expect(retryDelayMs({ ...failure, attempts }, growing, middle)).toBe(expected);
  });

  test("has the jitter that it names, and a list that of Event Grid's", () => {
    expect(retryDelayMs(failure, growing, () => 0)).toBe(second / 2);
    expect(retryDelayMs(failure, growing, () => 1)).toBe((3 * second) / 2);
    expect(retryDelayMs(failure, list, () => 0)).toBe(450);
    expect(retryDelayMs(failure, list, () => 1)).toBe(550);
  });

  test.each([list, growing])('heeds the wish of an endpoint', (policy) => {
    const wish = { ...failure, retryAfterMs: 45 * second };
    expect(retryDelayMs(wish, policy, middle)).toBe(45 * second);
    expect(retryDelayMs(wish, policy, () => 0)).toBeGreaterThan(45 * second);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-05-04T03:02:01Z');
  test.each([
    ['0', 0],
    ['120', 120 * second],
    [' 7 ', 7 * second],
    ['999999999999999999999', 24 * hour],
    ['Mon, 04 May 2026 03:03:01 GMT', minute],
    ['Monday, 04-May-26 03:03:01 GMT', minute],
    ['Mon May  4 03:03:01 2026', minute],
    ['Mon, 04 May 2026 03:00:00 GMT', 0],
    ['Mon, 04 May 2099 03:00:00 GMT', 24 * hour],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['2026-05-04T03:03:01Z', undefined],
    ['Mon', undefined],
  ])('%p means %p ms', (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });
});
