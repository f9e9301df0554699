import { expect, test } from '@jest/globals';
import { defaultSettings, settingsOf } from './settings.js';

test('what is not given has its default', () => {
  expect(settingsOf({ concurrency: 3 })).toEqual({ ...defaultSettings, concurrency: 3 });
});

test.each([
  [{ concurrency: 0 }, /concurrency must be at least 1, got 0/],
  [{ deadLetterDelayMs: -1 }, /deadLetterDelayMs must be at least 0, got -1/],
  [{ beatMs: Number.NaN }, /beatMs must be at least 1, got NaN/],
  [{ lineEventsMax: Number.POSITIVE_INFINITY }, /lineEventsMax/],
  [{ settleWindowMs: 49 }, /settleWindowMs must be at least 50, got 49/],
  [{ ownershipMs: 5_000 }, /renewEveryMs \(3000\) must be at most half of ownershipMs \(5000\)/],
])('%p is refused', (given, message) => {
  expect(() => settingsOf(given)).toThrow(message);
});
