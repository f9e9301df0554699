import { describe, expect, test } from '@jest/globals';
import { GridpostError, limits } from '@gridpost/model';
import fc from 'fast-check';
import { expectJson, valueEnd } from './json.js';

const scan = (text: string | Buffer) => expectJson(Buffer.from(text), limits.jsonDepthMax);

function refusal(body: string | Buffer): GridpostError {
  try {
    scan(body);
  } catch (error) {
    if (error instanceof GridpostError) return error;
    throw error;
  }
  throw new Error(`accepted: ${body}`);
}

const valid: string[] = [
  // Values of each kind, alone and with white space.
  'null',
  'true',
  'false',
  '""',
  '0',
  '[]',
  '{}',
  ' [ ] ',
  '\t{\n}\r\n',
  '\n\n1\n',
  ' "a" ',
  // Numbers.
  '-0',
  '1',
  '-1',
  '10',
  '123456789012345678901234567890',
  '0.0',
  '-0.5',
  '1.25',
  '0e0',
  '1e5',
  '1E5',
  '1e+5',
  '1e-5',
  '-1.5e-300',
  '1e400',
  '-1e400',
  '1e-400',
  '0.00000000000000000000000000001',
  '20e1',
  '[1,2 ,3, 4 ]',
  '[-1,-0.0,1E+2]',
  // Strings.
  '"a"',
  '"\\""',
  '"\\\\"',
  '"\\/"',
  '"/"',
  '"\\b\\f\\n\\r\\t"',
  '"\\u0041"',
  '"\\u00e9"',
  '"\\uABCD"',
  '"\\uabcd"',
  '"é€😀"',
  '"\\ud83d\\ude00"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"\u007f"',
  '"\u0080"',
  '"\u2028\u2029"',
  '"\uffff"',
  '"\ufdd0"',
  '"\ufeff"',
  '"[{,:}]"',
  '"\\\\\\""',
  '"a\\u0022b"',
  `"${'x'.repeat(10_000)}"`,
  // Arrays and objects.
  '[1]',
  '["a",null,true,false,{},[]]',
  '[[[[]]]]',
  '[{"a":[{"b":[]}]}]',
  '[[],[[]],{}]',
  '{"a":1}',
  '{"a":{"b":{}}}',
  '{"":0}',
  '{"a":1,"a":2}',
  '{"a b":1,"\\u0061":2}',
  '{ "a" : 1 , "b" : [ ] }',
  '{"__proto__":{}}',
  '{"a":[1,{"b":2}],"c":"}"}',
];

const invalid: (string | Buffer)[] = [
  // Nothing, or not one value.
  '',
  ' ',
  '\n',
  '1 2',
  '[]]',
  '{}}',
  '[][]',
  '{}{}',
  '"a""b"',
  '[1]x',
  'null,',
  '{"a":1}#',
  '[]//',
  '1 /* one */',
  // Words.
  'nul',
  'nulL',
  'Null',
  'TRUE',
  'True',
  'tru',
  'truee',
  'fals',
  'falsy',
  'undefined',
  'NaN',
  'Infinity',
  '-Infinity',
  'n',
  't',
  'f',
  // Numbers.
  '-',
  '+1',
  '01',
  '-01',
  '00',
  '1.',
  '.5',
  '-.5',
  '1.e5',
  '1e',
  '1e+',
  '1E-',
  '1ee5',
  '1e5.5',
  '0x10',
  '1_000',
  '1,000',
  '--1',
  '1a',
  '-a',
  '0b1',
  '1.2.3',
  '- 1',
  '1 .5',
  '٣',
  '[-]',
  '[1.]',
  '[01]',
  '[1e]',
  '[+1]',
  // Strings.
  '"',
  '"a',
  'a"',
  "'a'",
  '"\\"',
  '"\\',
  '"\\x"',
  '"\\a"',
  '"\\0"',
  '"\\u"',
  '"\\u1"',
  '"\\u12"',
  '"\\u123"',
  '"\\u12g4"',
  '"\\u 123"',
  '"\\U0041"',
  '"\\u{41}"',
  '"\t"',
  '"\n"',
  '"\r"',
  '"\u0000"',
  '"\u001f"',
  '["a',
  '["\\"]',
  '"\\ud83d\\u"',
  '"\\\n"',
  '“a”',
  // Arrays.
  '[',
  ']',
  '[,]',
  '[1,]',
  '[,1]',
  '[1,,2]',
  '[1 2]',
  '[1;2]',
  '[1,',
  '[1',
  '[[]',
  '[1}',
  '[}',
  '["a":1]',
  '[1:2]',
  '[\u000b]',
  '[\u000c]',
  // Objects.
  '{',
  '}',
  '{,}',
  '{"a"}',
  '{"a":}',
  '{"a":1,}',
  '{,"a":1}',
  '{"a":1,,"b":2}',
  '{"a":1 "b":2}',
  '{"a"1}',
  '{"a"::1}',
  '{:1}',
  '{a:1}',
  "{'a':1}",
  '{1:1}',
  '{null:1}',
  '{"a":1',
  '{"a":',
  '{"a"',
  '{"a',
  '{"a":1]',
  '{]',
  '{[]:1}',
  '{{}:1}',
  '{"a":1;"b":2}',
  '{"a" "b"}',
  '{"a":"b":"c"}',
  // White space that JSON does not know, and byte order marks.
  '\u00a01',
  '\u20281',
  '\u000b1',
  '\u000c1',
  '1\u0000',
  '\ufeff1',
  '\ufeff{}',
  '{}\ufeff',
  '[\u00a0]',
  Buffer.from([0xff, 0xfe, 0x31, 0x00]),
  Buffer.from([0x00]),
];

describe('the grammar', () => {
  test.each(valid.map((text) => [text.slice(0, 60), text]))('accepts %j', (_shown, text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    scan(text);
  });

  test.each(invalid.map((body) => [body.toString(), body] as const))('refuses %j', (text, body) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(refusal(body).code).toBe('InvalidJson');
  });

  test.each([
    ['{"a":1,}', "byte 7: expected a member name in double quotes, found '}'"],
    ['[1,2', "byte 4: expected ',' or ']', found the end of the body"],
    ['{"a" 1}', "byte 5: expected ':' after a member name, found '1'"],
    ['[1,]', "byte 3: expected a JSON value, found ']'"],
    ['-x', "byte 1: expected a digit, found 'x'"],
    ['"\\q"', "byte 2: expected an escape sequence (one of \"\\/bfnrtu), found 'q'"],
    ['"\\u00"', "byte 5: expected four hexadecimal digits, found '\"'"],
    ['"a\nb"', 'byte 2: expected control characters in strings to be escaped, found byte 0x0a'],
    ['tru', "byte 3: expected 'true', found the end of the body"],
    ['{} {}', "byte 3: expected the end of the body, found '{'"],
    ['\ufeff{}', 'byte 0: expected a JSON value, found a byte order mark'],
    ['', 'byte 0: expected a JSON value, found the end of the body'],
    ['\u20ac', 'byte 0: expected a JSON value, found byte 0xe2'],
  ])('says where %j is wrong', (text, message) => {
    expect(refusal(text).message).toBe(message);
  });
});

describe('nesting', () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  const deepObjects = (levels: number) => `${'{"a":'.repeat(levels)}0${'}'.repeat(levels)}`;

  test.each([deep, deepObjects])('is accepted up to the limit', (nest) => {
    scan(nest(limits.jsonDepthMax));
    expect(refusal(nest(limits.jsonDepthMax + 1)).code).toBe('TooDeep');
  });

  test('counts what is open, not what was opened', () => {
    scan(
      `[${Array(1000)
        .fill(deep(limits.jsonDepthMax - 1))
        .join(',')}]`,
    );
  });

  test.each([
    ['arrays', '['.repeat(1_000_000)],
    ['closed arrays', deep(1_000_000)],
    ['objects', '{"a":'.repeat(1_000_000)],
    ['arrays in objects', '[{"a":'.repeat(1_000_000)],
  ])('a million %s are refused without touching the stack', (_name, text) => {
    expect(refusal(text).code).toBe('TooDeep');
  });
});

describe('compared with JSON.parse', () => {
  const json = fc.oneof(
    fc.json({ maxDepth: 4, depthSize: 'small' }),
    fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value, null, 2)),
  );
  const parses = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const scans = (text: string) => {
    try {
      scan(text);
      return true;
    } catch {
      return false;
    }
  };

  test('the same texts are accepted', () => {
    fc.assert(
      fc.property(json, (text) => {
        scan(text);
      }),
    );
  });

  test('the same texts are accepted and refused after a few edits', () => {
    const piece = fc.oneof(
      fc.constantFrom(...'{}[]:,"\\ \t\n0123456789-+.eEutrfnalse/\u0000\u001f\u00a0é😀'),
      fc.constantFrom('\\u', '\\ud800', '\\"', 'null', 'true', '""', '{"a":', '1e5', '//', '\ufeff'),
    );
    const edit = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 3 }),
      insert: fc.option(piece, { nil: '' }),
    });
    fc.assert(
      fc.property(json, fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
        let edited = text;
        for (const { at, remove, insert } of edits) {
          const from = at % (edited.length + 1);
          edited = edited.slice(0, from) + insert + edited.slice(from + remove);
        }
        // Bytes are UTF-8, so that half a surrogate pair cannot get here.
        edited = Buffer.from(edited).toString();
        expect(scans(edited)).toBe(parses(edited));
      }),
      { numRuns: 3000 },
    );
  });

  test('a value ends where it ends, whatever follows', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(' ', ',', ']', '}', '\n{'), (text, next) => {
        const before = 'xyz';
        const bytes = Buffer.from(before + text.trim() + next);
        expect(valueEnd(bytes, before.length, limits.jsonDepthMax)).toBe(bytes.length - next.length);
      }),
    );
  });
});
