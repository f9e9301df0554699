import { describe, expect, test } from '@jest/globals';
import { attemptOutcomes, deadLetterReasons, type Event } from '@gridpost/model';
import { decodeCustom } from './custom.js';
import { type DeadLetterFacts, type DeadLetterSchema, encodeDeadLetter } from './dead-letter.js';
import { decodeRequest } from './decode.js';
import { encodeBatch } from './encode-schema.js';
import { decodeEventGrid } from './event-grid.js';
import { least, topic } from './testing/event-grid.js';
import { batchHeaders, decodeMembers, decodeText, minimalHeaders } from './testing/refusal.js';

const facts: DeadLetterFacts = {
  reason: 'MaxDeliveryAttemptsExceeded',
  acceptedAt: Date.parse('2024-05-01T12:00:01Z'),
  state: {
    attempts: 3,
    lastOutcome: 'NotFound',
    lastAttemptAt: Date.parse('2024-05-01T13:00:00.250Z'),
  },
};
/** Those of a delivery that was given up before any attempt. */
const untried: DeadLetterFacts = {
  reason: 'TimeToLiveExceeded',
  acceptedAt: facts.acceptedAt,
  state: { attempts: 0 },
};

const parsed = (event: Event, schema: DeadLetterSchema, given = facts): unknown =>
  JSON.parse(encodeDeadLetter(event, schema, given).toString());
const eventGrid = (more = ''): Event =>
  decodeEventGrid(Buffer.from(`[${JSON.stringify(least).slice(0, -1)}${more}}]`), { topic })[0]!;

describe('in Event Grid’s schema', () => {
  test('the facts stand beside the event’s members', () => {
    expect(parsed(eventGrid(',"data":{"a":1},"dataVersion":"2"'), 'EventGridSchema')).toEqual({
      ...least,
      topic,
      data: { a: 1 },
      dataVersion: '2',
      metadataVersion: '1',
      deadLetterReason: 'MaxDeliveryAttemptsExceeded',
      deliveryAttempts: 3,
      lastDeliveryOutcome: 'NotFound',
      publishTime: '2024-05-01T12:00:01.000Z',
      lastDeliveryAttemptTime: '2024-05-01T13:00:00.250Z',
    });
  });

  test('facts that there are not are left out', () => {
    expect(parsed(eventGrid(',"data":1'), 'EventGridSchema', untried)).toEqual({
      ...least,
      topic,
      data: 1,
      dataVersion: '',
      metadataVersion: '1',
      deadLetterReason: 'TimeToLiveExceeded',
      deliveryAttempts: 0,
      publishTime: '2024-05-01T12:00:01.000Z',
    });
  });

  test('an object of a topic’s own schema is the data of such an event', () => {
    const [event] = decodeCustom(Buffer.from('[{ "a":1.0 }]'), null, { topic, now: 0, newId: () => 'new' });
    const letter = encodeDeadLetter(event!, 'CustomInputSchema', facts);
    expect(letter).toEqual(encodeDeadLetter(event!, 'EventGridSchema', facts));
    expect(letter.toString()).toContain('"data":{ "a":1.0 }');
    expect(JSON.parse(letter.toString())).toMatchObject({
      id: 'new',
      topic,
      subject: '',
      eventType: 'CustomEvent',
      eventTime: '1970-01-01T00:00:00.000Z',
      deadLetterReason: 'MaxDeliveryAttemptsExceeded',
    });
  });
});

test('data that is not JSON has no place in Event Grid’s schema: the dead letter is a CloudEvent', () => {
  const [event] = decodeRequest([...minimalHeaders, 'content-type', 'image/png'], Buffer.from('a')).events;
  const letter = encodeDeadLetter(event!, 'EventGridSchema', facts);
  expect(letter).toEqual(encodeDeadLetter(event!, 'CloudEventSchemaV1_0', facts));
});

describe('reasons and outcomes', () => {
  /** Event Grid, "Message delivery and retry": the values of `lastDeliveryOutcome`. */
  const outcomes = [
    ...['NotFound', 'Disabled', 'Full', 'Unauthorized', 'BadRequest', 'TimedOut', 'Busy', 'PayloadTooLarge'],
    ...['Probation', 'Canceled', 'Aborted', 'SocketError', 'ResolutionError', 'Delivering'],
    ...['SessionQueueNotSupported', 'Forbidden', 'InvalidAzureFunctionDestination'],
  ];

  test.each(attemptOutcomes)('the outcome %s has a word of Event Grid’s', (lastOutcome) => {
    const letter = parsed(eventGrid(), 'EventGridSchema', { ...facts, state: { attempts: 1, lastOutcome } });
    const { lastDeliveryOutcome } = letter as { lastDeliveryOutcome: string };
    expect(outcomes).toContain(lastDeliveryOutcome);
    if (outcomes.includes(lastOutcome)) expect(lastDeliveryOutcome).toBe(lastOutcome);
  });

  test.each(deadLetterReasons)('the reason %s has Event Grid’s form', (reason) => {
    const letter = parsed(eventGrid(), 'EventGridSchema', { ...facts, reason });
    const { deadLetterReason } = letter as { deadLetterReason: string };
    expect([
      'MaxDeliveryAttemptsExceeded',
      'TimeToLiveExceeded',
      ...outcomes.map((outcome) => `UndeliverableDueTo${outcome}`),
    ]).toContain(deadLetterReason);
    if (/^Max|^Time|^Undeliverable/.test(reason)) expect(deadLetterReason).toBe(reason);
  });
});

describe('as a CloudEvent', () => {
  const extensions = {
    deadletterreason: 'MaxDeliveryAttemptsExceeded',
    deliveryattempts: 3,
    lastdeliveryoutcome: 'NotFound',
    publishtime: '2024-05-01T12:00:01.000Z',
    lastdeliveryattempttime: '2024-05-01T13:00:00.250Z',
  };
  const core = { specversion: '1.0', id: '1', source: '/s', type: 't' };

  test.each([
    ['a structured event', decodeMembers({ n: 5, data: { a: 1 } }), { n: 5, data: { a: 1 } }],
    ['an event without data', decodeMembers({}), {}],
    ['base64', decodeMembers({ data_base64: 'YQ==' }), { data_base64: 'YQ==' }],
    [
      'text',
      decodeMembers({ datacontenttype: 'text/plain', data: '"' }),
      { datacontenttype: 'text/plain', data: '"' },
    ],
    [
      'a binary event',
      decodeRequest([...minimalHeaders, 'content-type', 'image/png'], Buffer.from('a')).events[0]!,
      { datacontenttype: 'image/png', data_base64: 'YQ==' },
    ],
  ])('%s has the facts as extensions', (_name, event, members) => {
    expect(parsed(event, 'CloudEventSchemaV1_0')).toEqual({ ...core, ...members, ...extensions });
  });

  test('an event of Event Grid’s schema has them too', () => {
    expect(parsed(eventGrid(',"data":1,"dataVersion":"2"'), 'CloudEventSchemaV1_0', untried)).toEqual({
      specversion: '1.0',
      id: '1',
      source: topic,
      type: 'order.created',
      subject: '/orders/7',
      time: '2024-05-01T12:00:00Z',
      dataversion: '2',
      data: 1,
      deadletterreason: 'TimeToLiveExceeded',
      deliveryattempts: 0,
      publishtime: '2024-05-01T12:00:01.000Z',
    });
  });

  test('JSON data keeps its bytes', () => {
    const event = decodeText(
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","data": {"n":1.0,"n":1e400} }',
    );
    const letter = encodeDeadLetter(event, 'CloudEventSchemaV1_0', facts);
    expect(letter.toString()).toContain('"data":{"n":1.0,"n":1e400}');
  });

  test('one that was published again has only the facts of this life', () => {
    const again = decodeMembers({ ...extensions, lastdeliveryoutcome: null, x: null, kept: 'k' });
    const letter = encodeDeadLetter(again, 'CloudEventSchemaV1_0', untried);
    expect(letter.toString().match(/deadletterreason/g)).toHaveLength(1);
    expect(JSON.parse(letter.toString())).toEqual({
      ...core,
      kept: 'k',
      deadletterreason: 'TimeToLiveExceeded',
      deliveryattempts: 0,
      publishtime: '2024-05-01T12:00:01.000Z',
    });
  });

  test('an array of them can be published', () => {
    const letters = [decodeMembers({ data: 1 }), eventGrid()].map((event) =>
      encodeDeadLetter(event, 'CloudEventSchemaV1_0', facts),
    );
    const { body } = encodeBatch(letters, 'CloudEventSchemaV1_0');
    expect(decodeRequest(batchHeaders, body!).events.map(({ body }) => body)).toEqual(letters);
  });
});

describe('in the shape of namespace topics', () => {
  const event = decodeText(' { "specversion":"1.0","id":"1","source":"/s","type":"t","x":null,"data":1.0 } ');

  test('the event keeps its bytes, and the facts stand beside it', () => {
    expect(encodeDeadLetter(event, 'Namespace', facts).toString()).toBe(
      '{"deadLetterProperties":{"deadletterreason":"MaxDeliveryAttemptsExceeded","deliveryattempts":3,' +
        '"deliveryresult":"NotFound","publishutc":"2024-05-01T12:00:01.000Z",' +
        '"deliveryattemptutc":"2024-05-01T13:00:00.250Z"},' +
        `"event":${event.body.toString()}}`,
    );
  });

  test('facts that there are not are left out', () => {
    expect(parsed(event, 'Namespace', untried)).toEqual({
      deadLetterProperties: {
        deadletterreason: 'TimeToLiveExceeded',
        deliveryattempts: 0,
        publishutc: '2024-05-01T12:00:01.000Z',
      },
      event: JSON.parse(event.body.toString()),
    });
  });
});
