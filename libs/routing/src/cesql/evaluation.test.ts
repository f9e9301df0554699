import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CesqlScope, parseCesql } from './index.js';
import { evaluate, outcome, scopeOf } from './testing/scope.js';

type Outcome = ReturnType<typeof outcome>;

const attributes = { id: 'A', type: 't', count: 7, flag: true, zero: '0', word: 'word' };

describe('casts', () => {
  test.each<[string, Outcome]>([
    ["'+5' + 0", 5],
    ["'-5' + 0", -5],
    ["'007' + 0", 7],
    ["'-0' + 0", 0],
    ["'2147483647' + 0", 2147483647],
    ["'-2147483648' + 0", -2147483648],
    ["'2147483648' + 0", [0, 'cast']],
    ["'-2147483649' + 0", [0, 'cast']],
    ["' 5' + 0", [0, 'cast']],
    ["'5.0' + 0", [0, 'cast']],
    ["'1e3' + 0", [0, 'cast']],
    ["'0x10' + 0", [0, 'cast']],
    ["'٣' + 0", [0, 'cast']],
    ["'' + 0", [0, 'cast']],
    ["'+' + 0", [0, 'cast']],
    ['TRUE + TRUE', 2],
    ["NOT 'fAlSe'", true],
    ["NOT ' false'", [false, 'cast']],
    ["NOT '1'", [false, 'cast']],
    ["NOT ''", [false, 'cast']],
    ['NOT 0', true],
    ['NOT -5', false],
    ["0 LIKE '0'", true],
    ["-5 LIKE '-_'", true],
    ['count', 7],
    ['flag', true],
    ['zero', '0'],
  ])('%s', (text, expected) => expect(outcome(text, attributes)).toEqual(expected));
});

describe('equality takes the type of its right side', () => {
  test.each<[string, Outcome]>([
    ["count = '7'", true],
    ["count = '07'", false],
    ["'07' = count", true],
    ['zero = 0', true],
    ['0 = zero', true],
    ['word = 0', [false, 'cast']],
    ['0 = word', false],
    ['word != 0', [false, 'cast']],
    ["flag = 'true'", true],
    ["flag = 'TRUE'", false],
    ["'TRUE' = flag", true],
    ['flag = 1', true],
    ['flag = 2', false],
    ['2 = flag', true],
    ["id = 'a'", false],
    ["id <> 'a'", true],
    ["'é' = 'e\u0301'", false],
  ])('%s', (text, expected) => expect(outcome(text, attributes)).toEqual(expected));
});

describe('order is of Integers only', () => {
  test.each<[string, Outcome]>([
    ["'10' > '9'", true],
    ['FALSE < TRUE', true],
    ["'a' < 'b'", [false, 'cast']],
    ['-2147483648 < 2147483647', true],
    ['1 <= 1', true],
    ['1 >= 2', false],
    ['3 > 2 > 1', false],
  ])('%s', (text, expected) => expect(outcome(text)).toEqual(expected));
});

describe('arithmetic stays within 32 bits', () => {
  test.each<[string, Outcome]>([
    ['2147483647 + 0', 2147483647],
    ['2147483647 + 1', [0, 'math']],
    ['-2147483648 - 0', -2147483648],
    ['-2147483648 - 1', [0, 'math']],
    ['46341 * 46340', 2147441940],
    ['46341 * 46341', [0, 'math']],
    ['2147483647 * 2147483647', [0, 'math']],
    ['-2147483648 * -2147483648', [0, 'math']],
    ['-2147483648 / -1', [0, 'math']],
    ['-2147483648 % -1', 0],
    ['- -2147483648', [0, 'math']],
    ['-(-2147483647)', 2147483647],
    ['-0', 0],
    ['-(0)', 0],
    ['0 * -1', 0],
    ['-7 / 2', -3],
    ['7 / -2', -3],
    ['-7 % 2', -1],
    ['7 % -2', 1],
    ['-1 / 2', 0],
    ['0 / 0', [0, 'math']],
    ['0 % 0', [0, 'math']],
    ['2147483647 + 1 - 1', [0, 'math']],
  ])('%s', (text, expected) => expect(outcome(text)).toEqual(expected));

  const integer = fc.oneof(
    fc.integer({ min: -2147483648, max: 2147483647 }),
    fc.integer({ min: -10, max: 10 }),
  );

  test('as exact as arithmetic on integers of any size', () => {
    const operators = ['+', '-', '*', '/', '%'] as const;
    fc.assert(
      fc.property(integer, fc.constantFrom(...operators), integer, (x, operator, y) => {
        const [a, b] = [BigInt(x), BigInt(y)];
        let exact: bigint | undefined;
        if (operator === '+') exact = a + b;
        else if (operator === '-') exact = a - b;
        else if (operator === '*') exact = a * b;
        else if (b !== 0n) exact = operator === '/' ? a / b : a % b;
        const fits = exact !== undefined && BigInt.asIntN(32, exact) === exact;
        expect(outcome(`${x} ${operator} ${y}`)).toEqual(fits ? Number(exact) : [0, 'math']);
      }),
    );
  });
});

describe('logic', () => {
  test.each<[string, Outcome]>([
    ['FALSE AND missing', false],
    ['TRUE OR missing', true],
    ['TRUE AND missing', [false, 'missingAttribute']],
    ['FALSE OR missing', [false, 'missingAttribute']],
    ['TRUE XOR missing', [false, 'missingAttribute']],
    ['missing AND FALSE', [false, 'missingAttribute']],
    ['missing OR TRUE', [false, 'missingAttribute']],
    ["FALSE AND 'x'", false],
    ["TRUE AND 'x'", [false, 'cast']],
    ["'x' AND FALSE", [false, 'cast']],
    ["'x' XOR missing", [false, 'missingAttribute']],
    ["'true' AND 1", true],
    ['TRUE OR FALSE AND FALSE', false],
    ['FALSE AND missing OR TRUE', true],
    ['TRUE OR missing AND TRUE', true],
    ['TRUE XOR TRUE XOR TRUE', true],
  ])('%s', (text, expected) => expect(outcome(text)).toEqual(expected));
});

describe('what an operator with an error in it is worth', () => {
  test.each<[string, Outcome]>([
    ['missing', [false, 'missingAttribute']],
    ['(missing)', [false, 'missingAttribute']],
    ['-missing', [0, 'missingAttribute']],
    ['NOT missing', [false, 'missingAttribute']],
    ['NOT (missing = 1)', [false, 'missingAttribute']],
    ['missing + 1', [0, 'missingAttribute']],
    ["missing NOT LIKE 'x'", [false, 'missingAttribute']],
    ['missing NOT IN (1)', [false, 'missingAttribute']],
    ['1 NOT IN (missing)', [false, 'missingAttribute']],
    ['LENGTH(missing)', [0, 'missingAttribute']],
    ['LOWER(missing)', ['', 'missingAttribute']],
    ['BOOL(missing)', [false, 'missingAttribute']],
    ["LENGTH(LEFT('abc', -2))", [0, 'functionEvaluation']],
    ["(LEFT('abc', -2))", ['abc', 'functionEvaluation']],
    ["CONCAT('x', LEFT('abc', -2))", ['', 'functionEvaluation']],
    ["LEFT(LEFT('abc', -2), 1)", ['', 'functionEvaluation']],
    ['ABS(-2147483648) + 1', [0, 'math']],
    ['LENGTH(NONE(1))', [0, 'missingFunction']],
    ['NONE(missing)', [false, 'missingFunction']],
  ])('%s', (text, expected) => expect(outcome(text)).toEqual(expected));
});

describe('the first error is the one reported', () => {
  test.each<[string, string]>([
    ['missing / 0', 'missingAttribute'],
    ['1 / 0 + missing', 'math'],
    ["'x' + missing", 'missingAttribute'],
    ["'x' + 1 + missing", 'cast'],
    ["LEFT(missing, 'x')", 'missingAttribute'],
    ["LEFT('a', 'x')", 'cast'],
    ['(1 / 0 = 1) AND missing', 'math'],
  ])('%s', (text, kind) => expect(evaluate(text).error?.kind).toBe(kind));

  test.each<[string, RegExp]>([
    ['missing', /^the event has no attribute missing, at offset 0$/],
    ['1 = data.a.b', /^the event has no string, number or boolean at "data\.a\.b", at offset 4$/],
    ["1 + 'x'", /^"x" cannot be read as Integer, at offset 4; expected digits, with a sign or without/],
    ["'x' AND TRUE", /^"x" cannot be read as Boolean, at offset 0; expected "true" or "false"$/],
    ['1 / 0', /^1 \/ 0 divides by zero, at offset 4$/],
    ['2147483647 + 1', /^2147483647 \+ 1 is no Integer of 32 bits, at offset 13$/],
    ["NONE('a')", /^there is no function "NONE" of 1 arguments, at offset 0$/],
    [
      'substring(1)',
      /^there is no function "SUBSTRING" of 1 arguments, at offset 0; expected SUBSTRING\(String, Integer\) or/,
    ],
    ['CONCAT_WS()', /expected CONCAT_WS\(String, String\.\.\.\)$/],
    ["LEFT('a', -1)", /^LEFT: expected a length of 0 or more but found -1, at offset 0$/],
  ])('%s is put in words', (text, message) => expect(evaluate(text).error?.message).toMatch(message));
});

describe('IN', () => {
  test.each<[string, Outcome]>([
    ["type IN ('s', 't')", true],
    ["type NOT IN ('s', 't')", false],
    ["type IN ('T')", false],
    ["count IN ('7', '8')", true],
    ["count IN ('8', '07')", true],
    ["zero IN (0, 'x')", true],
    ["'x' IN (0, 'x')", true],
    ['zero IN (FALSE)', false],
    ["count IN ('x', 7)", [false, 'cast']],
    ["count NOT IN ('x', 7)", [false, 'cast']],
    ["count IN (7, 'x')", true],
    ['type IN (type, missing)', true],
    ['type IN (id, missing)', [false, 'missingAttribute']],
    ['flag IN (0, 2)', true],
    ['3 IN (1 + 2)', true],
  ])('%s', (text, expected) => expect(outcome(text, attributes)).toEqual(expected));
});

test('EXISTS asks for attributes in any case of letters, and is never an error', () => {
  expect(outcome('EXISTS TYPE', attributes)).toBe(true);
  expect(outcome('EXISTS none', attributes)).toBe(false);
  expect(outcome('NOT EXISTS none AND EXISTS flag', attributes)).toBe(true);
});

test('attributes that are no Integer of CloudEvents are texts', () => {
  expect(outcome('count', { count: 1.5 })).toBe('1.5');
  expect(outcome('count', { count: 2147483648 })).toBe('2147483648');
  expect(outcome('count', { count: -0 })).toBe(0);
});

test('only a Boolean lets an event pass', () => {
  const passes = (text: string) => parseCesql(text).passes(scopeOf(attributes));
  expect(passes('flag')).toBe(true);
  expect(passes('count')).toBe(false);
  expect(passes("'true'")).toBe(false);
  expect(passes('missing')).toBe(false);
  expect(passes("NOT (missing = 'x')")).toBe(false);
});

test('what the result does not depend on is not asked for', () => {
  const asked: string[] = [];
  const scope: CesqlScope = {
    attribute: (name) => {
      asked.push(name);
      return name;
    },
    data: () => undefined,
  };
  const asks = (text: string): string[] => {
    asked.length = 0;
    parseCesql(text).passes(scope);
    return [...asked];
  };
  expect(asks("a = 'b' AND c = 'c'")).toEqual(['a']);
  expect(asks("a = 'a' OR c = 'c'")).toEqual(['a']);
  expect(asks("a = 'a' OR b = 'b' AND c = 'c'")).toEqual(['a', 'c']);
  expect(asks('a IN (b, a, c)')).toEqual(['a', 'b', 'a']);
});
