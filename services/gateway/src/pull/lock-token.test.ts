import { expect, test } from '@jest/globals';
import type { Lease, Lock } from './leases.js';
import { LockTokens } from './lock-token.js';

const tokens = new LockTokens(Buffer.from('the-root-key-of-the-tests-012345'));
const lease: Lease = {
  partition: 3,
  entry: '1732470000000-12',
  token: 'c0123456789ab.17',
  received: 2,
  receivedAt: 1_732_470_001_000,
  liveFrom: 1_732_470_000_000,
};
const lock: Lock = { lease, index: 127 };

test('a token gives back its lock, to the subscription it was given out for', () => {
  const token = tokens.tokenOf('suba', lock);
  expect(token).toMatch(/^[A-Za-z0-9._~-]+$/);
  expect(token.length).toBeLessThan(512);
  expect(tokens.lockOf('suba', token)).toEqual(lock);
  expect(tokens.lockOf('subb', token)).toBeUndefined();
  expect(new LockTokens(Buffer.from('another')).lockOf('suba', token)).toBeUndefined();
});

test('tokens of one lease differ in their codes, and are read as of one lease', () => {
  const all = Array.from({ length: 128 }, (_, index) => tokens.tokenOf('suba', { lease, index }));
  expect(new Set(all.map((token) => token.slice(0, 16))).size).toBe(128);
  tokens.tokenOf('subb', lock);
  const locks = all.map((token) => tokens.lockOf('suba', token)!);
  expect(locks.map(({ index }) => index)).toEqual([...all.keys()]);
  expect(new Set(locks.map((each) => each.lease)).size).toBe(1);
});

test.each<Partial<Lease>>([
  { partition: 4 },
  { entry: '1732470000000-13' },
  { token: 'c0123456789ab.18' },
  { received: 3 },
  { receivedAt: 1 },
  { liveFrom: 1 },
])('a token of a lease with %j is another', (other) => {
  const token = tokens.tokenOf('suba', lock);
  const changed = { lease: { ...lease, ...other }, index: 127 };
  const another = tokens.tokenOf('suba', changed);
  expect(another.slice(0, 16)).not.toBe(token.slice(0, 16));
  expect(tokens.lockOf('suba', token)).toEqual(lock);
  expect(tokens.lockOf('suba', another)).toEqual(changed);
  expect(tokens.lockOf('suba', token.slice(0, 16) + another.slice(16))).toBeUndefined();
});

test('no token with another bit is one', () => {
  const token = tokens.tokenOf('suba', lock);
  const bytes = Buffer.from(token, 'latin1');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(tokens.lockOf('suba', changed.toString('latin1'))).toBeUndefined();
  }
});

test.each(['', 'x', 'AAAA', 'a'.repeat(512), '\u{1f600}', '../..'])('%j is none', (token) => {
  expect(tokens.lockOf('suba', token)).toBeUndefined();
});
