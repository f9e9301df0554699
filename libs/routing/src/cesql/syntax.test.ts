import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CesqlSyntaxError, cesqlLimits, type Node, parseCesql } from './index.js';

/** The tree with all its parentheses. */
function grouped(node: Node): string {
  switch (node.kind) {
    case 'literal':
      return typeof node.value === 'string' ? `'${node.value}'` : String(node.value);
    case 'attribute':
      return node.name;
    case 'data':
      return ['data', ...node.path].join('.');
    case 'exists':
      return `(EXISTS ${grouped(node.target)})`;
    case 'not':
      return `(NOT ${grouped(node.operand)})`;
    case 'negate':
      return `(- ${grouped(node.operand)})`;
    case 'like':
      return `(${grouped(node.operand)} ${node.negated ? 'NOT ' : ''}LIKE '${node.pattern}')`;
    case 'in': {
      const elements = node.elements.map(grouped).join(', ');
      return `(${grouped(node.operand)} ${node.negated ? 'NOT ' : ''}IN (${elements}))`;
    }
    case 'call':
      return `${node.name}(${node.operands.map(grouped).join(', ')})`;
    case 'logic':
    case 'comparison':
    case 'arithmetic': {
      let text = grouped(node.first);
      for (const { operator, operand } of node.steps) text = `(${text} ${operator} ${grouped(operand)})`;
      return text;
    }
  }
}

function refusalOf(text: string, limits = cesqlLimits): CesqlSyntaxError {
  try {
    parseCesql(text, limits);
  } catch (error) {
    if (error instanceof CesqlSyntaxError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe('precedence', () => {
  test.each([
    ['a OR b AND c', '((a OR b) AND c)'],
    ['a AND b OR c', '((a AND b) OR c)'],
    ['a XOR b OR c AND d', '(((a XOR b) OR c) AND d)'],
    ['a OR (b AND c)', '(a OR (b AND c))'],
    ['a = b AND c < d', '((a = b) AND (c < d))'],
    ['a = b != c', '((a = b) != c)'],
    ['a <> b', '(a != b)'],
    ['1 < 2 < 3', '((1 < 2) < 3)'],
    ['a + b = c - d', '((a + b) = (c - d))'],
    ['a - b - c', '((a - b) - c)'],
    ['a + b * c', '(a + (b * c))'],
    ['a * b + c', '((a * b) + c)'],
    ['a / b * c % d', '(((a / b) * c) % d)'],
    ["a * b LIKE 'c'", "(a * (b LIKE 'c'))"],
    ["a LIKE 'b' = c", "((a LIKE 'b') = c)"],
    ["a = b LIKE 'c'", "(a = (b LIKE 'c'))"],
    ["a AND b NOT LIKE 'c'", "(a AND (b NOT LIKE 'c'))"],
    ["a LIKE 'b' NOT IN (c)", "((a LIKE 'b') NOT IN (c))"],
    ["a IN (b) LIKE 'true'", "((a IN (b)) LIKE 'true')"],
    ['a + b IN (c, d + e)', '(a + (b IN (c, (d + e))))'],
    ["NOT a LIKE 'b'", "((NOT a) LIKE 'b')"],
    ['NOT a IN (b)', '((NOT a) IN (b))'],
    ['NOT a = b', '((NOT a) = b)'],
    ['NOT (a = b)', '(NOT (a = b))'],
    ['NOT EXISTS a', '(NOT (EXISTS a))'],
    ['NOT NOT a AND b', '((NOT (NOT a)) AND b)'],
    ["EXISTS a LIKE 'true'", "((EXISTS a) LIKE 'true')"],
    ['-a * b', '((- a) * b)'],
    ['- - a', '(- (- a))'],
    ['NOT -a', '(NOT (- a))'],
    ['-NOT a', '(- (NOT a))'],
    ['-LENGTH(a) + 1', '((- LENGTH(a)) + 1)'],
    ["concat(a, 'b' , -1)", "CONCAT(a, 'b', -1)"],
    ['Int (a)', 'INT(a)'],
  ])('%s', (text, expected) => expect(grouped(parseCesql(text).ast)).toBe(expected));
});

describe('literals and names', () => {
  test.each([
    ['4-1', '(4 - 1)'],
    ['4 -1', '(4 - 1)'],
    ['4--1', '(4 - -1)'],
    ['4+ +1', '(4 + 1)'],
    ['--10', '(- -10)'],
    ['- 10', '(- 10)'],
    ['007', '7'],
    ['2147483647', '2147483647'],
    ['-2147483648', '-2147483648'],
    ['-0', '0'],
    ['1e5', '1e5'],
    ['7up', '7up'],
    ['SOURCE', 'source'],
    ['inner', 'inner'],
    ['int', 'int'],
    ['data', 'data'],
  ])('%s', (text, expected) => expect(grouped(parseCesql(text).ast)).toBe(expected));

  test.each<[string, string]>([
    [`'a"b'`, 'a"b'],
    [`"a'b"`, "a'b"],
    [String.raw`'a\'b'`, "a'b"],
    [String.raw`"a\"b"`, 'a"b'],
    [String.raw`'a\"b'`, String.raw`a\"b`],
    [String.raw`'C:\temp'`, String.raw`C:\temp`],
    [String.raw`'\\'`, String.raw`\\`],
    [String.raw`'\\\''`, String.raw`\\'`],
    [String.raw`'\'\''`, "''"],
    ["'a\nb'", 'a\nb'],
    ["''", ''],
    ["'AND'", 'AND'],
    ["'ſ😀'", 'ſ😀'],
  ])('the string %s', (text, value) => {
    expect(parseCesql(text).ast).toEqual({ kind: 'literal', at: 0, value });
  });

  test('nodes know where they begin', () => {
    expect(parseCesql(" NOT a OR\tdata.b\n= 'c'").ast).toEqual({
      kind: 'logic',
      at: 1,
      first: { kind: 'not', at: 1, operand: { kind: 'attribute', at: 5, name: 'a' } },
      steps: [
        {
          operator: 'OR',
          operand: {
            kind: 'comparison',
            at: 10,
            first: { kind: 'data', at: 10, path: ['b'] },
            steps: [{ operator: '=', operand: { kind: 'literal', at: 19, value: 'c' } }],
          },
        },
      ],
    });
  });
});

describe('refusals', () => {
  test.each<[string, number, RegExp]>([
    ['', 0, /expected an attribute.* but found the end$/],
    ['   ', 3, /found the end$/],
    ['a b', 2, /expected an operator or the end but found "b"$/],
    ['a =', 3, /expected an attribute.* but found the end$/],
    ["a == 'b'", 3, /found "="; equality is written with one "="$/],
    ['(a', 2, /expected "\)" or an operator for the "\(" at offset 0 but found the end$/],
    ['a)', 1, /expected an operator or the end but found "\)"$/],
    ['()', 1, /expected an attribute.* but found "\)"$/],
    ['ABC(', 4, /found the end$/],
    ['ABC(1,', 6, /found the end$/],
    ['ABC(1,)', 6, /expected an argument but found "\)"$/],
    ['ABC(,1)', 4, /expected an argument but found ","$/],
    ['ABC(1 2)', 6, /expected ",", "\)" or an operator for the "\(" at offset 3 but found "2"$/],
    [
      'ABC1(2)',
      0,
      /expected the name of a function, of letters and _ beginning with a letter, but found "ABC1"$/,
    ],
    ['_a(2)', 0, /name of a function/],
    ['my_ext', 0, /expected the name of an attribute, of letters and digits, but found "my_ext"$/],
    ['TRUE(1)', 4, /expected an operator or the end but found "\("$/],
    ['a LIKE 123', 7, /expected a pattern in quotes behind LIKE but found "123"$/],
    ["a LIKE ('b')", 7, /found "\("$/],
    ['a LIKE', 6, /found the end$/],
    ["a NOT = 'b'", 6, /expected LIKE or IN behind NOT but found "="$/],
    ['a IN b', 5, /expected "\(" and the elements behind IN but found "b"$/],
    ['a IN ()', 6, /expected an element but found "\)"$/],
    ['a IN (1,)', 8, /expected an element but found "\)"$/],
    ['EXISTS', 6, /expected the name of an attribute behind EXISTS but found the end$/],
    ["EXISTS 'a'", 7, /found the string "a"$/],
    ['EXISTS (a)', 7, /found "\("$/],
    ['EXISTS true', 7, /found "true"$/],
    ['EXISTS 12', 7, /found "12"$/],
    ['in = 1', 0, /found "in"$/],
    ['oR', 0, /found "oR"$/],
    ['__proto__', 0, /name of an attribute/],
    ['+a', 0, /found "\+"$/],
    ['+ 1', 0, /found "\+"$/],
    ['2147483648', 0, /"2147483648" is no Integer; expected one from -2147483648 to 2147483647$/],
    ['1 + -2147483649', 4, /"-2147483649" is no Integer/],
    ['- 2147483648', 2, /"2147483648" is no Integer/],
    ['99999999999999999999999999', 0, /is no Integer/],
    ["'abc", 0, /expected a closing ' for the string that begins here, but found the end$/],
    [String.raw`a = 'abc\'`, 4, /expected a closing '/],
    ['"abc\'', 0, /expected a closing "/],
    [
      "a = 'it''s'",
      8,
      /found the string "s"; a quote inside a string is written with a backslash before it$/,
    ],
    ['a && b', 2, /expected a name, a literal, an operator, "\(", "\)" or "," but found "&"$/],
    ['a\u00a0= 1', 1, /found "\u00a0" \(U\+00A0\)$/],
    ['é', 0, /found "é" \(U\+00E9\)$/],
    ['😀', 0, /\(U\+1F600\)$/],
    ['\ud800', 0, /found "\\ud800" \(U\+D800\)$/],
    ['a = ‘b’', 4, /\(U\+2018\)$/],
    ['a.b', 1, /found "\."; only the name data is followed by "\." and keys$/],
    ['data .b', 5, /found "\."/],
    ['data.', 5, /expected a key behind "\." but found the end/],
    ['data.a.', 7, /expected a key behind "\." but found the end/],
    ['data. a', 5, /expected a key behind "\." but found " "/],
    [
      'data.0',
      5,
      /found "0"; a key that is not letters, digits and _ with no digit first is written in quotes/,
    ],
    ["data.'a", 5, /expected a closing '/],
    ['data.a(1)', 6, /expected an operator or the end but found "\("$/],
  ])('%j', (text, at, message) => {
    const refusal = refusalOf(text);
    expect(refusal.message).toMatch(message);
    expect(refusal.message).toContain(`at offset ${at}: `);
    expect(refusal.at).toBe(at);
  });

  test('a long find is shown in part', () => {
    expect(refusalOf(`a ${'b'.repeat(1000)}`).message.length).toBeLessThan(150);
  });
});

describe('limits', () => {
  const { charactersMax, depthMax } = cesqlLimits;

  test('the longest text, and one character more', () => {
    const longest = `'${'x'.repeat(charactersMax - 2)}'`;
    expect(parseCesql(longest).ast.kind).toBe('literal');
    const refusal = refusalOf(`${longest} `);
    expect(refusal.at).toBe(charactersMax);
    expect(refusal.message).toMatch(/has 4097 characters; at most 4096 are allowed$/);
  });

  // How something that can be nested looks when it is so many levels deep.
  test.each<[string, (levels: number) => string]>([
    ['parentheses', (levels) => `${'('.repeat(levels)}a${')'.repeat(levels)}`],
    ['NOT', (levels) => `${'NOT '.repeat(levels)}a`],
    ['-', (levels) => `${'-'.repeat(levels)}a`],
    ['LIKE', (levels) => `a${" LIKE 'b'".repeat(levels)}`],
    ['IN behind IN', (levels) => `a${' IN (b)'.repeat(levels)}`],
    ['IN inside IN', (levels) => `${'a IN ('.repeat(levels)}b${')'.repeat(levels)}`],
    ['arguments', (levels) => `${'ABS('.repeat(levels)}a${')'.repeat(levels)}`],
    ['operators on the right', (levels) => `${'1+('.repeat(levels)}a${')'.repeat(levels)}`],
    ['operators on the left', (levels) => `${'('.repeat(levels)}a${'+1)'.repeat(levels)}`],
    [
      'LIKE around parentheses',
      (levels) => {
        const half = Math.floor(levels / 2);
        return `${'('.repeat(half)}a${')'.repeat(half)}${" LIKE 'b'".repeat(levels - half)}`;
      },
    ],
  ])('the deepest nesting of %s, and one level more', (_, nest) => {
    expect(() => parseCesql(nest(depthMax))).not.toThrow();
    expect(refusalOf(nest(depthMax + 1)).message).toMatch(
      /nested too deeply; at most 64 levels are allowed$/,
    );
  });

  test('limits can be set', () => {
    const limits = { charactersMax: 5, depthMax: 1 };
    expect(() => parseCesql('(a=b)', limits)).not.toThrow();
    expect(refusalOf('(a=bc)', limits).at).toBe(5);
    expect(refusalOf('((a))', limits).at).toBe(1);
  });

  test.each<[string, string, string]>([
    ['AND', 'TRUE', ' AND TRUE'],
    ['OR', 'FALSE', ' OR FALSE'],
    ['XOR', 'FALSE', ' XOR TRUE XOR FALSE'],
    ['=', 'TRUE', ' = TRUE'],
    ['+', '1', ' + 1 - 1'],
    ['*', '1', ' * 1 / 1'],
    ['all of them', 'TRUE', ' AND 1 + 2 * 3 = 7'],
  ])('%s twenty thousand times is neither too deep to read nor to evaluate', (_, first, more) => {
    const text = first + more.repeat(20_000);
    const expression = parseCesql(text, { charactersMax: text.length, depthMax });
    const scope = { attribute: () => undefined, data: () => undefined };
    expect(expression.evaluate(scope).error).toBeUndefined();
  });

  test.each(['a IN (', 'CONCAT('])('%s and twenty thousand expressions', (begin) => {
    const text = `${begin}${'1,'.repeat(20_000)}2)`;
    expect(() => parseCesql(text, { charactersMax: text.length, depthMax })).not.toThrow();
  });
});

describe('whatever is written', () => {
  const scope = { attribute: () => 'x', data: () => 1 };
  const accepts = (text: string): void => {
    try {
      const expression = parseCesql(text);
      const { value, error } = expression.evaluate(scope);
      expect(['string', 'number', 'boolean']).toContain(typeof value);
      expect(expression.passes(scope)).toBe(value === true && error === undefined);
    } catch (error) {
      if (!(error instanceof CesqlSyntaxError)) throw error;
      expect(error.at).toBeGreaterThanOrEqual(0);
      expect(error.at).toBeLessThanOrEqual(text.length);
    }
  };

  test('characters of any kind are read or refused', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), accepts), { numRuns: 1_000 });
  });

  test('tokens in any order are read or refused', () => {
    const token = fc.constantFrom(
      ...['AND', 'or', 'XOR', 'NOT', 'LIKE', 'IN', 'EXISTS', 'TRUE', 'false', '=', '!=', '<>', '<', '<='],
      ...['>', '>=', '+', '-', '*', '/', '%', '(', ')', ',', 'a', 'type', 'data.a', "data.'b'.c", '0', '12'],
      ...['-2147483648', "'a'", '"b%"', String.raw`'\''`, 'LEFT(', 'ABS(', 'CONCAT(', 'NONE(', '.', "'"],
    );
    const words = fc.array(token, { maxLength: 25 }).map((tokens) => tokens.join(' '));
    fc.assert(fc.property(words, accepts), { numRuns: 5_000 });
  });
});
