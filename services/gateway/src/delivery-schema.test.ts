import { expect, test } from '@jest/globals';
import { type Served, serve } from './testing/serve.js';

const subscription = '/topics/orders/eventsubscriptions/billing';
const destination = (properties: object = {}): object => ({
  endpointType: 'WebHook',
  properties: { endpointUrl: 'https://example.com/', ...properties },
});

async function serveTopic(inputSchema: string): Promise<Served> {
  const served = await serve();
  await served.admin('PUT', '/topics/orders', { inputSchema });
  return served;
}

test.each([
  ['EventGridSchema', 'EventGridSchema', true],
  ['EventGridSchema', 'CloudEventSchemaV1_0', true],
  ['EventGridSchema', 'CustomInputSchema', false],
  ['CloudEventSchemaV1_0', 'EventGridSchema', false],
  ['CloudEventSchemaV1_0', 'CloudEventSchemaV1_0', true],
  ['CloudEventSchemaV1_0', 'CustomInputSchema', false],
  ['CustomEventSchema', 'EventGridSchema', true],
  ['CustomEventSchema', 'CloudEventSchemaV1_0', true],
  ['CustomEventSchema', 'CustomInputSchema', true],
])('what is published in %s can be delivered in %s: %p', async (inputSchema, eventDeliverySchema, can) => {
  const { admin } = await serveTopic(inputSchema);
  const { status, json } = await admin('PUT', subscription, {
    properties: { destination: destination(), eventDeliverySchema },
  });
  if (can) expect([status, json.properties.eventDeliverySchema]).toEqual([201, eventDeliverySchema]);
  else {
    expect([status, json.code]).toEqual([400, 'InvalidResource']);
    expect(json.errors).toEqual([
      {
        pointer: '/properties/eventDeliverySchema',
        message: expect.stringMatching(
          `^saw "${eventDeliverySchema}", expected .*inputSchema is ${inputSchema}$`,
        ),
      },
    ]);
    expect((await admin('GET', subscription)).status).toBe(404);
  }
});

test.each(['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema'])(
  'without a word about it, events published in %s are delivered as CloudEvents',
  async (inputSchema) => {
    const { admin } = await serveTopic(inputSchema);
    const { json } = await admin('PUT', subscription, { destination: destination() });
    expect(json.properties.eventDeliverySchema).toBe('CloudEventSchemaV1_0');
  },
);

test('binary mode is for CloudEvents', async () => {
  const { admin } = await serveTopic('EventGridSchema');
  const binary = destination({ contentMode: 'binary' });
  const { status, json } = await admin('PUT', subscription, {
    destination: binary,
    eventDeliverySchema: 'EventGridSchema',
  });
  expect([status, json.errors[0].pointer]).toEqual([400, '/destination/properties/contentMode']);
  expect((await admin('PUT', subscription, { destination: binary })).status).toBe(201);
});

test('events that are received are CloudEvents', async () => {
  const { admin } = await serveTopic('EventGridSchema');
  const deliveryConfiguration = { deliveryMode: 'Queue' };
  const refused = await admin('PUT', subscription, {
    deliveryConfiguration,
    eventDeliverySchema: 'EventGridSchema',
  });
  expect([refused.status, refused.json.errors[0].pointer]).toEqual([400, '/eventDeliverySchema']);
  const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/any';
  const { status } = await admin(
    'PUT',
    `${group}/providers/Microsoft.EventGrid/topics/orders/eventSubscriptions/billing`,
    { properties: { deliveryConfiguration } },
  );
  expect(status).toBe(201);
});

test('the domain of a domain topic decides what its events can be delivered in', async () => {
  const { admin } = await serve();
  await admin('PUT', '/domains/shop', { inputSchema: 'EventGridSchema' });
  for (const scope of ['/domains/shop', '/domains/shop/topics/north']) {
    const put = (eventDeliverySchema: string) =>
      admin('PUT', `${scope}/eventsubscriptions/billing`, {
        destination: destination(),
        eventDeliverySchema,
      });
    expect((await put('CustomInputSchema')).status).toBe(400);
    expect((await put('EventGridSchema')).status).toBe(201);
  }
});

test('a topic keeps its inputSchema while there are subscriptions', async () => {
  const { admin } = await serveTopic('EventGridSchema');
  const change = () => admin('PUT', '/topics/orders', { inputSchema: 'CustomEventSchema' });
  await admin('PUT', subscription, { destination: destination() });
  const { status, json } = await change();
  expect([status, json.code]).toEqual([409, 'Conflict']);
  expect(json.detail).toContain('inputSchema');
  expect((await admin('GET', '/topics/orders')).json.properties.inputSchema).toBe('EventGridSchema');
  const others = { inputSchema: 'EventGridSchema', eventRetentionInDays: 1 };
  expect((await admin('PUT', '/topics/orders', others)).status).toBe(200);
  await admin('DELETE', subscription);
  expect((await change()).status).toBe(200);
});

test('a domain keeps its inputSchema while there are subscriptions on one of its topics', async () => {
  const { admin } = await serve();
  await admin('PUT', '/domains/shop');
  await admin('PUT', '/domains/shop/topics/north/eventsubscriptions/billing', { destination: destination() });
  const { status, json } = await admin('PUT', '/domains/shop', { inputSchema: 'EventGridSchema' });
  expect([status, json.code]).toEqual([409, 'Conflict']);
});
