import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileLike } from './like.js';

/** What LIKE means, said without any thought of speed. */
function matches(pattern: readonly string[], text: readonly string[]): boolean {
  const [part, next] = pattern;
  if (part === undefined) return text.length === 0;
  if (part === '%') {
    return matches(pattern.slice(1), text) || (text.length > 0 && matches(pattern, text.slice(1)));
  }
  if (text.length === 0) return false;
  const escaped = part === '\\' && (next === '%' || next === '_');
  if (escaped) return text[0] === next && matches(pattern.slice(2), text.slice(1));
  return (part === '_' || part === text[0]) && matches(pattern.slice(1), text.slice(1));
}

test.each<[string, string, boolean]>([
  ['', '', true],
  ['', 'a', false],
  ['%', '', true],
  ['%', 'anything', true],
  ['%%', '', true],
  ['_', '', false],
  ['_%', 'a', true],
  ['%_', '', false],
  ['abc', 'abc', true],
  ['abc', 'ABC', false],
  ['abc%', 'ab', false],
  ['%abc', 'xabc', true],
  ['%abc', 'abcx', false],
  ['%abc%', 'xabcx', true],
  ['ab%ba', 'aba', false],
  ['ab%ba', 'abba', true],
  ['a%b%b', 'ab', false],
  ['%ab%ab%', 'aab ab', true],
  ['%aab', 'aaab', true],
  ['%a_b', 'aaxaxb', true],
  ['_b%', 'ab', true],
  ['_b%', 'b', false],
  [String.raw`abc\%`, 'abc%', true],
  [String.raw`abc\%`, 'abcd', false],
  [String.raw`a\_`, 'a_', true],
  [String.raw`a\_`, 'ab', false],
  [String.raw`a\b`, String.raw`a\b`, true],
  [String.raw`a\\b`, String.raw`a\\b`, true],
  [String.raw`a\\b`, String.raw`a\b`, false],
  [String.raw`a\\%`, String.raw`a\%`, true],
  [String.raw`a\\%`, String.raw`a\b`, false],
  ['a\\', 'a\\', true],
  ['.*', 'ab', false],
  ['(', '(', true],
  ['_', '😀', true],
  ['__', '😀', false],
  ['%\ude00', '😀', false],
  ['\ud83d%', '😀', false],
  ['%\ude00', 'x\ude00', true],
  ['%a%', '😀a😀', true],
  ['_b*', 'abc', false],
])('%j on %j', (pattern, text, expected) => {
  expect(compileLike(pattern)(text)).toBe(expected);
  expect(matches(Array.from(pattern), Array.from(text))).toBe(expected);
});

test('every pattern means what it says', () => {
  // Few characters, so that they meet often; halves of a pair among them.
  const of = (...characters: string[]) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 9 });
  const pattern = of('a', 'b', '%', '_', '\\', '😀', '\ud83d', '\ude00');
  const text = of('a', 'b', '%', '_', '\\', '😀', '\ud83d', '\ude00');
  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      expect(compileLike(pattern)(text)).toBe(matches(Array.from(pattern), Array.from(text)));
    }),
    { numRuns: 10_000 },
  );
});

test('no pattern takes more steps than its length times the length of the text', () => {
  // Each of these would take an age if every % were tried again for each other one.
  const text = 'a'.repeat(4_000);
  expect(compileLike(`${'%a'.repeat(1_000)}%b`)(text)).toBe(false);
  expect(compileLike(`${'%a_'.repeat(1_000)}%b%`)(text)).toBe(false);
  expect(compileLike(`%${'a'.repeat(1_000)}_b%`)(text)).toBe(false);
});
