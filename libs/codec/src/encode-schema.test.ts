import { describe, expect, test } from '@jest/globals';
import { type DeliverySchema, type Event, limits } from '@gridpost/model';
import { decodeCustom } from './custom.js';
import { decodeRequest } from './decode.js';
import { encodeDelivery } from './encode.js';
import { encodeBatch, encodeOne } from './encode-schema.js';
import { decodeEventGrid } from './event-grid.js';
import { least, topic } from './testing/event-grid.js';
import { batchHeaders, decodeMembers, minimalHeaders } from './testing/refusal.js';

/** An event of Event Grid's schema, with more members behind the least ones, as JSON text. */
const eventGrid = (more = ''): Event =>
  decodeEventGrid(Buffer.from(`[${JSON.stringify(least).slice(0, -1)}${more}}]`), { topic })[0]!;
const custom = (text: string): Event =>
  decodeCustom(Buffer.from(`[${text}]`), null, { topic, now: 0, newId: () => 'new' })[0]!;
const textOf = (event: Event, schema: DeliverySchema): string => encodeOne(event, schema).toString();

describe('in Event Grid’s schema', () => {
  const envelope =
    '"id":"1","topic":"/topics/orders","subject":"/orders/7","eventType":"order.created","eventTime":"2024-05-01T12:00:00Z"';

  test('an event has every member that Event Grid’s SDK wants', () => {
    expect(textOf(eventGrid(',"data":{"a":1}'), 'EventGridSchema')).toBe(
      `{${envelope},"dataVersion":"","metadataVersion":"1","data":{"a":1}}`,
    );
    expect(textOf(eventGrid(',"dataVersion":"é2","topic":"","x":1'), 'EventGridSchema')).toBe(
      `{${envelope},"dataVersion":"é2","metadataVersion":"1","data":null}`,
    );
  });

  test.each(['null', '{ "n" : 1.0,"n":1e400 }', '"\\u00e9"', '[12345678901234567890]', '0'])(
    'the data %s keeps its bytes',
    (data) => {
      expect(textOf(eventGrid(`,"data": ${data} `), 'EventGridSchema')).toBe(
        `{${envelope},"dataVersion":"","metadataVersion":"1","data":${data}}`,
      );
    },
  );

  test('an object of a topic’s own schema is the data', () => {
    expect(textOf(custom('{ "a":1.0 }'), 'EventGridSchema')).toBe(
      '{"id":"new","topic":"/topics/orders","subject":"","eventType":"CustomEvent","eventTime":"1970-01-01T00:00:00.000Z","dataVersion":"","metadataVersion":"1","data":{ "a":1.0 }}',
    );
  });

  test('text that needs escapes gets them', () => {
    const subject = '"\\ é €😀 </script>';
    const [event] = decodeEventGrid(Buffer.from(JSON.stringify([{ ...least, subject }])), { topic });
    expect(JSON.parse(textOf(event!, 'EventGridSchema'))).toMatchObject({ subject });
  });

  test('a CloudEvent with JSON data can be read, and one with other data is not taken', () => {
    const members = { subject: 's', time: '2024-05-01T12:00:00Z', data: [1] };
    expect(JSON.parse(textOf(decodeMembers(members), 'EventGridSchema'))).toEqual({
      id: '1',
      topic: '/s',
      subject: 's',
      eventType: 't',
      eventTime: '2024-05-01T12:00:00Z',
      dataVersion: '',
      metadataVersion: '1',
      data: [1],
    });
    expect(JSON.parse(textOf(decodeMembers({}), 'EventGridSchema'))).not.toHaveProperty('eventTime');
    for (const other of [binary('text/plain', 'x'), decodeMembers({ data_base64: 'YQ==' })]) {
      expect(() => encodeOne(other, 'EventGridSchema')).toThrow(TypeError);
      expect(() => encodeOne(other, 'CustomInputSchema')).toThrow(TypeError);
    }
  });
});

describe('in a topic’s own schema', () => {
  test('an event is the publisher’s object, which is not copied', () => {
    const event = custom('{ "a":1.0,"a":1e400 }');
    const element = encodeOne(event, 'CustomInputSchema');
    expect(element.toString()).toBe('{ "a":1.0,"a":1e400 }');
    expect(element.buffer).toBe(event.frame.buffer);
  });
});

describe('as a CloudEvent', () => {
  const members =
    '"specversion":"1.0","id":"1","type":"order.created","subject":"/orders/7","time":"2024-05-01T12:00:00Z"';

  test('an event of Event Grid’s schema has its topic as source', () => {
    expect(textOf(eventGrid(',"data": {"a":1.0}'), 'CloudEventSchemaV1_0')).toBe(
      `{${members},"source":"/topics/orders","data":{"a":1.0}}`,
    );
    expect(textOf(eventGrid(',"dataVersion":"2"'), 'CloudEventSchemaV1_0')).toBe(
      `{${members},"dataversion":"2","source":"/topics/orders"}`,
    );
  });

  test('an object of a topic’s own schema is the data', () => {
    expect(textOf(custom('{ "a":1.0 }'), 'CloudEventSchemaV1_0')).toBe(
      '{"specversion":"1.0","id":"new","type":"CustomEvent","time":"1970-01-01T00:00:00.000Z","source":"/topics/orders","data":{ "a":1.0 }}',
    );
  });

  test('every event is encoded as it is delivered alone', () => {
    for (const event of [eventGrid(), custom('{}'), decodeMembers({ data: 1 }), binary('image/png', 'x')]) {
      expect(encodeOne(event, 'CloudEventSchemaV1_0')).toEqual(encodeDelivery(event, 'structured').body);
    }
  });

  test('in binary mode the data is JSON', () => {
    expect(encodeDelivery(eventGrid(',"data":[1.0],"dataVersion":"2"'), 'binary')).toEqual({
      headers: [
        ...['ce-specversion', '1.0', 'ce-id', '1', 'ce-type', 'order.created', 'ce-subject', '/orders/7'],
        ...['ce-time', '2024-05-01T12:00:00Z', 'ce-dataversion', '2', 'ce-source', '/topics/orders'],
        ...['content-type', 'application/json'],
      ],
      body: Buffer.from('[1.0]'),
    });
  });

  test('a batch can be read again, element by element', () => {
    const events = [eventGrid(',"data":1'), decodeMembers({ data: { a: 1 } }), binary('text/plain', 'é')];
    const elements = events.map((event) => encodeOne(event, 'CloudEventSchemaV1_0'));
    const { headers, body } = encodeBatch(elements, 'CloudEventSchemaV1_0');
    const decoded = decodeRequest(headers, body!);
    expect(decoded.mode).toBe('batch');
    expect(decoded.events.map((event) => event.body)).toEqual(elements);
  });
});

describe('a batch', () => {
  const elements = ['{"a":1}', '{ }', '{"é":"€"}'].map((text) => Buffer.from(text));

  test.each([
    ['EventGridSchema', 'application/json; charset=utf-8'],
    ['CustomInputSchema', 'application/json; charset=utf-8'],
    ['CloudEventSchemaV1_0', 'application/cloudevents-batch+json; charset=utf-8'],
  ] as const)('of %s is an array of its elements’ bytes', (schema, contentType) => {
    for (const count of [1, 2, 3]) {
      const { headers, body } = encodeBatch(elements.slice(0, count), schema);
      expect(headers).toEqual(['content-type', contentType]);
      expect(body!.toString()).toBe(`[${elements.slice(0, count).join(',')}]`);
      const sum = elements.slice(0, count).reduce((bytes, { length }) => bytes + length, 0);
      expect(body).toHaveLength(sum + count + 1);
    }
  });

  test('shares its headers with every other one', () => {
    const { headers } = encodeBatch(elements, 'EventGridSchema');
    expect(encodeBatch(elements, 'CustomInputSchema').headers).toBe(headers);
    expect(Object.isFrozen(headers)).toBe(true);
    expect(Object.isFrozen(encodeBatch(elements, 'CloudEventSchemaV1_0').headers)).toBe(true);
  });
});

test('what is published at the limit of depth can be published again as it is delivered', () => {
  const deep = `${'['.repeat(limits.jsonDepthMax - 1)}${']'.repeat(limits.jsonDepthMax - 1)}`;
  const event = eventGrid(`,"data":${deep}`);
  for (const schema of ['EventGridSchema', 'CloudEventSchemaV1_0'] as const) {
    const { headers, body } = encodeBatch([encodeOne(event, schema)], schema);
    const [again] =
      schema === 'EventGridSchema' ? decodeEventGrid(body!, { topic }) : decodeRequest(headers, body!).events;
    expect(again!.data!.toString()).toBe(deep);
  }
  const own = custom(`{"a":${deep.slice(1, -1)}}`);
  const [again] = decodeRequest(batchHeaders, Buffer.from(`[${textOf(own, 'CloudEventSchemaV1_0')}]`)).events;
  expect(again!.data).toEqual(own.data);
});

function binary(contentType: string, data: string): Event {
  return decodeRequest([...minimalHeaders, 'content-type', contentType], Buffer.from(data)).events[0]!;
}
