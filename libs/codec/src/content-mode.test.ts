import { describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '@gridpost/model';
import { decodeRequest } from './decode.js';
import { batchHeaders, minimal, minimalHeaders, refusalOf, structuredHeaders } from './testing/refusal.js';

const event = { ...minimal, data: { a: 1 } };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('the content mode follows the headers', () => {
  test.each([
    ['application/cloudevents+json'],
    ['application/cloudevents+json; charset=utf-8'],
    ['application/cloudevents+json;charset=UTF-8'],
    ['Application/CloudEvents+JSON ; charset="utf-8"'],
    ['application/cloudevents+json; profile="a;b"; charset=utf-8;'],
    ['application/json'],
    ['application/json; charset=utf-8'],
  ])('%s is one structured event', (contentType) => {
    const { mode, events } = decodeRequest(['Host', 'x', 'Content-Type', contentType], bytes(event));
    expect(mode).toBe('structured');
    expect(events).toHaveLength(1);
    expect(events[0]!.form).toBe('structured');
    expect(events[0]!.body).toEqual(bytes(event));
  });

  test.each([['application/cloudevents-batch+json'], ['application/cloudevents-batch+json; charset=utf-8']])(
    '%s is a batch',
    (contentType) => {
      const others = { ...event, id: '2' };
      const { mode, events } = decodeRequest(['content-type', contentType], bytes([event, others]));
      expect(mode).toBe('batch');
      expect(events.map(({ id }) => id)).toEqual(['1', '2']);
    },
  );

  test('a batch may be empty', () => {
    expect(decodeRequest(batchHeaders, Buffer.from(' [ ] '))).toEqual({ mode: 'batch', events: [] });
  });

  test.each([
    ['application/json', '{"a":1}', 'json'],
    ['application/vnd.api+json; charset=utf-8', '[1e400, 1]', 'json'],
    ['text/json', ' "a" ', 'json'],
    ['text/plain', 'a', 'bytes'],
    ['text/plain; charset=iso-8859-1', 'a', 'bytes'],
    ['application/octet-stream', '{', 'bytes'],
    ['application/jsonlines', '{', 'bytes'],
    ['application/json', '', 'none'],
    ['text/plain', '', 'none'],
  ] as const)('%s beside ce- headers is binary mode', (contentType, body, kind) => {
    const { mode, events } = decodeRequest(
      [...minimalHeaders, 'Content-Type', contentType],
      Buffer.from(body),
    );
    expect(mode).toBe('binary');
    expect(events[0]!.form).toBe('binary');
    expect(events[0]!.dataKind).toBe(kind);
    expect(events[0]!.data?.toString() ?? '').toBe(body);
    expect(events[0]!.attribute('datacontenttype')).toBe(contentType);
  });

  test('ce- headers without a content type are binary mode', () => {
    const { mode, events } = decodeRequest(['CE-Extension', 'x', ...minimalHeaders], Buffer.from([0, 255]));
    expect(mode).toBe('binary');
    expect(events[0]!.dataKind).toBe('bytes');
    expect(events[0]!.data).toEqual(Buffer.from([0, 255]));
    expect(events[0]!.attribute('datacontenttype')).toBeUndefined();
    expect(events[0]!.attribute('extension')).toBe('x');
  });
});

const refusals: [
  name: string,
  headers: string[],
  body: string,
  code: ErrorCode,
  pointer: string | undefined,
][] = [
  ['nothing says what the body is', [], '{}', 'UnsupportedContentType', 'header/content-type'],
  [
    'another content type without ce- headers',
    ['content-type', 'text/plain'],
    'a',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'JSON of another kind without ce- headers',
    ['content-type', 'text/json'],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another CloudEvents format',
    ['content-type', 'application/cloudevents+avro'],
    '',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another batch format',
    ['content-type', 'application/cloudevents-batch+xml'],
    '',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another CloudEvents format with ce- headers',
    ['content-type', 'application/cloudevents+protobuf', ...minimalHeaders],
    '',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'CloudEvents without a format',
    ['content-type', 'application/cloudevents'],
    '',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'an unreadable content type',
    ['content-type', 'json'],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  ['an empty content type', ['content-type', ''], '{}', 'UnsupportedContentType', 'header/content-type'],
  [
    'an unreadable content type in binary mode',
    ['content-type', 'json', ...minimalHeaders],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another charset',
    ['content-type', 'application/cloudevents+json; charset=utf-16'],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'one charset of two',
    ['content-type', 'application/cloudevents+json; charset=utf-8; charset=latin1'],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another charset of a batch',
    ['content-type', 'application/cloudevents-batch+json; charset="utf-7"'],
    '[]',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another charset of JSON',
    ['content-type', 'application/json; charset=us-ascii'],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'another charset of JSON data',
    ['content-type', 'application/json; charset=utf-16', ...minimalHeaders],
    '{}',
    'UnsupportedContentType',
    'header/content-type',
  ],
  [
    'two content types',
    ['content-type', 'application/json', 'Content-Type', 'application/json'],
    '{}',
    'InvalidEventHeader',
    'header/content-type',
  ],
  [
    'ce- headers beside a structured event',
    ['content-type', 'application/cloudevents+json', 'CE-Id', '1'],
    '{}',
    'InvalidEventHeader',
    'header/ce-id',
  ],
  [
    'ce- headers beside a batch',
    ['ce-id', '1', 'content-type', 'application/cloudevents-batch+json'],
    '[]',
    'InvalidEventHeader',
    'header/ce-id',
  ],
  ['an array as application/json', ['content-type', 'application/json'], '[]', 'InvalidEvent', ''],
  [
    'JSON data that is not JSON',
    ['content-type', 'application/json', ...minimalHeaders],
    "I'm a string",
    'InvalidJson',
    undefined,
  ],
  [
    'JSON data with a byte order mark',
    ['content-type', 'application/json', ...minimalHeaders],
    '\ufeff1',
    'InvalidJson',
    undefined,
  ],
];

describe('what is refused before an event is looked at', () => {
  test.each(refusals)('%s', (_name, headers, body, code, pointer) => {
    const error = refusalOf(() => decodeRequest(headers, Buffer.from(body)));
    expect(error.code).toBe(code);
    expect(error.errors.map((one) => one.pointer)).toEqual(pointer === undefined ? [] : [pointer]);
  });

  test('an array as application/json is told where it belongs', () => {
    expect(
      refusalOf(() => decodeRequest(['content-type', 'application/json'], Buffer.from('[]'))).message,
    ).toContain('cloudevents-batch+json');
  });

  test.each([
    ['structured', structuredHeaders],
    ['batch', batchHeaders],
    ['JSON data', ['content-type', 'application/json', ...minimalHeaders]],
  ])('a %s body that is not UTF-8', (_name, headers) => {
    const body = Buffer.concat([Buffer.from('{"é€":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    const error = refusalOf(() => decodeRequest(headers, Buffer.from(body)));
    expect(error.code).toBe('InvalidUtf8');
    expect(error.message).toContain('byte 10:');
  });

  test.each([
    ['cut in a character', [0x22, 0xe2, 0x82], 1],
    ['an overlong form', [0x22, 0xc0, 0xa0, 0x22], 1],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    ['beyond Unicode', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1],
    ['a lone byte like that of a replacement character', [0x22, 0xef, 0x22], 1],
    ['a lone continuation', [0x80], 0],
  ])('UTF-8 that is %s', (_name, sent, at) => {
    const error = refusalOf(() => decodeRequest(structuredHeaders, Buffer.from(sent)));
    expect(error.code).toBe('InvalidUtf8');
    expect(error.message).toContain(`byte ${at}:`);
  });
});
