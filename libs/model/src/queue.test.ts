import { expect, test } from '@jest/globals';
import { durationMs } from './queue.js';

test.each([
  ['PT1M', 60_000],
  ['P7D', 604_800_000],
  ['P1DT2H3M4S', 93_784_000],
  ['PT90S', 90_000],
  ['PT0S', 0],
])('%s is %i ms', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

test.each([
  '',
  'P',
  'PT',
  'P1',
  '1D',
  'P1H',
  'PT1D',
  'P1M',
  'P1Y',
  'P1W',
  'PT1.5S',
  '-PT1S',
  'PT1M2H',
  ' PT1S',
  'PT1S ',
])('%j is no duration that is understood', (text) => {
  expect(durationMs(text)).toBeUndefined();
});
