import { describe, expect, test } from '@jest/globals';
import type { Event } from '@gridpost/model';
import { decodeRequest } from './decode.js';
import { encodeDelivery } from './encode.js';
import { decodeMembers, decodeText, minimal, minimalHeaders } from './testing/refusal.js';

/** A binary event with a content type, if one is given, and data. */
function decodeBinary(contentType: string | undefined, data: Buffer | string, others: string[] = []): Event {
  const headers = contentType === undefined ? [] : ['content-type', contentType];
  return decodeRequest([...minimalHeaders, ...headers, ...others], Buffer.from(data)).events[0]!;
}

/** The content type and the body as text, of a delivery in binary mode. */
function binary(event: Event): [contentType: string | undefined, body: string | undefined] {
  const { headers, body } = encodeDelivery(event, 'binary');
  const at = headers.indexOf('content-type');
  return [at < 0 ? undefined : headers[at + 1], body?.toString()];
}

const structuredText = (event: Event) => encodeDelivery(event, 'structured').body!.toString();

describe('a structured event in structured mode', () => {
  const text =
    ' { "id":"1" ,"source":"/s","type":"\\u0074","specversion":"1.0","x":null,"data":{"a":1.0,"a":1e400}} ';

  test('keeps its bytes, which are not copied', () => {
    const event = decodeText(text);
    const { headers, body } = encodeDelivery(event, 'structured');
    expect(headers).toEqual(['content-type', 'application/cloudevents+json; charset=utf-8']);
    expect(body!.toString()).toBe(text.trim());
    expect(body!.buffer).toBe(event.frame.buffer);
  });

  test('shares its headers with every other delivery', () => {
    const { headers } = encodeDelivery(decodeText(text), 'structured');
    expect(encodeDelivery(decodeBinary('text/plain', 'x'), 'structured').headers).toBe(headers);
    expect(Object.isFrozen(headers)).toBe(true);
  });
});

describe('a structured event in binary mode', () => {
  test('has its attributes in headers, encoded', () => {
    const event = decodeMembers({ subject: 'Euro € "50%" 😀', n: -5, no: false, yes: true, gone: null });
    expect(encodeDelivery(event, 'binary')).toEqual({
      headers: [
        ...minimalHeaders,
        ...['ce-subject', 'Euro%20%E2%82%AC%20%2250%25%22%20%F0%9F%98%80'],
        ...['ce-n', '-5', 'ce-no', 'false', 'ce-yes', 'true'],
      ],
      body: undefined,
    });
  });

  test.each([
    ['JSON data', { data: { a: 1 } }, 'application/json', '{"a":1}'],
    ['a JSON string', { data: 'text' }, 'application/json', '"text"'],
    ['JSON null', { data: null }, 'application/json', 'null'],
    [
      'JSON of another type',
      { datacontenttype: 'application/x+json;v=1', data: 'a' },
      'application/x+json;v=1',
      '"a"',
    ],
    ['text', { datacontenttype: 'text/plain', data: 'a "b"\n€' }, 'text/plain', 'a "b"\n€'],
    ['no text', { datacontenttype: 'text/plain', data: '' }, 'text/plain', ''],
    ['base64', { data_base64: 'YcOp' }, undefined, 'aé'],
    ['base64 of a type', { datacontenttype: 'image/png', data_base64: 'YQ==' }, 'image/png', 'a'],
    ['no data', {}, undefined, undefined],
    ['no data of a type', { datacontenttype: 'text/plain' }, 'text/plain', undefined],
    [
      'text that declares UTF-8',
      { datacontenttype: 'text/plain; charset=UTF-8', data: 'é' },
      'text/plain; charset=UTF-8',
      'é',
    ],
    // The text of a JSON event is sent as UTF-8, and says so.
    [
      'text of another charset',
      { datacontenttype: 'text/plain;charset=latin1; format=flowed', data: 'é' },
      'text/plain; charset=utf-8; format=flowed',
      'é',
    ],
    [
      'a quoted charset',
      { datacontenttype: 'text/plain; a="; charset=x"; charset="utf-16"', data: 'é' },
      'text/plain; a="; charset=x"; charset=utf-8',
      'é',
    ],
  ])('%s', (_name, members, contentType, body) => {
    expect(binary(decodeMembers(members))).toEqual([contentType, body]);
  });

  test('keeps the spelling of JSON data', () => {
    const event = decodeText(`${JSON.stringify(minimal).slice(0, -1)},"data": [1.0, 1e400, {"a":1,"a":2}] }`);
    expect(binary(event)).toEqual(['application/json', '[1.0, 1e400, {"a":1,"a":2}]']);
  });
});

describe('a binary event in binary mode', () => {
  test.each([
    ['application/json; charset=utf-8', ' {"a": 1.0} '],
    ['text/plain; charset=iso-8859-1', 'caf\u00e9'],
    ['application/octet-stream', '\u0000'],
    [undefined, 'anything'],
  ])('of type %s keeps its data and its type', (contentType, data) => {
    const event = decodeBinary(contentType, Buffer.from(data, 'latin1'), ['ce-x', '%41%20']);
    const { headers, body } = encodeDelivery(event, 'binary');
    const last = contentType === undefined ? [] : ['content-type', contentType];
    expect(headers).toEqual([...minimalHeaders, 'ce-x', 'A%20', ...last]);
    expect(body).toEqual(Buffer.from(data, 'latin1'));
  });

  test('without data has no body', () => {
    expect(binary(decodeBinary('text/plain', ''))).toEqual(['text/plain', undefined]);
  });
});

describe('a binary event in structured mode', () => {
  const members = (others: string) => `${JSON.stringify(minimal).slice(0, -1)}${others}}`;

  test.each([
    [
      'application/json',
      ' {"a": 1.0, "a": 1e400} ',
      ',"datacontenttype":"application/json","data": {"a": 1.0, "a": 1e400} ',
    ],
    ['text/plain', 'a "b"\n', ',"datacontenttype":"text/plain","data":"a \\"b\\"\\n"'],
    [
      'text/plain; charset=utf-8',
      '\ufeffé',
      ',"datacontenttype":"text/plain; charset=utf-8","data":"\ufeffé"',
    ],
    ['application/xml', '<a/>', ',"datacontenttype":"application/xml","data":"<a/>"'],
    ['image/svg+xml', '<a/>', ',"datacontenttype":"image/svg+xml","data":"<a/>"'],
    [
      'text/plain; charset=latin1',
      'a',
      ',"datacontenttype":"text/plain; charset=latin1","data_base64":"YQ=="',
    ],
    ['application/octet-stream', 'a', ',"datacontenttype":"application/octet-stream","data_base64":"YQ=="'],
    [undefined, '{ "xyz": 123 }', ',"data_base64":"eyAieHl6IjogMTIzIH0="'],
    ['text/plain', '', ',"datacontenttype":"text/plain"'],
    [undefined, '', ''],
  ])('of type %s', (contentType, data, expected) => {
    expect(structuredText(decodeBinary(contentType, data))).toBe(members(expected));
  });

  test('is base64 where text is not UTF-8', () => {
    const event = decodeBinary('text/plain', Buffer.from([0xff]));
    expect(structuredText(event)).toBe(members(',"datacontenttype":"text/plain","data_base64":"/w=="'));
  });

  test('has attributes that need escapes in JSON', () => {
    const event = decodeBinary(undefined, '', ['ce-subject', '%22a%22 %5C %C3%A9']);
    expect(structuredText(event)).toBe(members(',"subject":"\\"a\\" \\\\ é"'));
  });
});
