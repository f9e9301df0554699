import { expect, test } from '@jest/globals';
import { type Subscription, subscriptionPath } from '@gridpost/model';
import type { MemoryStore } from '@gridpost/store';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';

const hook = (properties: object): object => ({
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/hook', ...properties },
  },
});
const header = (name: string, value: unknown = 'x', more: object = {}): object => ({
  name,
  type: 'Static',
  properties: { value, ...more },
});
const field = (sourceField: unknown, more: object = {}): object => ({
  name: 'x-field',
  type: 'Dynamic',
  properties: { sourceField, ...more },
});
const mapped = (...deliveryAttributeMappings: object[]): object => ({ deliveryAttributeMappings });

async function serveTopic(): Promise<Served> {
  const served = await serve();
  await served.admin('PUT', '/topics/orders');
  return served;
}

async function stored(store: MemoryStore): Promise<Subscription | undefined> {
  return (await store.resources.get(subscriptionPath('orders', 'billing')))?.value as
    | Subscription
    | undefined;
}

const at = '/deliveryAttributeMappings';
test.each<[properties: object, pointer: string, message: string | RegExp]>([
  ...[0, 5_001].map((value): [object, string, RegExp] => [
    { maxEventsPerBatch: value },
    '/maxEventsPerBatch',
    /expected a number from 1 to 5000$/,
  ]),
  ...[0, 1_025].map((value): [object, string, RegExp] => [
    { preferredBatchSizeInKilobytes: value },
    '/preferredBatchSizeInKilobytes',
    /expected a number from 1 to 1024$/,
  ]),
  ...[{ maxEventsPerBatch: 2 }, { preferredBatchSizeInKilobytes: 1 }].map(
    (batch): [object, string, RegExp] => [
      { contentMode: 'binary', ...batch },
      '/contentMode',
      /expected "structured" for batches/,
    ],
  ),
  [mapped(...Array.from({ length: 11 }, (_, i) => header(`x-${i}`))), at, /at most 10 items/],
  [mapped({ type: 'Static', properties: {} }), `${at}/0/name`, 'is missing'],
  [mapped({ name: 'x', type: 'Static' }), `${at}/0/properties`, 'is missing'],
  [
    mapped({ name: 'x', type: 'static', properties: {} }),
    `${at}/0/type`,
    'saw "static", expected "Static" or "Dynamic"',
  ],
  [mapped(header('x', 1)), `${at}/0/properties/value`, 'saw 1 characters, expected a string or null'],
  [mapped(header('')), `${at}/0/name`, /expected the name of a header/],
  [mapped(header('x y')), `${at}/0/name`, /expected the name of a header/],
  [mapped(header('x:')), `${at}/0/name`, /expected the name of a header/],
  [mapped(header('é')), `${at}/0/name`, /expected the name of a header/],
  [mapped(header('x'.repeat(257))), `${at}/0/name`, 'saw 257 bytes, expected at most 256'],
  ...['aeg-own', 'AEG-Own', 'ce-type', 'webhook-id'].map((name): [object, string, RegExp] => [
    mapped(header(name)),
    `${at}/0/name`,
    /which is reserved: names that begin with/,
  ]),
  ...['Host', 'content-type', 'Content-Length', 'content-encoding', 'Content-Language', 'user-agent'].map(
    (name): [object, string, RegExp] => [
      mapped(header(name)),
      `${at}/0/name`,
      /it says what Gridpost sends$/,
    ],
  ),
  ...['connection', 'Keep-Alive', 'TE', 'trailer', 'transfer-encoding', 'upgrade', 'expect'].map(
    (name): [object, string, RegExp] => [mapped(header(name)), `${at}/0/name`, /it is about the connection/],
  ),
  [mapped(header('Accept-Encoding')), `${at}/0/name`, /answers are read as they come, never decompressed$/],
  [
    mapped(header('X-Key'), header('x-other'), header('x-key')),
    `${at}/2/name`,
    'saw "x-key" again, expected each name once, regardless of case',
  ],
  [mapped(header('x', null)), `${at}/0/properties/value`, 'is missing'],
  [
    mapped(header('x', null, { isSecret: true })),
    `${at}/0/properties/value`,
    /^is missing: the value of a secret is not shown .* :getDeliveryAttributes tells it$/,
  ],
  [
    mapped(header('x', 's'.repeat(4_097))),
    `${at}/0/properties/value`,
    'saw 4097 bytes, expected at most 4096',
  ],
  ...['', ' x', 'x ', 'a\nb', 'a\0b', 'naïve'].map((value): [object, string, RegExp] => [
    mapped(header('x', value)),
    `${at}/0/properties/value`,
    /^expected printable ASCII characters/,
  ]),
  [
    mapped(header('x', 'x', { sourceField: 'subject' })),
    `${at}/0/properties/sourceField`,
    'is for headers whose type is Dynamic',
  ],
  [mapped(field(null)), `${at}/0/properties/sourceField`, 'is missing'],
  [
    mapped(field('subject', { value: 'x' })),
    `${at}/0/properties/value`,
    'is for headers whose type is Static',
  ],
  [
    mapped(field('subject', { isSecret: true })),
    `${at}/0/properties/isSecret`,
    'is for headers whose type is Static',
  ],
  ...['', '$', '$.', 'data.', '.data', 'data..x', 'data.x[0]', "data['x']", 'data.*', '$.$.x'].map(
    (value): [object, string, RegExp] => [
      mapped(field(value)),
      `${at}/0/properties/sourceField`,
      /expected names with dots between/,
    ],
  ),
  [
    mapped(field(`data.${'x'.repeat(1_020)}`)),
    `${at}/0/properties/sourceField`,
    'saw 1025 bytes, expected at most 1024',
  ],
])('case %#: %j is refused at %s', async (properties, pointer, message) => {
  const { admin, store } = await serveTopic();
  const { status, json } = await admin('PUT', path, hook(properties));
  expect([status, json.code]).toEqual([400, 'InvalidResource']);
  expect(json.errors).toEqual([
    {
      pointer: `/destination/properties${pointer}`,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    },
  ]);
  expect(await stored(store)).toBeUndefined();
});

test.each<[string, object]>([
  ['1 event', { maxEventsPerBatch: 1 }],
  ['5000 events', { maxEventsPerBatch: 5_000 }],
  ['1 KB', { preferredBatchSizeInKilobytes: 1 }],
  ['1024 KB', { preferredBatchSizeInKilobytes: 1_024 }],
  // As Event Grid exports a webhook without batches.
  [
    'binary mode with batches of 1',
    { contentMode: 'binary', maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 },
  ],
  ['10 headers', mapped(...Array.from({ length: 10 }, (_, i) => header(`x-${i}`)))],
  ['a name of 256', mapped(header('x'.repeat(256)))],
  ['a value of 4096', mapped(header('x', 's'.repeat(4_096)))],
  ['spaces within a value', mapped(header('Authorization', 'Bearer a\tb  c'))],
  ['a path of 1024', mapped(field(`data.${'x'.repeat(1_019)}`))],
  ...['subject', 'data', 'data.a.b-c', '$.data.x', 'data.größe'].map((value): [string, object] => [
    `the path ${value}`,
    mapped(field(value)),
  ]),
])('%s is just allowed', async (_, properties) => {
  const { admin, store } = await serveTopic();
  expect((await admin('PUT', path, hook(properties))).status).toBe(201);
  expect((await stored(store))!.properties.destination!.properties).toMatchObject(properties);
});

test('what is not written is not there, and null is as good as not written', async () => {
  const { admin, store } = await serveTopic();
  const nulls = {
    maxEventsPerBatch: null,
    preferredBatchSizeInKilobytes: null,
    deliveryAttributeMappings: null,
  };
  for (const properties of [nulls, mapped()]) {
    await admin('PUT', path, hook(properties));
    expect((await stored(store))!.properties.destination!.properties).toEqual({
      endpointUrl: 'https://example.com/hook',
      contentMode: 'structured',
      attemptTimeoutInSeconds: 30,
    });
  }
});

test('a secret header is told to those who ask for it, and shown nowhere else', async () => {
  const { admin, store } = await serveTopic();
  const secret = header('X-Key', 'hidden-value', { isSecret: true });
  const open = header('X-Team', 'billing');
  const { json: created } = await admin('PUT', path, hook(mapped(secret, open, field('data.id'))));
  const shown = [
    header('X-Key', null, { isSecret: true }),
    header('X-Team', 'billing', { isSecret: false }),
    field('data.id'),
  ];
  expect(created.properties.destination.properties.deliveryAttributeMappings).toEqual(shown);
  const answer = await admin('POST', `${path}:getDeliveryAttributes`);
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
  expect(answer.json).toEqual({
    value: [secret, header('X-Team', 'billing', { isSecret: false }), field('data.id')],
  });
  for (const read of [path, '/topics/orders/eventsubscriptions'])
    expect((await admin('GET', read)).text).not.toContain('hidden-value');

  const before = await stored(store);
  created.properties.destination.properties.endpointUrl = 'https://example.com/hook';
  const back = await admin('PUT', path, created);
  expect([back.status, back.json.errors.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([
    400,
    ['/properties/destination/properties/deliveryAttributeMappings/0/properties/value'],
  ]);
  expect(await stored(store)).toEqual(before);
});

test('a refusal does not repeat a value', async () => {
  const { admin } = await serveTopic();
  for (const value of ['hidden-value\n', `hidden-value${'x'.repeat(4_096)}`, ['hidden-value']]) {
    const answer = await admin('PUT', path, hook(mapped(header('x', value, { isSecret: true }))));
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('hidden-value');
  }
});

test('a subscription without an endpoint has no headers to show', async () => {
  const { admin } = await serveTopic();
  await admin('PUT', path, { deliveryConfiguration: { deliveryMode: 'Queue' } });
  const { status, json } = await admin('POST', `${path}:getDeliveryAttributes`);
  expect([status, json.code]).toEqual([400, 'WrongDeliveryMode']);
});
