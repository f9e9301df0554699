import { expect, test } from '@jest/globals';
import { hostIn, isLoopback } from './host.js';

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

test.each([
  ['http://[::1]:8080/', '::1'],
  ['http://127.0.0.1/', '127.0.0.1'],
  ['https://example.org/[x]', 'example.org'],
])('the host in %s is %s', (url, host) => expect(hostIn(new URL(url))).toBe(host));
