import { expect, test } from '@jest/globals';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';

test.each([
  'http://example.com',
  'HTTPS://EXAMPLE.com/Hook?code=a%20b&x=1',
  'http://127.0.0.1:9000/',
  'http://[::1]:9000/a',
  'https://bücher.example/ä',
  'https://example.com/@user',
  `https://example.com/${'a'.repeat(2028)}`,
])('%s is an endpoint', (url) => {
  expect(endpointUrlFault(url)).toBeUndefined();
});

test.each([
  '',
  'example.com',
  '/hook',
  '//example.com',
  'http:example.com',
  'http:/example.com',
  'http://',
  'http://:80',
  'ftp://example.com',
  'file:///etc/passwd',
  'javascript:alert(1)',
  'unix:/var/run/docker.sock',
  'http://user@example.com',
  'http://user:password@example.com',
  'http://@example.com',
  'http://:@example.com',
  'http://example.com/#fragment',
  'http://example.com/#',
  ' http://example.com',
  'http://example.com ',
  'http://exa mple.com',
  'http://exam\nple.com',
  'http://example.com/\r\nHost: other',
  'http://example.com/\t',
  'http://example.com\\@other.example',
  'http://example.com/\u0000',
  'http://example.com/\u0085',
  'http://example.com:99999/',
  'http://[::1',
  'http://%',
  `https://example.com/${'a'.repeat(2029)}`,
])('%j is not', (url) => {
  const fault = endpointUrlFault(url);
  expect(fault).toMatch(/expected/);
  if (url.length > 12) expect(fault).not.toContain(url);
});

test('what is shown of an endpoint has no query', () => {
  expect(endpointBaseUrl('https://example.com:8443/a/b?code=secret')).toBe('https://example.com:8443/a/b');
});
