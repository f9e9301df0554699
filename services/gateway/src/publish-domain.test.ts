import { describe, expect, test } from '@jest/globals';
import { Event, type InputSchema } from '@gridpost/model';
import { type Answer, eventOf, serve, storedEvents, storedIds } from './testing/serve.js';

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/hook', validation: 'none' },
  },
};
const batch = { 'content-type': 'application/cloudevents-batch+json' };
const binary = {
  ...{ 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': 't' },
  'content-type': 'application/json',
};

async function setup(inputSchema: InputSchema, properties: object = {}) {
  const served = await serve();
  const { admin, registry, store } = served;
  await admin('PUT', '/domains/shop', { inputSchema, ...properties });
  const send = (body: unknown, headers?: Record<string, string>): Promise<Answer> =>
    admin('POST', '/domains/shop/api/events', body, headers);
  const subscribe = (scope: string, name: string): Promise<Answer> =>
    admin('PUT', `${scope}/eventsubscriptions/${name}`, hook);
  /** The subscriptions that want each stored event, by the event's id. */
  const wanted = async (): Promise<Record<string, string[]>> => {
    await registry.refresh();
    const { index } = registry.topic('domains/shop')!;
    const found: Record<string, string[]> = {};
    for (const event of await storedEvents(store)) {
      const names = index.match(event).map(({ subscription }) => subscription.name);
      found[event.id] = names.sort();
    }
    return found;
  };
  return { ...served, send, subscribe, wanted };
}

const gridEvent = (id: string, topic: unknown): object => ({
  ...{ id, topic, subject: '/s', eventType: 't', eventTime: '2030-01-31T12:00:00Z', data: {} },
});
const custom = {
  inputSchemaMapping: {
    inputSchemaMappingType: 'Json',
    properties: { id: { sourceField: 'id' }, topic: { sourceField: 'meta.tenant' } },
  },
};
const cloud = (id: string, source: unknown) => eventOf({ id, source });

/** How an event names its domain topic, by schema. */
const schemas: [
  InputSchema,
  object,
  (id: string, topic: unknown) => object,
  Record<string, string> | undefined,
][] = [
  ['EventGridSchema', {}, gridEvent, undefined],
  ['CustomEventSchema', custom, (id, tenant) => ({ id, meta: { tenant } }), undefined],
  ['CloudEventSchemaV1_0', {}, cloud, batch],
];

describe.each(schemas)('a domain of %s', (schema, properties, event, headers) => {
  test('gives each event to the subscriptions of the topic that it names, and to its own', async () => {
    const { send, subscribe, wanted } = await setup(schema, properties);
    await subscribe('/domains/shop', 'everything');
    await subscribe('/domains/shop/topics/north', 'northern');
    await subscribe('/domains/shop/topics/south', 'southern');
    const events = [
      event('bare', 'north'),
      event('path', '/domains/shop/topics/south'),
      event('unknown', 'elsewhere'),
    ];
    const answer = await send(events, headers);
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(await wanted()).toEqual({
      bare: ['everything', 'northern'],
      path: ['everything', 'southern'],
      unknown: ['everything'],
    });
  });

  test('has topics that come and go with their subscriptions', async () => {
    const { send, subscribe, wanted, admin } = await setup(schema, properties);
    const topics = async () =>
      (await admin('GET', '/domains/shop/topics')).json.value.map(({ name }: { name: string }) => name);
    expect(await topics()).toEqual([]);
    await subscribe('/domains/shop/topics/north', 'northern');
    expect(await topics()).toEqual(['north']);
    await send([event('1', 'north')], headers);
    expect(await wanted()).toEqual({ 1: ['northern'] });
    await admin('DELETE', '/domains/shop/topics/north/eventsubscriptions/northern');
    expect(await topics()).toEqual([]);
    expect((await send([event('2', 'north')], headers)).status).toBe(200);
    expect(await wanted()).toEqual({ 1: [], 2: [] });
  });

  test.each([
    undefined,
    null,
    '',
    7,
    'no',
    'a/b',
    '/domains/other/topics/north',
    '/domains/shop/topics/',
    '/domains/shop/topics/no',
    '/domains/shop/topics/north/x',
    '/north',
    'https://shop.example/north',
    '__proto__',
  ])('refuses the topic %p, and stores none of its batch', async (topic) => {
    const { send, store } = await setup(schema, properties);
    const answer = await send([event('1', 'north'), event('2', topic), event('3', 'north')], headers);
    expect([answer.status, answer.json.error.code, answer.json.error.details[0].code]).toEqual([
      400,
      'BadRequest',
      'InputJsonInvalid',
    ]);
    expect(answer.json.error.message).toMatch(/^event 1: (topic|meta\.tenant|source) is /);
    expect(await storedIds(store)).toEqual([]);
  });

  test('is counted under its own name', async () => {
    const { send, metrics } = await setup(schema, properties);
    await send([event('1', 'north'), event('2', 'south')], headers);
    await send([event('3', 'a/b')], headers);
    const text = await metrics.render();
    expect(text).toContain('gridpost_events_published_total{topic="domains/shop",outcome="accepted"} 2');
    expect(text).toContain('gridpost_events_published_total{topic="domains/shop",outcome="refused"} 1');
  });

  test('keeps its events where it is told to', async () => {
    const { send, store, registry } = await setup(schema, { ...properties, eventRetentionInDays: 1 });
    await send([event('1', 'north'), event('2', 'south')], headers);
    const { incarnation } = registry.topic('domains/shop')!.topic;
    const { events } = await store.history(0, incarnation, undefined, 10, 'oldestFirst');
    expect(events.map(({ frame }) => new Event(frame).id)).toEqual(['1', '2']);
  });
});

test('a mapping without a topic can send nothing to a domain', async () => {
  const { send } = await setup('CustomEventSchema');
  const { status, json } = await send([{ topic: 'north' }]);
  expect([status, json.error.message]).toEqual([400, expect.stringContaining('topic is missing')]);
});

test('one CloudEvent is taken as well, in structured and in binary mode', async () => {
  const { send, store } = await setup('CloudEventSchemaV1_0');
  expect((await send(cloud('1', 'north'))).status).toBe(200);
  expect((await send('{}', { ...binary, 'ce-source': 'north' })).status).toBe(200);
  const refused = await send('{}', { ...binary, 'ce-source': '/north' });
  expect([refused.status, refused.json.error.details[0].code]).toEqual([400, 'InvalidCloudEventHeader']);
  expect(await storedIds(store)).toEqual(['1', '1']);
});

test('a domain made through another gateway is found at the first try', async () => {
  const first = await setup('EventGridSchema');
  const second = await serve({ store: first.store });
  expect((await second.admin('POST', '/domains/shop/api/events', [gridEvent('1', 'north')])).status).toBe(
    200,
  );
});

test('a topic of the same name is another', async () => {
  const { admin, send, registry } = await setup('EventGridSchema');
  await admin('PUT', '/topics/shop', { inputSchema: 'EventGridSchema' });
  const ofTopic = (await admin('GET', '/topics/shop/keys')).json.key1;
  const call = (target: string, key: string) =>
    admin('POST', target, [gridEvent('1', '')], { authorization: `SharedAccessKey ${key}` });
  expect((await call('/shop/api/events', ofTopic)).status).toBe(200);
  expect((await call('/domains/shop/api/events', ofTopic)).status).toBe(401);
  expect((await send([gridEvent('2', 'north')])).status).toBe(200);
  expect([...registry.topics()].map(({ topic }) => topic.name).sort()).toEqual(['domains/shop', 'shop']);
});
