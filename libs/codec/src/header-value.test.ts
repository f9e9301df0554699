import { expect, test } from '@jest/globals';
import { fitsHeader, headerText } from './index.js';

test.each([
  ['x', true],
  ['Bearer a b', true],
  ['a\tb', true],
  ['100%', true],
  ['', false],
  [' x', false],
  ['x ', false],
  ['x\t', false],
  ['a\r\nb', false],
  ['a\0b', false],
  ['a\x7fb', false],
  ['é', false],
])('%j fits into a header: %p', (value, fits) => {
  expect(fitsHeader(value)).toBe(fits);
});

test('what fits is sent as it is, and anything else encoded as a whole', () => {
  expect(headerText('100% "sure"')).toBe('100% "sure"');
  expect(headerText('100% sûr')).toBe('100%25%20s%C3%BBr');
  expect(headerText('a\r\nx: 1')).toBe('a%0D%0Ax:%201');
});
