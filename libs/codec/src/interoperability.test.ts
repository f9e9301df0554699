/** The `cloudevents` package as publisher and as subscriber. */
import { describe, expect, test } from '@jest/globals';
import type { Event } from '@gridpost/model';
import { CloudEvent, HTTP, type Message } from 'cloudevents';
import fc from 'fast-check';
import { decodeRequest, encodeDelivery } from './index.js';

const time = '2024-05-01T12:00:00.123Z';
const core = { id: 'A-1', source: 'https://shop.example.com/orders', type: 'order.created', time };
// The package neither encodes header values nor decodes them, and in binary mode parses no type but application/json,
// so that only events without need for it are comparable.
const events: [string, ConstructorParameters<typeof CloudEvent>[0]][] = [
  ['no data', { ...core }],
  ['an object', { ...core, subject: 'orders/7', data: { a: [1, 'é', null], b: { c: 1.5 } } }],
  ['an array', { ...core, data: [1, 2, 3] }],
  ['a content type', { ...core, datacontenttype: 'application/json', data: { a: 1 } }],
  ['text', { ...core, datacontenttype: 'text/plain', data: 'Simple text' }],
  ['XML', { ...core, datacontenttype: 'application/xml', data: '<much wow="xml"/>' }],
  ['extensions', { ...core, partitionkey: 'p', flag: true, count: 5, data: { a: 1 } }],
  ['a schema', { ...core, dataschema: 'https://shop.example.com/order.json', data: {} }],
];

function publish(message: Message): Event {
  const rawHeaders = Object.entries(message.headers).flatMap(([name, value]) => [name, String(value)]);
  const body = Buffer.from((message.body as string | undefined) ?? '');
  return decodeRequest(rawHeaders, body).events[0]!;
}

function receive(event: Event, mode: 'structured' | 'binary'): CloudEvent<unknown> {
  const { headers, body } = encodeDelivery(event, mode);
  const message: Message = { headers: {}, body: body?.toString() };
  for (let i = 0; i < headers.length; i += 2) message.headers[headers[i]!] = headers[i + 1]!;
  return HTTP.toEvent(message) as CloudEvent<unknown>;
}

const plain = (event: CloudEvent<unknown>) => JSON.parse(JSON.stringify(event)) as Record<string, unknown>;

describe.each(events)('an event with %s', (_name, given) => {
  const sent = new CloudEvent(given);

  test.each([
    ['structured', 'structured'],
    ['structured', 'binary'],
    ['binary', 'structured'],
    ['binary', 'binary'],
  ] as const)('published in %s mode and received in %s mode', (published, received) => {
    const event = publish(published === 'structured' ? HTTP.structured(sent) : HTTP.binary(sent));
    expect(event.form).toBe(published);
    const got = plain(receive(event, received));
    const expected = plain(sent);
    if (published === 'binary' || (received === 'binary' && expected.data !== undefined)) {
      // Headers have no types, and a content type that was implied is sent.
      expected.datacontenttype ??=
        published === 'binary' ? 'application/json; charset=utf-8' : 'application/json';
    }
    if (published === 'binary' || received === 'binary') {
      for (const name of ['flag', 'count']) if (name in expected) expected[name] = String(expected[name]);
    }
    expect(got).toEqual(expected);
  });
});

test('bytes published as data arrive as base64 in structured mode', () => {
  const sent = new CloudEvent({ ...core, datacontenttype: 'image/png', data: new Uint8Array([0, 1, 255]) });
  const event = publish(HTTP.structured(sent));
  expect(event.dataKind).toBe('base64');
  expect(event.data).toEqual(Buffer.from([0, 1, 255]));
  expect(encodeDelivery(event, 'binary').body).toEqual(Buffer.from([0, 1, 255]));
});

test('a string under the default content type is refused, since it is sent without quotes', () => {
  const sent = new CloudEvent({ ...core, data: 'Simple text' });
  expect(() => publish(HTTP.binary(sent))).toThrow(expect.objectContaining({ code: 'InvalidJson' }));
  expect(publish(HTTP.structured(sent)).parsedData()).toBe('Simple text');
});

test('any text in structured mode', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 });
  fc.assert(
    fc.property(text, text, fc.jsonValue(), (subject, extension, value) => {
      // On receiving, the package drops data that is false, 0 or empty.
      const data = { value };
      const sent = new CloudEvent({ ...core, subject, extension, data });
      const event = publish(HTTP.structured(sent));
      expect(event.subject).toBe(subject);
      expect(event.attribute('extension')).toBe(extension);
      expect(plain(receive(event, 'structured'))).toEqual(plain(sent));
    }),
  );
});
