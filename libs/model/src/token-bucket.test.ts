import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TokenBucket } from './token-bucket.js';

/** Takes if that may be; returns how long to wait otherwise, or 0. */
function ask(bucket: TokenBucket, cost: number, rate: number, now: number): number {
  const waitMs = bucket.waitMs(cost, rate, now);
  if (waitMs === 0) bucket.take(cost, rate, now);
  return waitMs;
}

describe('a token bucket', () => {
  test('gives a second’s worth at once, and then as it fills', () => {
    const bucket = new TokenBucket();
    for (let i = 0; i < 10; i++) expect(ask(bucket, 1, 10, 0)).toBe(0);
    expect(ask(bucket, 1, 10, 0)).toBe(100);
    expect(ask(bucket, 1, 10, 99)).toBe(1);
    expect(ask(bucket, 1, 10, 100)).toBe(0);
    expect(ask(bucket, 3, 10, 100)).toBe(300);
    expect(ask(bucket, 10, 10, 60_000)).toBe(0);
    expect(ask(bucket, 1, 10, 60_000)).toBe(100);
  });

  test('lets what is larger than a second’s worth pass when it is full, and makes up for it', () => {
    const bucket = new TokenBucket();
    expect(ask(bucket, 50, 10, 0)).toBe(0);
    expect(ask(bucket, 1, 10, 0)).toBe(4_100);
    expect(ask(bucket, 50, 10, 4_100)).toBe(900);
    expect(ask(bucket, 50, 10, 5_000)).toBe(0);
  });

  test('takes less than one a second', () => {
    const bucket = new TokenBucket();
    expect(ask(bucket, 1, 0.5, 0)).toBe(0);
    expect(ask(bucket, 1, 0.5, 0)).toBe(2_000);
    expect(ask(bucket, 1, 0.5, 1_999)).toBe(1);
    expect(ask(bucket, 1, 0.5, 2_000)).toBe(0);
  });

  test('goes by the rate that it is given', () => {
    const bucket = new TokenBucket();
    bucket.take(0, 100, 0);
    expect(bucket.waitMs(20, 10, 0)).toBe(0);
    bucket.take(10, 10, 0);
    expect(bucket.waitMs(10, 10, 0)).toBe(1_000);
    expect(bucket.waitMs(10, 100, 0)).toBe(100);
  });

  const asks = fc.array(fc.record({ cost: fc.nat({ max: 200 }), afterMs: fc.nat({ max: 3_000 }) }), {
    maxLength: 60,
  });
  const rate = fc.double({ min: 0.1, max: 100, noNaN: true });

  test('never gives more than the rate, a second’s worth and one debt in any stretch of time', () => {
    fc.assert(
      fc.property(asks, rate, (all, perSecond) => {
        const bucket = new TokenBucket();
        const taken: { at: number; cost: number }[] = [];
        let now = 0;
        for (const { cost, afterMs } of all) {
          now += afterMs;
          if (ask(bucket, cost, perSecond, now) === 0) taken.push({ at: now, cost });
        }
        for (let from = 0; from < taken.length; from++) {
          let sum = 0;
          for (const { at, cost } of taken.slice(from)) {
            // Before the last of a stretch, nothing may have been owed.
            const most = perSecond + ((at - taken[from]!.at) * perSecond) / 1_000;
            expect(sum + Math.min(cost, perSecond)).toBeLessThanOrEqual(most * (1 + 1e-5));
            sum += cost;
          }
        }
      }),
    );
  });

  test('gives what it refused after the time that it named, and not a millisecond before', () => {
    fc.assert(
      fc.property(asks, rate, fc.nat({ max: 500 }), (all, perSecond, cost) => {
        const bucket = new TokenBucket();
        let now = 0;
        for (const each of all) ask(bucket, each.cost, perSecond, (now += each.afterMs));
        const waitMs = bucket.waitMs(cost, perSecond, now);
        expect(Number.isInteger(waitMs)).toBe(true);
        expect(bucket.waitMs(cost, perSecond, now)).toBe(waitMs);
        if (waitMs > 1) expect(bucket.waitMs(cost, perSecond, now + waitMs - 1)).toBeGreaterThan(0);
        expect(bucket.waitMs(cost, perSecond, now + waitMs)).toBe(0);
      }),
    );
  });

  test('keeps nobody waiting who asks for what it has had time for', () => {
    fc.assert(
      fc.property(rate, fc.integer({ min: 2, max: 200 }), (perSecond, count) => {
        const bucket = new TokenBucket();
        const everyMs = 1_000 / perSecond;
        for (let i = 0; i < count; i++) expect(ask(bucket, 1, perSecond, i * everyMs)).toBe(0);
      }),
    );
  });
});
