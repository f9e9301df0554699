import { expect, test } from '@jest/globals';
import { Event, type InputSchemaMapping } from '@gridpost/model';
import fc from 'fast-check';
import { decodeCustom } from './custom.js';
import { decodeRequest } from './decode.js';
import { encodeBatch, encodeOne } from './encode-schema.js';
import { decodeEventGrid } from './event-grid.js';
import { batchHeaders } from './testing/refusal.js';
import { isAttributeText } from './text.js';

const topic = '/subscriptions/1/topics/é';
const text = fc.string({ unit: 'binary', maxLength: 30 }).filter(isAttributeText);
const nonEmpty = text.filter((value) => value !== '');
const time = fc
  .tuple(
    fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-30'), noInvalidDate: true }),
    fc.constantFrom('Z', '.1234567Z', '+14:00', '.5-09:30'),
  )
  .map(([date, end]) => `${date.toISOString().slice(0, 19)}${end}`);

const envelope = fc.record(
  {
    id: nonEmpty,
    subject: nonEmpty,
    eventType: nonEmpty,
    eventTime: time,
    dataVersion: fc.option(text),
    metadataVersion: fc.constantFrom('1', null),
    topic: fc.constantFrom('', topic, null),
  },
  { requiredKeys: ['id', 'subject', 'eventType', 'eventTime'] },
);

/** JSON text that `JSON.stringify` would spell differently. */
const spelled = fc.oneof(
  fc.json(),
  fc
    .tuple(fc.json(), fc.constantFrom(' ', '\n', '\t\r\n'))
    .map(([json, space]) => `[${space}${json}${space},1.0]`),
  fc.json().map((json) => `{"a":${json},"a":${json},"\\u00e9\\/":1e400}`),
);
const space = fc.constantFrom('', ' ', '\n\t');

test('an event of Event Grid’s schema is delivered with its members and the bytes of its data', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(envelope, fc.option(spelled), space), { minLength: 1, maxLength: 4 }),
      (given) => {
        const texts = given.map(([members, data, gap]) => {
          const object = JSON.stringify(members);
          return data === null ? object : `{"data"${gap}:${gap}${data}${gap},${object.slice(1)}`;
        });
        const events = decodeEventGrid(Buffer.from(`[${texts.join(',')}]`), { topic });
        // What is stored is the frame.
        const elements = events.map(({ frame }) => encodeOne(new Event(frame), 'EventGridSchema'));
        const expected = given.map(([members, data]) => ({
          ...members,
          topic,
          dataVersion: members.dataVersion ?? '',
          metadataVersion: '1',
          data: JSON.parse(data ?? 'null') as unknown,
        }));
        const { body } = encodeBatch(elements, 'EventGridSchema');
        expect(JSON.parse(body!.toString())).toEqual(expected);
        for (const [index, [, data]] of given.entries()) {
          expect(elements[index]!.toString().endsWith(`,"data":${data ?? 'null'}}`)).toBe(true);
        }
        // A delivery can be published again, and is then delivered as the same bytes.
        const again = decodeEventGrid(body!, { topic });
        expect(again.map((event) => encodeOne(event, 'EventGridSchema'))).toEqual(elements);
      },
    ),
  );
});

test('an event of Event Grid’s schema is a valid CloudEvent of the same meaning', () => {
  fc.assert(
    fc.property(envelope, fc.option(spelled), (members, data) => {
      const object = JSON.stringify(members);
      const sent = data === null ? object : `{"data":${data},${object.slice(1)}`;
      // Only here the topic has to be a URI-reference.
      const own = sent.replaceAll(topic, '/t');
      const [event] = decodeEventGrid(Buffer.from(`[${own}]`), { topic: '/t' });
      const body = Buffer.concat([
        Buffer.from('['),
        encodeOne(event!, 'CloudEventSchemaV1_0'),
        Buffer.from(']'),
      ]);
      const [read] = decodeRequest(batchHeaders, body).events;
      expect(read!.id).toBe(members.id);
      expect(read!.type).toBe(members.eventType);
      expect(read!.subject).toBe(members.subject);
      expect(read!.source).toBe('/t');
      expect(read!.attribute('time')).toBe(members.eventTime);
      expect(read!.attribute('dataversion')).toBe(members.dataVersion || undefined);
      expect(read!.data?.toString()).toBe(data ?? undefined);
    }),
  );
});

/** An object with a text at each of the paths, among others; and the mapping that finds them. */
const mapped = fc
  .tuple(
    fc.record({ id: nonEmpty, eventType: nonEmpty, subject: nonEmpty, dataVersion: nonEmpty }),
    fc.array(
      fc.string({ unit: 'grapheme' }).filter((name) => !name.includes('.')),
      { minLength: 1, maxLength: 5 },
    ),
    fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true, maxKeys: 4 }),
  )
  .map(([fields, path, others]) => {
    const last = Object.fromEntries(Object.entries(fields).map(([name, value]) => [`f-${name}`, value]));
    const object = path.reduceRight<string>((inner, name) => {
      // A member of the same name would be refused: which one is meant would be open.
      const { [name]: _, ...rest } = others;
      return `{${JSON.stringify(name)}:${inner},${JSON.stringify({ ...rest, [`${name}!`]: 1 }).slice(1)}`;
    }, JSON.stringify(last));
    const properties = Object.fromEntries(
      Object.keys(fields).map((name) => [name, { sourceField: [...path, `f-${name}`].join('.') }]),
    );
    const mapping: InputSchemaMapping = { inputSchemaMappingType: 'Json', properties };
    return { fields, object, mapping };
  });

test('the fields of a topic’s own schema are found at any depth, and its objects delivered as they were sent', () => {
  fc.assert(
    fc.property(mapped, ({ fields, object, mapping }) => {
      const options = { topic, now: 0, newId: () => 'unused' };
      const [event] = decodeCustom(Buffer.from(`[${object}]`), mapping, options);
      expect(encodeOne(new Event(event!.frame), 'CustomInputSchema').toString()).toBe(object);
      expect(JSON.parse(encodeOne(event!, 'EventGridSchema').toString())).toEqual({
        ...fields,
        topic,
        eventTime: '1970-01-01T00:00:00.000Z',
        metadataVersion: '1',
        data: JSON.parse(object) as unknown,
      });
    }),
  );
});
