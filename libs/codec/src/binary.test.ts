import { describe, expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { decodeRequest } from './decode.js';
import { minimal, minimalHeaders, refusalOf } from './testing/refusal.js';

describe('a binary event', () => {
  const required = Object.fromEntries(Object.entries(minimal).map(([name, value]) => [`ce-${name}`, value]));
  const headers = (others: Record<string, string>) => Object.entries({ ...required, ...others }).flat();
  const binaryPointers = (flat: string[]) => {
    const error = refusalOf(() => decodeRequest(flat, Buffer.alloc(0)));
    expect(error.code).toBe('InvalidEventHeader');
    return error.errors.map(({ pointer }) => pointer);
  };

  test('every missing header is named', () => {
    expect(binaryPointers(['CE-Subject', 'x', 'content-type', 'application/json'])).toEqual(
      ['id', 'source', 'specversion', 'type'].map((name) => `header/ce-${name}`),
    );
  });

  test.each([
    [{ 'ce-specversion': '0.3' }, 'header/ce-specversion'],
    [{ 'CE-Time': 'noon' }, 'header/ce-time'],
    [{ 'ce-source': 'a b' }, 'header/ce-source'],
    [{ 'ce-source': '/%C3%A9' }, 'header/ce-source'],
    [{ 'ce-dataschema': '/x' }, 'header/ce-dataschema'],
    [{ 'ce-id': '' }, 'header/ce-id'],
    [{ 'ce-datacontenttype': 'text/plain' }, 'header/ce-datacontenttype'],
    [{ 'ce-data': 'x' }, 'header/ce-data'],
    [{ 'ce-data_base64': 'x' }, 'header/ce-data_base64'],
    [{ 'ce-my-extension': 'x' }, 'header/ce-my-extension'],
    [{ 'ce-my_extension': 'x' }, 'header/ce-my_extension'],
    [{ 'ce-': 'x' }, 'header/ce-'],
    [{ 'CE-ID': '2' }, 'header/ce-id'],
    [{ 'ce-x': '1', 'Ce-X': '2' }, 'header/ce-x'],
    [{ [`ce-${'x'.repeat(limits.attributeNameMax + 1)}`]: '1' }, `header/ce-${'x'.repeat(61)}…`],
  ])('%j is refused', (others, pointer) => {
    expect(binaryPointers(headers(others))).toEqual([pointer]);
  });

  test('all values are strings, and names are in lower case', () => {
    const { events } = decodeRequest(
      headers({ 'CE-MyExt': '5', 'ce-flag': 'true', 'ce-empty': '' }),
      Buffer.alloc(0),
    );
    expect(events[0]!.attribute('myext')).toBe('5');
    expect(events[0]!.attribute('flag')).toBe('true');
    expect(events[0]!.attribute('empty')).toBe('');
  });
});

describe('a header value', () => {
  const subject = (value: string) =>
    decodeRequest([...minimalHeaders, 'ce-subject', value], Buffer.alloc(0)).events[0]!.subject;

  test.each([
    ['plain', 'plain'],
    ['a b', 'a b'],
    ['a%20b', 'a b'],
    ['caf%C3%A9', 'café'],
    ['caf%c3%a9', 'café'],
    ['%41%62', 'Ab'],
    ['100%25', '100%'],
    ['%2541', '%41'],
    ['%F0%9F%98%80', '😀'],
    ['"quoted"', 'quoted'],
    ['"a \\"b\\" \\\\ c"', 'a "b" \\ c'],
    ['x "y z" w', 'x y z w'],
    ['"a%20b"', 'a b'],
    ['back\\slash', 'back\\slash'],
    ['%22', '"'],
    ['a+b&c=d/e?f#g', 'a+b&c=d/e?f#g'],
  ])('%s means %s', (sent, meant) => {
    expect(subject(sent)).toBe(meant);
  });

  test.each([
    ['100%', 'percent sign'],
    ['%4', 'percent sign'],
    ['%G0', 'percent sign'],
    ['%%41', 'percent sign'],
    ['%C3', 'UTF-8'],
    ['%C3x%A9', 'UTF-8'],
    ['%ED%A0%80', 'UTF-8'],
    ['%FF', 'UTF-8'],
    ['"open', 'double quotes'],
    ['a"b', 'double quotes'],
    ['"a\\"', 'double quotes'],
    ['caf\u00e9', 'printable ASCII'],
    ['a\tb', 'printable ASCII'],
    ['a\u007f', 'printable ASCII'],
    ['\u0141', 'printable ASCII'],
    ['%00', 'control characters'],
    ['%0D%0A', 'control characters'],
    ['%C2%85', 'control characters'],
    ['%EF%BF%BF', 'noncharacters'],
    ['%EF%B7%90', 'noncharacters'],
    ['', 'non-empty'],
    ['""', 'non-empty'],
  ])('%j is refused', (sent, reason) => {
    const error = refusalOf(() => decodeRequest([...minimalHeaders, 'Ce-Subject', sent], Buffer.alloc(0)));
    expect(error.code).toBe('InvalidEventHeader');
    expect(error.errors).toEqual([
      { pointer: 'header/ce-subject', message: expect.stringContaining(reason) },
    ]);
  });

  test('a value longer than any header usually is', () => {
    const long = 'x'.repeat(100_000);
    expect(subject(long)).toBe(long);
  });
});
