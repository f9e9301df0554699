import { expect, test } from '@jest/globals';
import { redacted, secretsInUrl } from './redaction.js';

test.each<[string, string[], string]>([
  ['wrong token abcdefgh, sorry', ['abcdefgh'], 'wrong token ***, sorry'],
  ['abcdefgh abcdefgh', ['abcdefgh'], '*** ***'],
  ['Bearer abcdefgh', ['abcdefgh', 'Bearer abcdefgh'], '***'],
  ['it was abcdef', ['abcdefgh'], 'it was ***'],
  ['it was abc', ['abcdefgh'], 'it was abc'],
  ['abcdef is fine', ['abcdefgh'], 'abcdef is fine'],
  ['nothing', [], 'nothing'],
  ['nothing', [''], 'nothing'],
  ['', ['abcdefgh'], ''],
])('%j without %j is %j', (text, secrets, expected) => {
  expect(redacted(text, secrets)).toBe(expected);
});

test('of a URL the query is secret, and the longer values in it, in either spelling', () => {
  expect(secretsInUrl(new URL('https://example.com/a'))).toEqual([]);
  expect(secretsInUrl(new URL('https://example.com/a?'))).toEqual([]);
  expect(secretsInUrl(new URL('https://example.com/a?v=1&code=abc%3Ddefgh'))).toEqual([
    '?v=1&code=abc%3Ddefgh',
    'abc%3Ddefgh',
    'abc=defgh',
  ]);
});
