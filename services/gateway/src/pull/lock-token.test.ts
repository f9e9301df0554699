import { expect, test } from '@jest/globals';
import { type Lock, LockTokens } from './lock-token.js';

const tokens = new LockTokens(Buffer.from('the-root-key-of-the-tests-012345'));
const lock: Lock = {
  place: { partition: 3, entry: '1732470000000-12', index: 127 },
  lease: 'c0123456789ab.17',
  received: 2,
  receivedAt: 1_732_470_001_000,
  liveFrom: 1_732_470_000_000,
};

test('a token gives back its lock, to the subscription it was given out for', () => {
  const token = tokens.tokenOf('suba', lock);
  expect(token).toMatch(/^[A-Za-z0-9._~-]+$/);
  expect(token.length).toBeLessThan(512);
  expect(tokens.lockOf('suba', token)).toEqual(lock);
  expect(tokens.lockOf('subb', token)).toBeUndefined();
  expect(new LockTokens(Buffer.from('another')).lockOf('suba', token)).toBeUndefined();
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
