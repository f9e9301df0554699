import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AttributeValue, Event, type FramedAttribute, frameEvent } from './event.js';

const name = fc.constantFrom('id', 'source', 'type', 'subject', 'time', 'partitionkey', 'x', 'myextension42');
const value: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  fc.boolean(),
);
const attributes = fc.uniqueArray(fc.record({ name, value }), { selector: (a) => a.name });

test('attributes beside the body come back as they went in, in order', () => {
  fc.assert(
    fc.property(attributes, fc.uint8Array({ maxLength: 300 }), (given, bytes) => {
      const body = Buffer.from(bytes);
      const { frame } = frameEvent({
        form: 'binary',
        attributes: given,
        dataKind: body.length ? 'bytes' : 'none',
        dataAt: 0,
        dataLength: body.length,
        body,
      });
      const event = new Event(Buffer.from(frame));
      expect(event.attributes()).toEqual(given);
      for (const attribute of given) expect(event.attribute(attribute.name)).toBe(attribute.value);
      expect(event.attribute('absent')).toBeUndefined();
      expect(event.body.equals(body)).toBe(true);
      expect(event.data ?? Buffer.alloc(0)).toEqual(body);
    }),
  );
});

test('values that stand in the body are slices of it', () => {
  const body = Buffer.from('{"id":"ü7","type":"t","n":-12,"ok":true,"data":{"a":1e400}}');
  const slice = (text: string, value: AttributeValue, name: string): FramedAttribute => ({
    name,
    value,
    at: body.indexOf(text),
    length: Buffer.byteLength(text),
  });
  const event = frameEvent({
    form: 'structured',
    attributes: [
      slice('ü7', 'ü7', 'id'),
      slice('t', 't', 'type'),
      slice('-12', -12, 'n'),
      { name: 'ok', value: true },
    ],
    dataKind: 'json',
    dataAt: body.indexOf('{"a"'),
    dataLength: '{"a":1e400}'.length,
    body,
  });
  // Nothing was copied beside the body: the table has three known codes' entries and two named ones.
  expect(event.frame.length).toBe(16 + 10 + 10 + 12 + 13 + body.length);
  expect(event.id).toBe('ü7');
  expect(event.attribute('n')).toBe(-12);
  expect(event.attribute('ok')).toBe(true);
  expect(event.data!.toString()).toBe('{"a":1e400}');
  expect(event.body.equals(body)).toBe(true);
});

test('data is parsed only where it is JSON, and base64 is decoded', () => {
  const framed = (dataKind: 'json' | 'base64' | 'bytes' | 'none', text: string): Event =>
    frameEvent({
      form: 'structured',
      attributes: [],
      dataKind,
      dataAt: 0,
      dataLength: Buffer.byteLength(text),
      body: Buffer.from(text),
    });
  expect(framed('json', '{"a":[1]}').parsedData()).toEqual({ a: [1] });
  expect(framed('bytes', '{"a":[1]}').parsedData()).toBeUndefined();
  expect(framed('base64', 'TWE=').data).toEqual(Buffer.from('Ma'));
  expect(framed('none', 'rest').data).toBeUndefined();
});

test('ids are copied and sources compared as they are read', () => {
  const source = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 });
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  const framed = (type: string, id: string, source: string): Event => {
    const attributes = Object.entries({ type, id, source }).map(([name, value]) => ({ name, value }));
    const none = { dataKind: 'none', dataAt: 0, dataLength: 0, body: Buffer.alloc(0) } as const;
    return frameEvent({ form: 'binary', attributes, ...none });
  };
  fc.assert(
    fc.property(id, source, source, (text, mine, theirs) => {
      const event = framed('a', text, mine);
      expect(event.hasSourceOf(framed('another', 'other', theirs))).toBe(mine === theirs);
      expect(event.hasSourceOf(framed('another', 'other', mine))).toBe(true);
      const bytes = Buffer.byteLength(text);
      const target = Buffer.alloc(bytes + 2);
      expect(event.copyId(target, 1, bytes - 1)).toBe(bytes);
      expect(target.equals(Buffer.alloc(bytes + 2))).toBe(true);
      expect(event.copyId(target, 1, bytes)).toBe(bytes);
      expect(target.equals(Buffer.from(`\0${event.id}\0`))).toBe(true);
    }),
  );
});
