import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { type AttributeValue, type Event, GridpostError } from '@gridpost/model';
import { decodeRequest } from './decode.js';
import { encodeDelivery } from './encode.js';
import { encodeHeaderValue } from './header-value.js';

type Json = Record<string, unknown>;

interface Case {
  readonly id: string;
  readonly sampleId: string;
  readonly event: Json;
  readonly batch: Json[];
}

const vectors = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../../test/vectors/${path}`, import.meta.url), 'utf8'));
const cases = (file: string): Case[] => vectors(`cloudevents-json/${file}.json`).tests;
const examples: {
  singleEvents: {
    name: string;
    event: Json;
    httpBinary: { headers: Record<string, string>; bodyJson?: unknown; bodyText?: string };
    placeholderData?: boolean;
  }[];
  coreSpecExample: { event: Json };
  batches: { name: string; batch: Json[]; placeholderData?: boolean }[];
} = vectors('cloudevents-spec-examples/json-format-examples.json');

const decodeEvent = (event: unknown) =>
  decodeRequest(['Content-Type', 'application/cloudevents+json'], Buffer.from(JSON.stringify(event)))
    .events[0]!;
const decodeBatch = (batch: unknown) =>
  decodeRequest(['Content-Type', 'application/cloudevents-batch+json'], Buffer.from(JSON.stringify(batch)))
    .events;
const attributesOf = (event: Event): Record<string, AttributeValue> =>
  Object.fromEntries(event.attributes().map(({ name, value }) => [name, value]));

/** The expected events, as the suite describes them in words. */
const time = '2018-04-05T17:31:00Z';
const core = (id: string, others: Json = {}): Json => ({
  specversion: '1.0',
  id,
  type: 'io.cloudevents.test',
  source: 'https://cloudevents.io',
  ...others,
});
const samples: Record<string, { attributes: Json; data?: unknown }> = {
  minimal: { attributes: core('minimal') },
  minimalWithTime: { attributes: core('minimalWithTime', { time }) },
  minimalWithRelativeSource: { attributes: core('minimalWithRelativeSource', { source: '#fragment' }) },
  allCore: {
    attributes: core('allCore', {
      datacontenttype: 'text/plain',
      dataschema: 'https://cloudevents.io/dataschema',
      subject: 'tests',
      time,
    }),
  },
  simpleTextData: {
    attributes: core('simpleTextData', { datacontenttype: 'text/plain' }),
    data: 'Simple text',
  },
  allExtensionTypes: {
    attributes: core('allExtensionTypes', {
      extinteger: 10,
      extboolean: true,
      extstring: 'text',
      exturi: 'https://cloudevents.io',
      exturiref: '//authority/path',
      exttimestamp: '2023-03-31T15:12:00Z',
      extbinary: 'TWE=',
    }),
  },
};
const batches: Record<string, string[]> = {
  empty: [],
  minimal: ['minimal'],
  minimal2: ['minimal', 'minimal'],
  minimalAndAllCore: ['minimal', 'allCore'],
  minimalAndAllExtensionTypes: ['minimal', 'allExtensionTypes'],
};

function expectSample(event: Event, name: string): void {
  const { attributes, data } = samples[name]!;
  // Times are compared as instants.
  const comparable = ({ time: given, ...others }: Json): Json =>
    given === undefined ? others : { ...others, time: Date.parse(String(given)) };
  expect(comparable(attributesOf(event))).toEqual(comparable(attributes));
  expect(event.parsedData()).toEqual(data);
}

describe('the JSON format suite', () => {
  test.each(cases('valid-events'))('accepts $id', ({ event, sampleId }) => {
    const decoded = decodeEvent(event);
    expectSample(decoded, sampleId);
    const { body } = encodeDelivery(decoded, 'structured');
    expect(JSON.parse(body!.toString())).toEqual(event);
  });

  test.each(cases('valid-batches'))('accepts $id', ({ batch, sampleId }) => {
    const events = decodeBatch(batch);
    expect(events).toHaveLength(batches[sampleId]!.length);
    for (const [index, name] of batches[sampleId]!.entries()) expectSample(events[index]!, name);
  });

  test.each(cases('invalid-events'))('refuses $id', ({ event }) => {
    expect(() => decodeEvent(event)).toThrow(GridpostError);
    expect(() => decodeBatch([event])).toThrow(expect.objectContaining({ code: 'InvalidEvent' }));
  });

  test.each(cases('invalid-batches'))('refuses $id', ({ batch }) => {
    expect(() => decodeBatch(batch)).toThrow(expect.objectContaining({ code: 'InvalidEvent' }));
  });
});

describe('the examples of the specification', () => {
  // The placeholder is no base64. Bytes that are keep the attributes comparable.
  const filled = (event: Json): Json =>
    String(event.data_base64 ?? '').startsWith('...') ? { ...event, data_base64: 'AAH/' } : event;
  const bodyOf = ({ bodyJson, bodyText }: { bodyJson?: unknown; bodyText?: string }) =>
    bodyText === undefined ? JSON.stringify(bodyJson) : bodyText;

  test.each(examples.singleEvents)(
    '$name, from structured to binary',
    ({ event, httpBinary, placeholderData }) => {
      const { headers, body } = encodeDelivery(decodeEvent(filled(event)), 'binary');
      expect(headersOf(headers)).toEqual(httpBinary.headers);
      expect(body).toEqual(placeholderData ? Buffer.from([0, 1, 255]) : Buffer.from(bodyOf(httpBinary)));
    },
  );

  test.each(examples.singleEvents)(
    '$name, from binary to structured',
    ({ event, httpBinary, placeholderData }) => {
      const sent = placeholderData ? Buffer.from([0, 1, 255]) : Buffer.from(bodyOf(httpBinary));
      const { mode, events } = decodeRequest(Object.entries(httpBinary.headers).flat(), sent);
      expect(mode).toBe('binary');
      const { headers, body } = encodeDelivery(events[0]!, 'structured');
      expect(headersOf(headers)).toEqual({ 'content-type': 'application/cloudevents+json; charset=utf-8' });
      const expected: Json = {};
      // Headers are text, and what was implied or absent is not sent.
      for (const [name, value] of Object.entries(filled(event))) {
        if (value === null) continue;
        expected[name] = typeof value === 'number' && name !== 'data' ? String(value) : value;
      }
      const contentType = httpBinary.headers['content-type'];
      if (contentType !== undefined) expected.datacontenttype = contentType;
      expect(JSON.parse(body!.toString())).toEqual(expected);
    },
  );

  test('the event of the core specification', () => {
    const { event } = examples.coreSpecExample;
    const { data, ...attributes } = event;
    const decoded = decodeEvent(event);
    expect(attributesOf(decoded)).toEqual(attributes);
    expect(encodeDelivery(decoded, 'binary').body!.toString()).toBe(data);
  });

  test.each(examples.batches)('the batch $name', ({ batch }) => {
    const sent = batch.map(filled);
    const events = decodeBatch(sent);
    expect(events.map((event) => JSON.parse(event.body.toString()))).toEqual(sent);
  });
});

describe('the header values of the HTTP binding', () => {
  const values: {
    encode: { attributeValue: string; headerValue: string }[];
    mustEncodeCodePoints: { single: string[]; everythingOutside: [string, string] };
    mustReject: { headerValue: string; why: string }[];
  } = vectors('cloudevents-spec-examples/http-header-values.json');
  const withSubject = (subject: string) => [
    ...['ce-specversion', '1.0', 'ce-id', '1', 'ce-source', '/s', 'ce-type', 't', 'ce-subject', subject],
  ];
  const codePoint = (notation: string) => Number.parseInt(notation.slice(2), 16);

  test.each(values.encode)('$attributeValue', ({ attributeValue, headerValue }) => {
    expect(encodeHeaderValue(attributeValue)).toBe(headerValue);
    expect(decodeRequest(withSubject(headerValue), Buffer.alloc(0)).events[0]!.subject).toBe(attributeValue);
  });

  test('what must be encoded is, and nothing else', () => {
    const { single, everythingOutside } = values.mustEncodeCodePoints;
    const [first, last] = everythingOutside.map(codePoint) as [number, number];
    const encoded = new Set(single.map(codePoint));
    for (let point = 0; point <= 0x2fff; point++) {
      const text = String.fromCodePoint(point);
      const mustEncode = encoded.has(point) || point < first || point > last;
      expect(encodeHeaderValue(text)).toBe(
        mustEncode ? Buffer.from(text).toString('hex').toUpperCase().replace(/../g, '%$&') : text,
      );
    }
  });

  test.each(values.mustReject)('$headerValue is refused: $why', ({ headerValue }) => {
    expect(() => decodeRequest(withSubject(headerValue), Buffer.alloc(0))).toThrow(
      expect.objectContaining({
        code: 'InvalidEventHeader',
        errors: [{ pointer: 'header/ce-subject', message: expect.stringContaining('UTF-8') }],
      }),
    );
  });
});

function headersOf(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) headers[flat[i]!] = flat[i + 1]!;
  expect(Object.keys(headers)).toHaveLength(flat.length / 2);
  return headers;
}
