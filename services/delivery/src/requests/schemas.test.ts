/** What a request says: the event in its subscription's schema, and the headers. */
import { describe, expect, test } from '@jest/globals';
import { decodeCustom, decodeEventGrid, decodeRequest } from '@gridpost/codec';
import type { DeliveryAttributeMapping, DeliverySchema, Event } from '@gridpost/model';
import { answer, type Endpoint, type Received } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

const published = {
  id: 'a',
  subject: '/orders/1',
  eventType: 'order.created',
  eventTime: '2026-01-31T12:00:00Z',
  dataVersion: '7',
  data: { id: 'a', amount: 1.5, express: true, note: null, lines: [1], größe: 'groß' },
};

const eventGrid = (changes: object = {}): Event[] =>
  decodeEventGrid(Buffer.from(JSON.stringify([{ ...published, ...changes }])), { topic: '/topics/orders' });

const custom = (body: object): Event[] =>
  decodeCustom(
    Buffer.from(JSON.stringify([body])),
    { inputSchemaMappingType: 'Json', properties: { id: { sourceField: 'key' } } },
    { topic: '/topics/orders', now: 0, newId: () => 'unused' },
  );

/** Whose data no schema of Event Grid can hold. */
const text = (): Event[] => [
  ...decodeRequest(
    [
      ...['ce-specversion', '1.0', 'ce-id', 'a', 'ce-source', '/shop', 'ce-type', 'order.created'],
      ...['content-type', 'text/plain'],
    ],
    Buffer.from('no JSON'),
  ).events,
];

/** What the endpoint gets of these, from a subscription made so. */
async function delivered(events: readonly Event[], wish: Parameters<Rig['subscribe']>[2]): Promise<Received> {
  await rig.subscribe('hook', endpoint.url, wish);
  await rig.work();
  await rig.append(events);
  await rig.settled();
  expect(endpoint.received).toHaveLength(1);
  return endpoint.received[0]!;
}

describe('an event of Event Grid arrives', () => {
  test('in Event Grid schema as an array of one, with all that the SDK wants', async () => {
    const { headers, body } = await delivered(eventGrid(), { eventDeliverySchema: 'EventGridSchema' });
    expect(JSON.parse(body)).toEqual([
      { ...published, topic: '/topics/orders', dataVersion: '7', metadataVersion: '1' },
    ]);
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'hook',
      'aeg-delivery-count': '0',
      'aeg-metadata-version': '1',
      'aeg-data-version': '7',
      'aeg-output-event-id': 'a',
    });
  });

  test('as a CloudEvent', async () => {
    const { headers, body } = await delivered(eventGrid(), { eventDeliverySchema: 'CloudEventSchemaV1_0' });
    expect(JSON.parse(body)).toMatchObject({
      specversion: '1.0',
      id: 'a',
      source: '/topics/orders',
      type: 'order.created',
      data: published.data,
    });
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'aeg-metadata-version': '1.0',
      'aeg-output-event-id': 'a',
    });
    expect(headers).not.toHaveProperty('aeg-data-version');
  });

  test('as a CloudEvent in binary mode', async () => {
    const { headers, body } = await delivered(eventGrid(), { contentMode: 'binary' });
    expect(JSON.parse(body)).toEqual(published.data);
    expect(headers).toMatchObject({ 'ce-id': 'a', 'ce-dataversion': '7', 'aeg-metadata-version': '1.0' });
  });
});

test('an event of a topic with its own schema arrives as it was published', async () => {
  const own = { key: 'a', anything: { goes: [1, 2] } };
  const { headers, body } = await delivered(custom(own), { eventDeliverySchema: 'CustomInputSchema' });
  expect(body).toBe(JSON.stringify([own]));
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'aeg-output-event-id': 'a',
  });
  expect(headers).not.toHaveProperty('aeg-metadata-version');
});

test('an event of a topic with its own schema arrives in that of Event Grid, the object as its data', async () => {
  const { body } = await delivered(custom({ key: 'a' }), { eventDeliverySchema: 'EventGridSchema' });
  expect(JSON.parse(body)).toEqual([
    expect.objectContaining({ id: 'a', topic: '/topics/orders', dataVersion: '', data: { key: 'a' } }),
  ]);
});

test('a data version that is empty, and an id that is too long, are in no header', async () => {
  const { headers } = await delivered(eventGrid({ id: 'x'.repeat(4_097), dataVersion: undefined }), {
    eventDeliverySchema: 'EventGridSchema',
  });
  expect(headers).not.toHaveProperty('aeg-data-version');
  expect(headers).not.toHaveProperty('aeg-output-event-id');
});

test('attempts are counted from 0', async () => {
  await rig.subscribe('hook', endpoint.url);
  endpoint.reply(answer(500));
  await rig.work(calm);
  await rig.publish(['a']);
  await endpoint.until((received) => received.length === 1);
  endpoint.reply(answer(200));
  await rig.watched.until(async () => (await rig.logEntries()) === 0);
  await rig.clock.skip(12_000);
  await rig.settled();
  expect(endpoint.received.map(({ headers }) => headers['aeg-delivery-count'])).toEqual(['0', '1']);
});

test.each<DeliverySchema>(['EventGridSchema', 'CustomInputSchema'])(
  'what cannot be written in %s becomes a dead letter of that subscription alone',
  async (eventDeliverySchema) => {
    const strict = await rig.subscribe('strict', endpoint.url, { eventDeliverySchema });
    await rig.subscribe('others', `${endpoint.url}/others`);
    const { lines } = await rig.work();
    await rig.append(text());
    await rig.append(eventGrid());
    await rig.settled();
    expect(endpoint.received.filter(({ path }) => path === '/')).toHaveLength(1);
    expect(endpoint.ids('/others')).toEqual(['a', 'a']);
    expect(await rig.deadLetters(strict)).toMatchObject([{ reason: 'Quarantined', state: { attempts: 0 } }]);
    expect(lines.filter(({ message }) => message === 'event cannot be encoded')).toHaveLength(1);
  },
);

describe('a header of the subscription', () => {
  const fixed = (name: string, value: string): DeliveryAttributeMapping => ({
    name,
    type: 'Static',
    properties: { value, isSecret: false },
  });
  const found = (name: string, sourceField: string): DeliveryAttributeMapping => ({
    name,
    type: 'Dynamic',
    properties: { sourceField },
  });

  test('has the value that was written', async () => {
    const { headers } = await delivered(eventGrid(), {
      push: { deliveryAttributeMappings: [fixed('Authorization', 'Bearer a b'), fixed('X-Team', 'billing')] },
    });
    expect(headers).toMatchObject({ authorization: 'Bearer a b', 'x-team': 'billing' });
  });

  test.each([
    ['subject', '/orders/1'],
    ['eventType', 'order.created'],
    ['type', 'order.created'],
    ['eventTime', '2026-01-31T12:00:00Z'],
    ['topic', '/topics/orders'],
    ['dataVersion', '7'],
    ['data.id', 'a'],
    ['$.data.id', 'a'],
    ['data.amount', '1.5'],
    ['data.express', 'true'],
    ['data.größe', 'gro%C3%9F'],
    ['data.note', undefined],
    ['data.lines', undefined],
    ['data', undefined],
    ['data.missing', undefined],
    ['missing', undefined],
  ])('has what the event holds at %s', async (sourceField, expected) => {
    const { headers } = await delivered(eventGrid(), {
      push: { deliveryAttributeMappings: [found('x-found', sourceField)] },
    });
    expect(headers['x-found']).toBe(expected);
  });

  test.each([
    ['with spaces within', 'with spaces within'],
    ['100%', '100%'],
    [' around ', '%20around%20'],
    ['line\r\nx-smuggled: 1', 'line%0D%0Ax-smuggled:%201'],
    ['5 %', '5 %'],
    ['5 € %', '5%20%E2%82%AC%20%25'],
    ['', undefined],
    ['x'.repeat(4_096), 'x'.repeat(4_096)],
    ['x'.repeat(4_097), undefined],
    ['é'.repeat(683), undefined],
  ])('holds %j in a form that a header can have', async (text, expected) => {
    const { headers } = await delivered(eventGrid({ data: { text } }), {
      push: { deliveryAttributeMappings: [found('x-found', 'data.text')] },
    });
    expect(headers['x-found']).toBe(expected);
    expect(headers).not.toHaveProperty('x-smuggled');
  });

  test('finds its value in the object of a topic with its own schema', async () => {
    const { headers } = await delivered(custom({ key: 'a', team: { name: 'billing' } }), {
      eventDeliverySchema: 'CustomInputSchema',
      push: { deliveryAttributeMappings: [found('x-team', 'data.team.name'), found('x-id', 'id')] },
    });
    expect(headers).toMatchObject({ 'x-team': 'billing', 'x-id': 'a' });
  });
});
