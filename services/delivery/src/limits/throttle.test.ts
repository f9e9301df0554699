import { describe, expect, test } from '@jest/globals';
import { holdMsMax, Throttle } from './throttle.js';

const whole = { attempts: 4, ceiling: 4, rate: undefined };

describe('a throttle', () => {
  test('leaves what its part leaves', () => {
    const throttle = new Throttle(whole, 0);
    expect([0, 3, 4, 5].map((running) => throttle.room(running, 0))).toEqual([4, 1, 0, 0]);
    throttle.set({ ...whole, attempts: 2, ceiling: 2 }, 0);
    expect(throttle.room(0, 0)).toBe(2);
    expect(throttle.shut(0)).toBe(false);
  });

  test('without a permit leaves nothing, and forgets nothing of what the endpoint bears', () => {
    const throttle = new Throttle({ ...whole, ceiling: 2, attempts: 0 }, 0);
    expect([throttle.limit, throttle.room(0, 0), throttle.shut(0)]).toEqual([0, 0, true]);
    throttle.set({ ...whole, ceiling: 2, attempts: 2 }, 0);
    expect(throttle.limit).toBe(2);
    throttle.ended({ signal: 'tooMuch', startedAt: 0, endedAt: 1 });
    throttle.set({ ...whole, ceiling: 2, attempts: 0 }, 0);
    throttle.set({ ...whole, ceiling: 2, attempts: 2 }, 0);
    expect(throttle.limit).toBe(1);
  });

  test('leaves what its rate leaves, and says when it is more', () => {
    const throttle = new Throttle({ ...whole, rate: 2 }, 0);
    expect(throttle.room(0, 0)).toBe(1);
    expect(throttle.opensInMs(0)).toBeUndefined();
    throttle.started(0);
    expect([throttle.room(0, 0), throttle.shut(0), throttle.opensInMs(0)]).toEqual([0, true, 400]);
    expect([throttle.room(0, 400), throttle.shut(400)]).toEqual([1, false]);
    throttle.set(whole, 0);
    expect(throttle.room(0, 0)).toBe(4);
  });

  test('leaves an endpoint alone for as long as it wants, five minutes at most', () => {
    const throttle = new Throttle(whole, 0);
    expect(throttle.hold(1_000, 100)).toBe(true);
    expect([throttle.held(1_099), throttle.held(1_100)]).toEqual([true, false]);
    expect([throttle.room(0, 1_099), throttle.shut(1_099), throttle.opensInMs(1_000)]).toEqual([
      0,
      true,
      100,
    ]);
    expect(throttle.room(0, 1_100)).toBe(4);
    expect(throttle.hold(holdMsMax + 1, 2_000)).toBe(true);
    expect(throttle.heldUntil).toBe(2_000 + holdMsMax);
  });

  test('is not held again while it is, and never for less', () => {
    const throttle = new Throttle(whole, 0);
    throttle.hold(1_000, 0);
    expect(throttle.hold(500, 0)).toBe(false);
    expect(throttle.hold(2_000, 0)).toBe(false);
    expect(throttle.heldUntil).toBe(2_000);
    expect(new Throttle(whole, 0).hold(0, 0)).toBe(false);
    const asked = new Throttle(whole, 0);
    asked.hold(0, 1_000);
    expect(asked.held(999)).toBe(false);
    asked.hold(5_000, 1_000);
    asked.release();
    expect(asked.held(999)).toBe(false);
  });

  test('is at rest where a new one would be the same', () => {
    const throttle = new Throttle({ ...whole, rate: 0.1 }, 0);
    expect(throttle.atRest(0)).toBe(true);
    throttle.started(0);
    expect([throttle.atRest(9_000), throttle.atRest(10_000)]).toEqual([false, true]);
    throttle.hold(5_000, 10_000);
    expect([throttle.atRest(14_999), throttle.atRest(15_000)]).toEqual([false, true]);
  });
});
