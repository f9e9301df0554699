import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Subscription } from '@gridpost/model';
import { boundsOf, partOf, rateOf } from './shares.js';

const workersOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `worker-${i}`);

describe('the parts of a number of permits', () => {
  test('add up to it, and differ by one at most', () => {
    const numbers = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 300 }), fc.string());
    fc.assert(
      fc.property(numbers, ([count, over, subscription]) => {
        const workers = workersOf(count);
        const limit = count + over;
        const parts = workers.map((worker) => partOf(limit, subscription, workers, worker)!);
        expect(parts.reduce((a, b) => a + b)).toBe(limit);
        expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  test('give what is over to others for another subscription', () => {
    const workers = workersOf(4);
    const luckiest = new Set(
      Array.from({ length: 40 }, (_, i) =>
        workers.find((worker) => partOf(5, `subscription-${i}`, workers, worker) === 2),
      ),
    );
    expect(luckiest.size).toBe(4);
  });

  test('are none where there are fewer than workers', () => {
    expect(partOf(2, 's', workersOf(3), 'worker-0')).toBeUndefined();
    expect(partOf(3, 's', workersOf(3), 'worker-0')).toBe(1);
  });

  test('are one for a worker that hands over its last partition', () => {
    expect(partOf(64, 's', workersOf(2), 'gone')).toBe(1);
  });
});

test.each([
  [10, 4, 2.5],
  [0.1, 2, 0.05],
  [10, 0, 10],
])('a rate of %d over %i workers is %d for each', (rate, count, each) => {
  expect(rateOf(rate, workersOf(count))).toBe(each);
});

test.each<[string, object, object | undefined, ReturnType<typeof boundsOf>]>([
  ['nothing', {}, undefined, { concurrency: 64, rate: undefined }],
  ['limits', { maxConcurrency: 2, maxRatePerSecond: 0.5 }, undefined, { concurrency: 2, rate: 0.5 }],
  ['an allowed rate', {}, { state: 'Succeeded', allowedRate: 120 }, { concurrency: 64, rate: 2 }],
  ['any rate allowed', {}, { state: 'Succeeded' }, { concurrency: 64, rate: undefined }],
  [
    'a lower limit than was allowed',
    { maxRatePerSecond: 1 },
    { state: 'Succeeded', allowedRate: 120 },
    { concurrency: 64, rate: 1 },
  ],
  [
    'a higher limit than was allowed',
    { maxRatePerSecond: 3 },
    { state: 'Succeeded', allowedRate: 120 },
    { concurrency: 64, rate: 2 },
  ],
])('a subscription with %s has these bounds', (_, properties, provisioning, bounds) => {
  const subscription = {
    properties: { destination: { endpointType: 'WebHook', properties } },
    ...(provisioning ? { provisioning } : {}),
  } as unknown as Subscription;
  expect(boundsOf(subscription, { concurrency: 64 })).toEqual(bounds);
});
