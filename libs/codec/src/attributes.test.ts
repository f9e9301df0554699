import { describe, expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { decodeMembers, decodeText, minimal, pointersOf } from './testing/refusal.js';

const accepted: Record<string, unknown[]> = {
  id: ['1', ' ', 'ü', '😀', 'a'.repeat(5000), '"', '\\', '/', '\ud83d\ude00'],
  type: ['com.example.type', 'Ünï', 'a b'],
  subject: ['a', ' ', '/x/y z', '%', '\u00a0', '\ufeff', '\u200f', '\ue000'],
  source: [
    '/',
    '/s',
    '#fragment',
    '?q',
    '//authority/path',
    'cloudevents/spec/pull/123',
    '1-555-123-4567',
    '.',
    '..',
    ';a=b',
    'https://github.com/cloudevents',
    'mailto:cncf-wg-serverless@lists.cncf.io',
    'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
    'http://user:pw@host:8080/p?q=1#f',
    'http://[::1]:80/',
    'http://[2001:db8::7]',
    'http://[v1.a:b]/',
    'http://127.0.0.1',
    'file:///x',
    'http://h:/',
    'a:',
    'a+b-c.d:x',
    '/a:b',
    './a:b',
    '?a:b',
    '#a:b',
    '/%41%7e',
    '//%41',
    "/a!$&'()*+,;=:@-._~",
    '/?/?#/?',
  ],
  dataschema: ['https://cloudevents.io/dataschema', 'urn:x:y', 'https://x/schema.json#/definitions/a', 'a:'],
  time: [
    '2018-04-05T17:31:00Z',
    '2018-04-05t17:31:00z',
    '2018-04-05T17:31:00.000000000Z',
    '2018-04-05T17:31:00.1+01:00',
    '2018-04-05T17:31:00-00:00',
    '2018-04-05T17:31:00+23:59',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '2024-02-29T00:00:00Z',
    '2000-02-29T00:00:00Z',
    '2018-01-31T00:00:00Z',
    '2018-04-30T00:00:00Z',
    '2016-12-31T23:59:60Z',
    '2016-12-31T18:59:60-05:00',
    '2017-01-01T00:59:60.5+01:00',
  ],
  datacontenttype: [
    'application/json',
    'text/plain; charset=utf-8',
    'text/plain;charset="x y"',
    'a/b',
    'application/vnd.x-1.0+json',
    'multipart/mixed; boundary="a\\"b;c"',
    'TEXT/XML',
    'text/plain ; a=b ; c=d',
    'text/plain;',
  ],
  myextension: ['', 'x', true, false, 0, -1, 2147483647, -2147483648, 'a b', '2023-03-31T15:12:00Z'],
  x: ['', 1],
  [`${'x'.repeat(limits.attributeNameMax)}`]: ['the longest name'],
  '0': ['digits may come first'],
  proto: ['x'],
  constructor: ['x'],
};

const refused: Record<string, unknown[]> = {
  specversion: ['', '0.9', '1', '1.0.2', '1.00', '2.0', 1, 1.5, true, {}],
  id: ['', 25, { xyz: 'abc' }, ['1'], true, false],
  type: [
    '',
    1,
    [],
    '\u0000',
    'a\u0007b',
    '\u007f',
    '\u0085',
    '\u009f',
    '\ufffe',
    '\uffff',
    '\ufdd0',
    '\u{1fffe}',
    '\u{10ffff}',
    '\ud800',
    '\udc00x',
  ],
  subject: ['', 1, true, {}, 'a\nb', '\u001f'],
  source: [
    '',
    'a b',
    ' /s',
    '/s ',
    '/ü',
    '<x>',
    '"',
    '\\',
    '^',
    '`',
    '{x}',
    '|',
    '/[x]',
    'x[',
    '#a#b',
    '/%',
    '/%4',
    '/%4g',
    '/%é',
    '1a:b',
    ':',
    ':a',
    '-x:y',
    'a b:c',
    'http://h:x/',
    'http://h:1:2/',
    'http://[::1/',
    'http://[::1]x/',
    'http://[zz]/',
    'http://[fe80::1%25eth0]/',
    'http://a@b@c/',
    'http://a[b]/',
    'http://%zz/',
    'http://[]/',
    'http://[v1]/',
    1,
    true,
    ['/s'],
  ],
  dataschema: ['', '/relative', '#fragment', '//h/p', '1a:b', 'https://x y', 'https://x/é', 1, {}],
  time: [
    '',
    'lunchtime',
    '2018-04-05',
    '2018-04-05T18:31Z',
    '2018-04-05T18:31:00',
    '2018-04-05T18:31:00X',
    '2018-04-05T18:31:00+25:00',
    '2018-04-05T18:31:00+xx:00',
    '2018-04-05T18:31:00+05',
    '2018-04-05T18:31:00+0500',
    '2018-04-05T18:31:00+05:60',
    '2018-04-05T18:31:00+05:00x',
    '2018-04-05 18:31:00Z',
    '2018-4-05T18:31:00Z',
    '18-04-05T18:31:00.00Z',
    '2018-04-05T18:31:00.Z',
    '2018-04-05T18:31:00,5Z',
    '2018-04-05T18:31:00ZZ',
    '2018-00-05T18:31:00Z',
    '2018-13-05T18:31:00Z',
    '2018-04-00T18:31:00Z',
    '2018-04-31T18:31:00Z',
    '2018-02-29T18:31:00Z',
    '1900-02-29T00:00:00Z',
    '2018-04-05T24:00:00Z',
    '2018-04-05T18:60:00Z',
    '2018-04-05T18:31:61Z',
    '2018-04-05T18:31:60Z',
    '2016-12-31T23:59:60+01:00',
    '２018-04-05T17:31:00Z',
    '+2018-04-05T17:31:00Z',
    '-018-04-05T17:31:00Z',
    '2018-04-05T17:31:00.5',
    1522949460,
    true,
  ],
  datacontenttype: [
    '',
    'xyz',
    '/',
    'a/',
    '/b',
    'a b/c',
    'a/b c',
    'a/b;c',
    'a/b;c=',
    'a/b; c="d',
    'a/b;=d',
    'a/b,c/d',
    ' a/b',
    'a/b/c',
    'ä/b',
    1,
    {},
  ],
  myextension: [
    1.5,
    1e21,
    2147483648,
    -2147483649,
    99999999999,
    [],
    {},
    ['x'],
    { a: 1 },
    'a\tb',
    '\ud800',
    '\u{2ffff}',
  ],
};

describe('a value is accepted', () => {
  const cases = Object.entries(accepted).flatMap(([name, values]) =>
    values.map((value) => [name, value] as const),
  );
  test.each(cases)('%s: %j', (name, value) => {
    const event = decodeMembers({ [name]: value });
    expect(event.attribute(name)).toBe(value);
    expect(event.attributes()).toContainEqual({ name, value });
  });
});

describe('a value is refused', () => {
  const cases = Object.entries(refused).flatMap(([name, values]) =>
    values.map((value) => [name, value] as const),
  );
  test.each(cases)('%s: %j', (name, value) => {
    expect(pointersOf(() => decodeMembers({ [name]: value }))).toEqual([`/${name}`]);
  });

  test.each(['1.0', '1e3', '-0.5', '1E0', '2147483648'])('the number %s', (number) => {
    const text = `${JSON.stringify(minimal).slice(0, -1)},"n":${number}}`;
    expect(pointersOf(() => decodeText(text))).toEqual(['/n']);
  });
});

describe('a name is refused', () => {
  test.each([
    ['MyExtension', '/MyExtension'],
    ['my.extension', '/my.extension'],
    ['my-extension', '/my-extension'],
    ['my_extension', '/my_extension'],
    ['ID', '/ID'],
    ['', '/'],
    [' ', '/ '],
    ['ä', '/ä'],
    ['a/b~c', '/a~1b~0c'],
    ['a"b', '/a"b'],
    ['__proto__', '/__proto__'],
    ['data_base', '/data_base'],
    ['x'.repeat(limits.attributeNameMax + 1), `/${'x'.repeat(64)}…`],
    ['line\nbreak', '/line\\u000abreak'],
  ])('%j', (name, pointer) => {
    const text = `{${JSON.stringify(name)}:"x",${JSON.stringify(minimal).slice(1)}`;
    expect(pointersOf(() => decodeText(text))).toEqual([pointer]);
  });

  test.each([
    ['"id":"2"', ['/id']],
    ['"\\u0069d":"2"', ['/id']],
    ['"data":1,"data":2', ['/data']],
    ['"data_base64":"","data_base64":""', ['/data_base64']],
    ['"x":1,"x":1', ['/x']],
    ['"x":null,"x":1', ['/x']],
    ['"id":null', ['/id']],
  ])('that is there twice: %s', (members, expected) => {
    const text = `${JSON.stringify(minimal).slice(0, -1)},${members}}`;
    expect(pointersOf(() => decodeText(text))).toEqual(expected);
  });

  test('also after so many names that the table of names was emptied', () => {
    for (let round = 0; round < 30; round++) {
      const members = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`name${round}x${i}`, i]));
      expect(decodeMembers(members).attribute(`name${round}x89`)).toBe(89);
      const text = `${JSON.stringify({ ...minimal, ...members }).slice(0, -1)},"name${round}x0":0}`;
      expect(pointersOf(() => decodeText(text))).toEqual([`/name${round}x0`]);
    }
  });
});

describe('what is missing', () => {
  test.each(['id', 'source', 'specversion', 'type'])('%s must be there', (name) => {
    const { [name as 'id']: _, ...others } = minimal;
    expect(pointersOf(() => decodeText(JSON.stringify(others)))).toEqual([`/${name}`]);
    expect(pointersOf(() => decodeMembers({ [name]: null }))).toEqual([`/${name}`]);
  });

  test('is named at once', () => {
    expect(pointersOf(() => decodeText('{}'))).toEqual(['/id', '/source', '/specversion', '/type']);
  });

  test('null is absent, and stays in the bytes', () => {
    const event = decodeMembers({
      subject: null,
      myextension: null,
      time: null,
      datacontenttype: null,
      data_base64: null,
    });
    expect(event.attributes().map(({ name }) => name)).toEqual(['specversion', 'id', 'source', 'type']);
    expect(event.dataKind).toBe('none');
    expect(JSON.parse(event.body.toString())).toHaveProperty('subject', null);
  });
});
