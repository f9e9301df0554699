import { describe, expect, test } from '@jest/globals';
import { contains, isRange, parseAddress, parseRange } from './address.js';

test.each([
  ['0.0.0.0', 32, 0n],
  ['1.2.3.4', 32, 0x01020304n],
  ['255.255.255.255', 32, 0xffffffffn],
  ['::', 128, 0n],
  ['::1', 128, 1n],
  ['1::', 128, 1n << 112n],
  ['1:2:3:4:5:6:7:8', 128, 0x00010002000300040005000600070008n],
  ['1:2:3:4:5:6:7::', 128, 0x00010002000300040005000600070000n],
  ['::2:3:4:5:6:7:8', 128, 0x00000002000300040005000600070008n],
  ['1:2::7:8', 128, 0x00010002000000000000000000070008n],
  ['ABCD::ef01', 128, (0xabcdn << 112n) | 0xef01n],
  ['64:ff9b::1.2.3.4', 128, (0x64n << 112n) | (0xff9bn << 96n) | 0x01020304n],
  ['::1.2.3.4', 128, 0x01020304n],
  ['::ffff:1.2.3.4', 32, 0x01020304n],
  ['::ffff:102:304', 32, 0x01020304n],
  ['0:0:0:0:0:ffff:1.2.3.4', 32, 0x01020304n],
] as const)('%s is an address of %i bits', (text, bits, value) => {
  expect(parseAddress(text)).toEqual({ bits, value });
});

test.each([
  '',
  'a.test',
  '127.1',
  '0177.0.0.1',
  '127.0.0.01',
  '0x7f.0.0.1',
  '2130706433',
  '1.2.3.4.',
  ' 1.2.3.4',
  '[::1]',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7:8:9',
  '::ffff:127.1',
  'fe80::1%eth0',
])('%j is none', (text) => expect(parseAddress(text)).toBeUndefined());

describe('a range', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.9.9.9/8', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.1/32', '::ffff:10.0.0.1', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', 'fd00::1', true],
    ['::/0', '10.0.0.1', false],
    ['::/0', '::ffff:10.0.0.1', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fc00::1', false],
    ['fd00::1', 'fd00::1', true],
    ['fd00:0:0:8000::/49', 'fd00:0:0:ffff::1', true],
    ['fd00:0:0:8000::/49', 'fd00:0:0:7fff::1', false],
  ])('%s contains %s: %s', (range, address, expected) => {
    expect(contains(parseRange(range)!, parseAddress(address)!)).toBe(expected);
  });

  test.each([
    '',
    '/8',
    '10/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/08x',
    '10.0.0.0-10.0.0.9',
    '::/129',
    'fe80::%lo/64',
    '::ffff:10.0.0.0/104',
    'a.test',
    '*',
  ])('%j is none', (text) => expect(isRange(text)).toBe(false));
});
