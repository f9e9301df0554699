import { expect, test } from '@jest/globals';
import { type AttributeValue, Event } from '@gridpost/model';
import fc from 'fast-check';
import { decodeRequest } from './decode.js';
import { encodeDelivery } from './encode.js';
import { decodeText } from './testing/refusal.js';
import { isAttributeText } from './text.js';

const text = fc.string({ unit: 'binary', maxLength: 30 }).filter(isAttributeText);
const nonEmpty = text.filter((value) => value !== '');
const name = fc
  .string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'), minLength: 1, maxLength: 20 })
  .filter((value) => !['id', 'source', 'type', 'time', 'subject', 'data'].includes(value));
const value: fc.Arbitrary<AttributeValue> = fc.oneof(
  text,
  fc.boolean(),
  fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
);
const time = fc
  .date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString());

const attributes = fc
  .record(
    {
      specversion: fc.constant('1.0'),
      id: nonEmpty,
      source: fc.webUrl({ withFragments: true, withQueryParameters: true }),
      type: nonEmpty,
      subject: nonEmpty,
      time,
      dataschema: fc.webUrl(),
      extensions: fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true }),
    },
    { requiredKeys: ['specversion', 'id', 'source', 'type', 'extensions'] },
  )
  .map(({ extensions, ...core }): Record<string, AttributeValue> => ({ ...extensions, ...core }));

/** Data as members of the JSON format. */
const data: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.constant({}),
  fc.jsonValue().map((json) => ({ data: json })),
  fc.jsonValue().map((json) => ({ data: json, datacontenttype: 'application/vnd.x+json' })),
  fc
    .string({ unit: 'binary', minLength: 1 })
    .map((string) => ({ data: string, datacontenttype: 'text/plain; charset=utf-8' })),
  fc.base64String({ minLength: 4 }).map((base64) => ({ data_base64: base64, datacontenttype: 'image/png' })),
  fc.base64String({ minLength: 4 }).map((base64) => ({ data_base64: base64 })),
);

/** JSON text of an object, with white space and escapes where the writer is free to put them. */
const spelled = (object: Record<string, unknown>) =>
  fc
    .record({ space: fc.constantFrom('', ' ', '\n', '\t \r\n'), escaped: fc.boolean(), seed: fc.nat() })
    .map(({ space, escaped, seed }) => {
      const string = (plain: string) =>
        JSON.stringify(plain).replace(/[a-z0-9]/g, (letter, at: number) =>
          escaped && (at * 7 + seed) % 5 === 0 ? `\\u00${letter.charCodeAt(0).toString(16)}` : letter,
        );
      // Letters after a backslash belong to an escape, so only texts without one are rewritten.
      const safe = (plain: string) =>
        JSON.stringify(plain).includes('\\') ? JSON.stringify(plain) : string(plain);
      const members = Object.entries(object).map(
        ([key, member]) =>
          `${space}${safe(key)}${space}:${space}${typeof member === 'string' ? safe(member) : JSON.stringify(member)}${space}`,
      );
      return `${space}{${members.join(',')}}${space}`;
    });

const asObject = (event: Event) =>
  Object.fromEntries(event.attributes().map(({ name, value }) => [name, value]));
const asText = (object: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(object).map(([key, member]) => [key, String(member)]));

test('a structured event has the attributes and the data it was written with', () => {
  const written = fc
    .tuple(attributes, data)
    .chain(([given, members]) =>
      fc.tuple(fc.constant([given, members] as const), spelled({ ...members, ...given })),
    );
  fc.assert(
    fc.property(written, ([[given, members], json]) => {
      const event = decodeText(json);
      const { data: value, data_base64: base64, ...contentType } = members;
      expect(asObject(event)).toEqual({ ...contentType, ...given });
      expect(event.body.toString()).toBe(json.trim());
      if (base64 !== undefined) expect(event.data).toEqual(Buffer.from(String(base64), 'base64'));
      // Compared as JSON has it, which writes -0 as 0.
      else
        expect(event.parsedData()).toEqual(value === undefined ? value : JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a batch is split into the bytes of its events', () => {
  const event = fc.tuple(attributes, data).chain(([given, members]) => spelled({ ...given, ...members }));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), (texts) => {
      const { events } = decodeRequest(
        ['Content-Type', 'application/cloudevents-batch+json'],
        Buffer.from(` [${texts.join(',')}]\n`),
      );
      expect(events.map(({ body }) => body.toString())).toEqual(texts.map((one) => one.trim()));
    }),
  );
});

test('an event means the same in binary mode, and back in structured mode', () => {
  fc.assert(
    fc.property(attributes, data, (given, members) => {
      const first = decodeText(JSON.stringify({ ...given, ...members }));
      const binary = encodeDelivery(first, 'binary');
      for (const part of binary.headers) expect(part).toMatch(/^[!-~ ]*$/);
      const second = decodeRequest(binary.headers, binary.body ?? Buffer.alloc(0)).events[0]!;
      const implied = first.dataKind === 'json' ? { datacontenttype: 'application/json' } : {};
      expect(asObject(second)).toEqual({ ...implied, ...asText(asObject(first)) });

      const structured = encodeDelivery(second, 'structured');
      const third = decodeRequest(structured.headers, structured.body!).events[0]!;
      expect(asObject(third)).toEqual(asObject(second));
      expect(encodeDelivery(third, 'binary')).toEqual(binary);
      expect(encodeDelivery(new Event(third.frame), 'structured').body).toEqual(structured.body);
    }),
  );
});
