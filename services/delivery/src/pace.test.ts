import { expect, test } from '@jest/globals';
import { Pace } from './pace.js';

function failing(): Pace {
  const pace = new Pace();
  for (let i = 0; i < 10; i++) pace.failed();
  return pace;
}

/** How many retries a queue gets that asks at these times and uses all it is given. */
function retriesOf(pace: Pace, times: readonly number[]): number[] {
  return times.map((now) => {
    const room = pace.room(now);
    for (let i = 0; i < room; i++) pace.started(now);
    return room;
  });
}

test('the tenth failure in a row makes an endpoint fail, and is told once', () => {
  const pace = new Pace();
  expect(Array.from({ length: 12 }, () => pace.failed())).toEqual([
    ...new Array(9).fill(false),
    true,
    false,
    false,
  ]);
});

test('what is taken in between begins the count anew', () => {
  const pace = new Pace();
  for (let i = 0; i < 9; i++) pace.failed();
  expect(pace.worked()).toBe(false);
  for (let i = 0; i < 9; i++) pace.failed();
  expect(pace.failing).toBe(false);
  expect(pace.room(0)).toBe(Number.POSITIVE_INFINITY);
});

test('ten retries a second start, whether the queue asks every second or every moment', () => {
  const everySecond = Array.from({ length: 10 }, (_, i) => 5_000 + i * 1_000);
  expect(retriesOf(failing(), everySecond)).toEqual(new Array(10).fill(10));
  const everyMoment = Array.from({ length: 1_000 }, (_, i) => 5_000 + i * 10);
  const sum = retriesOf(failing(), everyMoment).reduce((a, b) => a + b);
  // What a second without any has left over, and ten seconds' worth.
  expect(sum).toBeGreaterThanOrEqual(108);
  expect(sum).toBeLessThanOrEqual(110);
});

test('what was taken up at full speed before is not held against the retries of an endpoint that begins to fail', () => {
  const pace = new Pace();
  for (let now = 0; now < 10_000; now++) pace.started(now);
  for (let i = 0; i < 10; i++) pace.failed();
  expect(pace.room(10_000)).toBe(10);
});

test('the first that is taken ends it', () => {
  const pace = failing();
  expect(pace.worked()).toBe(true);
  expect(pace.room(0)).toBe(Number.POSITIVE_INFINITY);
  expect(pace.worked()).toBe(false);
});
