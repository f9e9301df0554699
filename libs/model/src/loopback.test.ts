import { expect, test } from '@jest/globals';
import { isLoopback } from './loopback.js';

test.each([
  ['127.0.0.1', true],
  ['127.8.0.1', true],
  ['localhost', true],
  ['::1', true],
  ['0:0:0:0:0:0:0:1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['::ffff:127.0.0.1', false],
  ['example.org', false],
])('%s is loopback: %s', (host, expected) => expect(isLoopback(host)).toBe(expected));
