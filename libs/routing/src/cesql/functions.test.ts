import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatenationMax } from './functions.js';
import { evaluate, outcome } from './testing/scope.js';

const failed = (value: string) => [value, 'functionEvaluation'];

test.each<[string, unknown]>([
  ["INT('12')", 12],
  ["INT('12x')", [0, 'cast']],
  ['INT(2147483647)', 2147483647],
  ["INT('2147483648')", [0, 'cast']],
  ["BOOL('True')", true],
  ["BOOL('yes')", [false, 'cast']],
  ['BOOL(-1)', true],
  ['STRING(-2147483648)', '-2147483648'],
  ['STRING(007)', '7'],
  ['STRING(TRUE)', 'true'],

  ["LENGTH('')", 0],
  ["LENGTH('aé😀')", 3],
  ["LENGTH('e\u0301')", 2],
  ["LENGTH('\ud83d')", 1],
  ['LENGTH(-12)', 3],

  ['CONCAT()', ''],
  ["CONCAT('a', 1, TRUE)", 'a1true'],
  ["CONCAT_WS('-')", ''],
  ["CONCAT_WS('-', '')", ''],
  ["CONCAT_WS('-', '', '')", '-'],
  ["CONCAT_WS(0, 'a', 'b', 'c')", 'a0b0c'],

  ["LOWER('ÀÉ1')", 'àé1'],
  ["UPPER('straße')", 'STRASSE'],
  ['UPPER(true)', 'TRUE'],

  ["TRIM('\t\n\u00a0\u0085\u3000 a b \u2003\u2028')", 'a b'],
  ["TRIM('\u0000 a \u200b\ufeff')", '\u0000 a \u200b\ufeff'],
  ["TRIM('   ')", ''],
  ["TRIM('')", ''],

  ["LEFT('abc', 0)", ''],
  ["LEFT('abc', 3)", 'abc'],
  ["LEFT('abc', 4)", 'abc'],
  ["LEFT('😀😁', 1)", '😀'],
  ["LEFT('abc', '2')", 'ab'],
  ["LEFT('abc', -1)", failed('abc')],
  ["LEFT('', -1)", failed('')],
  ['LEFT(123, -1)', failed('123')],

  ["RIGHT('abc', 0)", ''],
  ["RIGHT('abc', 3)", 'abc'],
  ["RIGHT('abc', 4)", 'abc'],
  ["RIGHT('😀😁', 1)", '😁'],
  ["RIGHT('abc', -1)", failed('abc')],

  ["SUBSTRING('abc', 3)", 'c'],
  ["SUBSTRING('abc', 4)", failed('')],
  ["SUBSTRING('abc', -3)", 'abc'],
  ["SUBSTRING('abc', -4)", failed('')],
  ["SUBSTRING('abc', 0)", ''],
  ["SUBSTRING('', 0)", ''],
  ["SUBSTRING('', 1)", failed('')],
  ["SUBSTRING('abc', 2, 0)", ''],
  ["SUBSTRING('abc', 2, 1)", 'b'],
  ["SUBSTRING('abc', 2, 2147483647)", 'bc'],
  ["SUBSTRING('abc', -2, 1)", 'b'],
  ["SUBSTRING('abc', 2, -1)", failed('')],
  ["SUBSTRING('abc', 0, -1)", failed('')],
  ["SUBSTRING('a😀b😁c', 2, 3)", '😀b😁'],
  ["SUBSTRING('a😀b😁c', -2)", '😁c'],

  ['ABS(-5)', 5],
  ["ABS('-5')", 5],
  ['ABS(0)', 0],
  ['ABS(2147483647)', 2147483647],
  ['ABS(-2147483647)', 2147483647],
  ['ABS(-2147483648)', [2147483647, 'math']],
])('%s', (text, expected) => expect(outcome(text)).toEqual(expected));

test.each(['LENGTH()', "LENGTH('a', 'b')", 'ABS()', "LEFT('a')", "SUBSTRING('a')", 'SUBSTRING(1, 1, 1, 1)'])(
  'a call that fits no parameters is a missing function: %s',
  (text) => expect(outcome(text)).toEqual([false, 'missingFunction']),
);

test.each(['IS_INT(1)', 'IS_BOOL(1)', 'constructor(1)', 'toString()', 'has(1)'])(
  'nothing but the functions of the specification can be called: %s',
  (text) => expect(outcome(text)).toEqual([false, 'missingFunction']),
);

test.each(['length', 'Length', 'LENGTH'])('names are read in any case: %s', (name) =>
  expect(outcome(`${name}('abc')`)).toBe(3),
);

test('a concatenation ends where its bound is', () => {
  const attributes = { half: 'x'.repeat(concatenationMax / 2) };
  expect(evaluate('LENGTH(CONCAT(half, half))', attributes).value).toBe(concatenationMax);
  expect(outcome("CONCAT(half, half, 'x')", attributes)).toEqual(failed(''));
  expect(outcome("CONCAT_WS('x', half, half)", attributes)).toEqual(failed(''));
});

test('parts of a text are those of its characters', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const number = fc.integer({ min: -14, max: 14 });
  fc.assert(
    fc.property(text, number, fc.nat(14), (value, position, length) => {
      const characters = Array.from(value);
      const call = (expression: string) => evaluate(expression, { value, position, length }).value;
      expect(call('LENGTH(value)')).toBe(characters.length);
      expect(call('LEFT(value, length)')).toBe(characters.slice(0, length).join(''));
      expect(call('RIGHT(value, length)')).toBe(characters.slice(-length || characters.length).join(''));
      const from = position > 0 ? position - 1 : characters.length + position;
      const inside = position !== 0 && Math.abs(position) <= characters.length;
      const part = inside ? characters.slice(from, from + length).join('') : '';
      expect(call('SUBSTRING(value, position, length)')).toBe(part);
    }),
  );
});
