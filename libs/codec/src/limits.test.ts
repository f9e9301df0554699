import { describe, expect, test } from '@jest/globals';
import { type GridpostError, limits } from '@gridpost/model';
import { decodeRequest } from './decode.js';
import {
  batchHeaders,
  decodeMembers,
  decodeText,
  minimal,
  minimalHeaders,
  refusalOf,
  structuredHeaders,
} from './testing/refusal.js';

const textOf = (members: object) => JSON.stringify({ ...minimal, ...members });
const decodeBatch = (...events: string[]) =>
  decodeRequest(batchHeaders, Buffer.from(`[${events.join(',')}]`)).events;
const seen = (error: GridpostError) => [error.code, error.errors.map(({ pointer }) => pointer)];

describe('the bytes of an event', () => {
  /** An event of exactly so many bytes. */
  const sized = (bytes: number) => textOf({ data: 'x'.repeat(bytes - textOf({ data: '' }).length) });
  const largest = sized(limits.eventBytesMax);
  const over = sized(limits.eventBytesMax + 1);

  test('in structured mode', () => {
    expect(largest).toHaveLength(limits.eventBytesMax);
    expect(decodeText(largest).body).toHaveLength(limits.eventBytesMax);
    expect(seen(refusalOf(() => decodeText(over)))).toEqual(['TooLarge', ['']]);
  });

  test('do not include the space around it', () => {
    expect(decodeText(`\n${largest}\n`).body).toHaveLength(limits.eventBytesMax);
  });

  test('in a batch, where the event is named', () => {
    expect(decodeBatch(textOf({}), largest, textOf({}))).toHaveLength(3);
    const error = refusalOf(() => decodeBatch(textOf({}), over));
    expect(seen(error)).toEqual(['TooLarge', ['/1']]);
    expect(error.message).toBe('event 1: it has 1048577 bytes; at most 1048576 are allowed');
    expect(error.status).toBe(413);
  });

  test('in binary mode include the headers', () => {
    const headers = [...minimalHeaders, 'content-type', 'text/plain'];
    const headerBytes = minimalHeaders.join('').length + 'text/plain'.length;
    const body = Buffer.alloc(limits.eventBytesMax - headerBytes + 1);
    expect(decodeRequest(headers, body.subarray(1)).events[0]!.data).toHaveLength(body.length - 1);
    expect(seen(refusalOf(() => decodeRequest(headers, body)))).toEqual(['TooLarge', ['']]);
  });
});

describe('the depth of an event', () => {
  /** Data of so many levels; the event's own object is one more. */
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const event = (data: string) => `${textOf({}).slice(0, -1)},"data":${data}}`;
  const deepest = nested(limits.jsonDepthMax - 1);
  const over = nested(limits.jsonDepthMax);

  test('in structured mode', () => {
    expect(decodeText(event(deepest)).data!.toString()).toBe(deepest);
    expect(refusalOf(() => decodeText(event(over))).code).toBe('TooDeep');
  });

  test('in a batch does not include the array', () => {
    expect(decodeBatch(event(deepest), event(deepest))).toHaveLength(2);
    expect(refusalOf(() => decodeBatch(event(deepest), event(over))).code).toBe('TooDeep');
  });

  test('in binary mode is what it would be in structured mode', () => {
    const headers = [...minimalHeaders, 'content-type', 'application/json'];
    expect(decodeRequest(headers, Buffer.from(deepest)).events[0]!.data!.toString()).toBe(deepest);
    expect(refusalOf(() => decodeRequest(headers, Buffer.from(over))).code).toBe('TooDeep');
  });

  test.each(['data', 'myextension', 'MyExtension'])('a million levels in %s', (name) => {
    const text = `${textOf({}).slice(0, -1)},"${name}":${'[{"a":'.repeat(500_000)}`;
    expect(refusalOf(() => decodeText(text)).code).toBe('TooDeep');
    expect(refusalOf(() => decodeText('['.repeat(1_000_000))).code).toBe('TooDeep');
  });
});

describe('the number of events', () => {
  const events = Array<string>(limits.requestEventsMax).fill(textOf({}));

  test('of a request', () => {
    expect(decodeBatch(...events)).toHaveLength(limits.requestEventsMax);
    const error = refusalOf(() => decodeBatch(...events, textOf({})));
    expect(error.code).toBe('TooManyEvents');
    expect(error.message).toContain('5000');
  });
});

describe('the number of attributes', () => {
  const extensions = (count: number, value: unknown) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, value]));
  const most = limits.attributesMax - Object.keys(minimal).length;

  test('in structured mode, data not included', () => {
    const event = decodeMembers({ ...extensions(most, 1), data: 1, data_base64: null });
    expect(event.attributes()).toHaveLength(limits.attributesMax);
    expect(event.attribute(`x${most - 1}`)).toBe(1);
    const error = refusalOf(() => decodeMembers(extensions(most + 1, 1)));
    expect(seen(error)).toEqual(['InvalidEvent', ['']]);
    expect(seen(refusalOf(() => decodeMembers({ data: 1, ...extensions(most + 1, 1) })))).toEqual(
      seen(error),
    );
  });

  test('includes those that are null, and so does the time to look through them', () => {
    expect(decodeMembers(extensions(most, null)).attributes()).toHaveLength(4);
    expect(seen(refusalOf(() => decodeMembers(extensions(most + 1, null))))).toEqual(['InvalidEvent', ['']]);
    expect(seen(refusalOf(() => decodeMembers(extensions(100_000, null))))).toEqual(['InvalidEvent', ['']]);
  });

  test('in binary mode, the content type included', () => {
    const headers = (count: number) => [
      ...minimalHeaders,
      ...Object.entries(extensions(count, 'x')).flatMap(([name, value]) => [`ce-${name}`, String(value)]),
    ];
    const contentType = ['content-type', 'text/plain'];
    const decode = (flat: string[]) => decodeRequest(flat, Buffer.from('x')).events[0]!;
    expect(decode(headers(most)).attributes()).toHaveLength(limits.attributesMax);
    expect(decode([...headers(most - 1), ...contentType]).attributes()).toHaveLength(limits.attributesMax);
    expect(refusalOf(() => decode([...headers(most), ...contentType])).code).toBe('InvalidEventHeader');
    expect(refusalOf(() => decode(headers(most + 1))).code).toBe('InvalidEventHeader');
  });
});

test('what is decoded does not share memory with the request', () => {
  const body = Buffer.from(textOf({ data: { a: 1 } }));
  const { events } = decodeRequest(structuredHeaders, body);
  body.fill(0);
  expect(events[0]!.parsedData()).toEqual({ a: 1 });
});
