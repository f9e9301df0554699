import { expect, test } from '@jest/globals';
import { limits, type Subscription, subscriptionPath, systemClock, topicPath } from '@gridpost/model';
import { type RegisteredTopic, Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const url = 'https://example.com/hook?code=hidden-code';

const hook = (properties: object = {}): object => ({
  endpointType: 'WebHook',
  properties: { endpointUrl: url, validation: 'none', ...properties },
});

async function serveTopic(store?: MemoryStore): Promise<Served> {
  const served = await serve(store ? { store } : {});
  await served.admin('PUT', '/topics/orders');
  return served;
}

async function stored(store: MemoryStore): Promise<Subscription> {
  return (await store.resources.get(subscriptionPath('orders', 'billing')))!.value as Subscription;
}

test('a subscription is stored with every default, and shown without the secret part of its URL', async () => {
  const { admin, store, registry } = await serveTopic();
  const created = await admin('PUT', path, { properties: { destination: hook() } });
  expect(created.status).toBe(201);
  expect(created.json).toEqual({
    id: path,
    name: 'billing',
    type: 'Gridpost/topics/eventSubscriptions',
    etag: created.headers.etag,
    properties: {
      topic: '/topics/orders',
      provisioningState: 'Succeeded',
      status: { state: 'Active' },
      health: { state: 'Healthy' },
      destination: {
        endpointType: 'WebHook',
        properties: {
          endpointBaseUrl: 'https://example.com/hook',
          contentMode: 'structured',
          attemptTimeoutInSeconds: 30,
          validation: 'none',
        },
      },
      filter: {},
      retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
      labels: [],
      deadLettering: true,
    },
    systemData: { createdAt: expect.any(String), lastModifiedAt: expect.any(String) },
  });
  expect((await admin('GET', path)).json).toEqual(created.json);
  expect((await stored(store)).properties.destination!.properties.endpointUrl).toBe(url);
  expect(registry.subscriptionAt('orders', 'billing')?.etag).toBe(created.headers.etag?.slice(1, -1));
});

test('the whole URL is told to those who ask for it', async () => {
  const { admin } = await serveTopic();
  await admin('PUT', path, { destination: hook() });
  const answer = await admin('POST', `${path}:getFullUrl`);
  expect([answer.status, answer.json]).toEqual([200, { endpointUrl: url }]);
  expect(answer.headers['cache-control']).toBe('no-store');
  expect((await admin('GET', path)).text).not.toContain('hidden-code');
  expect((await admin('GET', '/topics/orders/eventsubscriptions')).text).not.toContain('hidden-code');
});

test('a subscription as Event Grid exports it can be put as it is', async () => {
  const { admin, store } = await serveTopic();
  const { status } = await admin('PUT', path, {
    id: '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders/x',
    name: 'billing',
    type: 'Microsoft.EventGrid/topics/eventSubscriptions',
    systemData: null,
    properties: {
      topic: '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders',
      provisioningState: 'Succeeded',
      destination: hook({ endpointBaseUrl: 'https://example.com/hook' }),
      filter: {
        includedEventTypes: null,
        subjectBeginsWith: '',
        subjectEndsWith: '',
        isSubjectCaseSensitive: null,
      },
      labels: null,
      expirationTimeUtc: null,
      eventDeliverySchema: 'CloudEventSchemaV1_0',
      retryPolicy: { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 },
    },
  });
  expect(status).toBe(201);
  const { properties } = await stored(store);
  expect(properties.retryPolicy).toEqual({ maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 });
  expect(properties.filter).toEqual({ subjectBeginsWith: '', subjectEndsWith: '' });
  expect('expirationTimeUtc' in properties).toBe(false);
});

test('what a subscription is read as can be written back, the URL added', async () => {
  const { admin, store } = await serveTopic();
  const written = {
    destination: hook({ contentMode: 'binary', attemptTimeoutInSeconds: 5 }),
    filter: { includedEventTypes: ['a', 'b'], subjectBeginsWith: '/x', isSubjectCaseSensitive: true },
    labels: ['one'],
    expirationTimeUtc: '2099-12-31T23:59:59+01:00',
    deadLettering: false,
  };
  const { json } = await admin('PUT', path, written);
  const before = (await stored(store)).properties;
  json.properties.destination.properties.endpointUrl = url;
  expect((await admin('PUT', path, json)).status).toBe(200);
  expect((await stored(store)).properties).toEqual(before);
  expect(before).toMatchObject(written);
});

const long = (length: number) => 'x'.repeat(length);
const refusals: [object, string, string | RegExp][] = [
  [{}, '', 'expected either destination or deliveryConfiguration'],
  [{ destination: null }, '/destination', 'saw null, expected an object'],
  [{ destination: { properties: { endpointUrl: url } } }, '/destination/endpointType', 'is missing'],
  [
    { destination: { endpointType: 'EventHub', properties: { endpointUrl: url } } },
    '/destination/endpointType',
    'saw "EventHub", expected "WebHook" or "AzureFunction"',
  ],
  [{ destination: { endpointType: 'WebHook' } }, '/destination/properties', 'is missing'],
  [
    { destination: { endpointType: 'WebHook', properties: {} } },
    '/destination/properties/endpointUrl',
    'is missing',
  ],
  [
    { destination: hook({ endpointUrl: 7 }) },
    '/destination/properties/endpointUrl',
    /expected a string or null$/,
  ],
  [{ destination: hook({ endpointUrl: '' }) }, '/destination/properties/endpointUrl', /at least 1 character/],
  [
    { destination: hook({ endpointUrl: 'ftp://example.com/' }) },
    '/destination/properties/endpointUrl',
    'expected an absolute http or https URL',
  ],
  [
    { destination: hook({ endpointUrl: `https://example.com/?code=hidden-code${long(2048)}` }) },
    '/destination/properties/endpointUrl',
    'saw 2085 characters, expected at most 2048 characters',
  ],
  [
    { destination: hook({ batch: 1 }) },
    '/destination/properties/batch',
    /^is not a property Gridpost knows here/,
  ],
  [
    { destination: hook({ contentMode: 'batch' }) },
    '/destination/properties/contentMode',
    'saw "batch", expected "structured" or "binary" or null',
  ],
  ...[0, 231, 1.5, '30'].map((value): [object, string, RegExp] => [
    { destination: hook({ attemptTimeoutInSeconds: value }) },
    '/destination/properties/attemptTimeoutInSeconds',
    /a number from 1 to 230|an integer or null/,
  ]),
  ...(
    [
      ['maxConcurrency', 0, '1 to 1000'],
      ['maxConcurrency', 1_001, '1 to 1000'],
      ['maxRatePerSecond', 0.0009, '0.001 to 100000'],
      ['maxRatePerSecond', 100_001, '0.001 to 100000'],
    ] as const
  ).map(([name, value, range]): [object, string, string] => [
    { destination: hook({ [name]: value }) },
    `/destination/properties/${name}`,
    `saw ${value}, expected a number from ${range}`,
  ]),
  ...[0, 31].map((value): [object, string, string] => [
    { destination: hook(), retryPolicy: { maxDeliveryAttempts: value } },
    '/retryPolicy/maxDeliveryAttempts',
    `saw ${value}, expected a number from 1 to 30`,
  ]),
  ...[0, 1441].map((value): [object, string, string] => [
    { destination: hook(), retryPolicy: { eventTimeToLiveInMinutes: value } },
    '/retryPolicy/eventTimeToLiveInMinutes',
    `saw ${value}, expected a number from 1 to 1440`,
  ]),
  ...[[], Array(31).fill(1)].map((value): [object, string, RegExp] => [
    { destination: hook(), retryPolicy: { delaysInSeconds: value } },
    '/retryPolicy/delaysInSeconds',
    /expected at (least 1 item|most 30 items)/,
  ]),
  ...[0.09, 86_401].map((value): [object, string, string] => [
    { destination: hook(), retryPolicy: { delaysInSeconds: [1, value] } },
    '/retryPolicy/delaysInSeconds/1',
    `saw ${value}, expected a number from 0.1 to 86400`,
  ]),
  ...(
    [
      ['firstDelayInSeconds', 0.09, '0.1 to 86400'],
      ['firstDelayInSeconds', 86_401, '0.1 to 86400'],
      ['factor', 0.9, '1 to 10'],
      ['factor', 10.1, '1 to 10'],
      ['maxDelayInSeconds', 0.09, '0.1 to 86400'],
      ['maxDelayInSeconds', 86_401, '0.1 to 86400'],
      ['jitter', -0.1, '0 to 0.5'],
      ['jitter', 0.51, '0 to 0.5'],
    ] as const
  ).map(([name, value, range]): [object, string, string] => [
    { destination: hook(), retryPolicy: { exponentialBackoff: { [name]: value } } },
    `/retryPolicy/exponentialBackoff/${name}`,
    `saw ${value}, expected a number from ${range}`,
  ]),
  [
    {
      destination: hook(),
      retryPolicy: { exponentialBackoff: { firstDelayInSeconds: 60, maxDelayInSeconds: 59 } },
    },
    '/retryPolicy/exponentialBackoff/maxDelayInSeconds',
    'saw 59, expected at least firstDelayInSeconds, which is 60',
  ],
  [
    { destination: hook(), retryPolicy: { delaysInSeconds: [1], exponentialBackoff: {} } },
    '/retryPolicy/exponentialBackoff',
    'is there beside delaysInSeconds, expected one schedule',
  ],
  [
    { destination: hook(), retryPolicy: { delay: 1 } },
    '/retryPolicy/delay',
    /it knows maxDeliveryAttempts, /,
  ],
  [
    { destination: hook(), filter: { subjectContains: 'x' } },
    '/filter/subjectContains',
    /it knows includedEventTypes, subjectBeginsWith, subjectEndsWith, isSubjectCaseSensitive, advancedFilters, enable\w+$/,
  ],
  [
    { destination: hook(), filter: { subjectBeginsWith: long(1_025) } },
    '/filter/subjectBeginsWith',
    'saw 1025 bytes, expected at most 1024',
  ],
  [{ destination: hook(), filter: { subjectEndsWith: long(1_025) } }, '/filter/subjectEndsWith', /1024/],
  [
    { destination: hook(), filter: { includedEventTypes: [long(1_025)] } },
    '/filter/includedEventTypes/0',
    /at most 1024/,
  ],
  [
    { destination: hook(), filter: { includedEventTypes: [''] } },
    '/filter/includedEventTypes/0',
    /at least 1/,
  ],
  [
    { destination: hook(), filter: { includedEventTypes: Array(1001).fill('a') } },
    '/filter/includedEventTypes',
    'saw 1001 values up to here, expected at most 1000 in all clauses',
  ],
  [
    { destination: hook(), filter: { isSubjectCaseSensitive: 'yes' } },
    '/filter/isSubjectCaseSensitive',
    /boolean/,
  ],
  [{ destination: hook(), filter: [] }, '/filter', 'saw an array of 0, expected an object or null'],
  [
    { destination: hook(), eventDeliverySchema: 'EventGridSchema' },
    '/eventDeliverySchema',
    'saw "EventGridSchema", expected "CloudEventSchemaV1_0": the topic\'s inputSchema is CloudEventSchemaV1_0',
  ],
  [{ destination: hook(), labels: 'one' }, '/labels', 'saw "one", expected an array or null'],
  [{ destination: hook(), labels: [1] }, '/labels/0', 'saw 1, expected a string'],
  [{ destination: hook(), labels: Array(101).fill('a') }, '/labels', /at most 100 items/],
  [{ destination: hook(), deadLettering: 'no' }, '/deadLettering', 'saw "no", expected a boolean or null'],
  [{ destination: hook(), somethingElse: {} }, '/somethingElse', /^is not a property/],
  ...['tomorrow', '2030-01-01', '2030-01-01T00:00:00', '2030-13-01T00:00:00Z'].map(
    (value): [object, string, RegExp] => [
      { destination: hook(), expirationTimeUtc: value },
      '/expirationTimeUtc',
      /expected an ISO 8601 instant with its offset/,
    ],
  ),
  ...['2001-01-01T00:00:00Z', '2016-12-31T23:59:60Z'].map((value): [object, string, RegExp] => [
    { destination: hook(), expirationTimeUtc: value },
    '/expirationTimeUtc',
    /expected an instant in the future$/,
  ]),
];

test.each(refusals.map(([properties, pointer, message]) => ({ properties, pointer, message })))(
  '$pointer is refused (case %#)',
  async ({ properties, pointer, message }) => {
    const { admin, store } = await serveTopic();
    for (const [body, prefix] of [
      [properties, ''],
      [{ properties }, '/properties'],
    ] as const) {
      const answer = await admin('PUT', path, body);
      expect([answer.status, answer.json.code]).toEqual([400, 'InvalidResource']);
      expect(answer.json.errors).toEqual([
        {
          pointer: prefix + pointer,
          message: typeof message === 'string' ? message : expect.stringMatching(message),
        },
      ]);
      expect(answer.text).not.toContain('hidden-code');
    }
    expect(await store.resources.get(subscriptionPath('orders', 'billing'))).toBeUndefined();
  },
);

test.each<[string, object]>([
  ['a timeout of 1', { destination: hook({ attemptTimeoutInSeconds: 1 }) }],
  ['a timeout of 230', { destination: hook({ attemptTimeoutInSeconds: 230 }) }],
  ['the least limits', { destination: hook({ maxConcurrency: 1, maxRatePerSecond: 0.001 }) }],
  ['the greatest limits', { destination: hook({ maxConcurrency: 1_000, maxRatePerSecond: 100_000 }) }],
  ['1 attempt', { destination: hook(), retryPolicy: { maxDeliveryAttempts: 1 } }],
  ['30 attempts', { destination: hook(), retryPolicy: { maxDeliveryAttempts: 30 } }],
  ['1 minute', { destination: hook(), retryPolicy: { eventTimeToLiveInMinutes: 1 } }],
  ['a list of 30 delays', { destination: hook(), retryPolicy: { delaysInSeconds: Array(30).fill(86_400) } }],
  ['a delay of 0.1', { destination: hook(), retryPolicy: { delaysInSeconds: [0.1] } }],
  [
    'the least backoff',
    {
      destination: hook(),
      retryPolicy: {
        exponentialBackoff: { firstDelayInSeconds: 0.1, factor: 1, maxDelayInSeconds: 0.1, jitter: 0 },
      },
    },
  ],
  [
    'the greatest backoff',
    {
      destination: hook(),
      retryPolicy: {
        exponentialBackoff: {
          firstDelayInSeconds: 86_400,
          factor: 10,
          maxDelayInSeconds: 86_400,
          jitter: 0.5,
        },
      },
    },
  ],
  ['1440 minutes', { destination: hook(), retryPolicy: { eventTimeToLiveInMinutes: 1440 } }],
  [
    '1024 bytes',
    { destination: hook(), filter: { subjectBeginsWith: long(1_024), subjectEndsWith: long(1_024) } },
  ],
  ['1000 types', { destination: hook(), filter: { includedEventTypes: Array(1000).fill('a') } }],
  ['a URL of 2048', { destination: hook({ endpointUrl: `https://e.com/${long(2048 - 14)}` }) }],
])('%s is just allowed', async (_, body) => {
  const { admin } = await serveTopic();
  expect((await admin('PUT', path, body)).status).toBe(201);
});

test.each([
  ['abc', 201],
  ['under_score-1', 201],
  ['x'.repeat(64), 201],
  ['ab', 400],
  ['x'.repeat(65), 400],
  ['do.t', 400],
  ['a%2Fb', 400],
  ['caf%C3%A9', 400],
  ['%E0%A4%A', 400],
])('the name %s is answered %i', async (name, status) => {
  const { admin } = await serveTopic();
  const answer = await admin('PUT', `/topics/orders/eventsubscriptions/${name}`, { destination: hook() });
  expect(answer.status).toBe(status);
  if (status === 400) expect(answer.json.code).toBe('InvalidName');
});

test('preconditions hold', async () => {
  const { admin } = await serveTopic();
  const put = (headers: Record<string, string>) => admin('PUT', path, { destination: hook() }, headers);
  expect((await put({ 'if-match': '*' })).status).toBe(412);
  const first = (await put({ 'if-none-match': '*' })).headers.etag!;
  expect((await put({ 'if-none-match': '*' })).status).toBe(412);
  const second = await put({ 'if-match': first });
  expect(second.status).toBe(200);
  expect((await put({ 'if-match': first })).status).toBe(412);
  expect((await admin('DELETE', path, undefined, { 'if-match': first })).status).toBe(412);
  expect((await admin('DELETE', path, undefined, { 'if-match': second.headers.etag! })).status).toBe(204);
  expect((await admin('DELETE', path)).status).toBe(204);
  expect((await admin('GET', path)).json.code).toBe('SubscriptionNotFound');
});

test('a subscription needs its topic', async () => {
  const { admin } = await serve();
  const { status, json } = await admin('PUT', path, { destination: hook() });
  expect([status, json.code]).toEqual([404, 'TopicNotFound']);
});

test('a topic made again while a subscription is written gets it for its own life', async () => {
  const { admin, store } = await serveTopic();
  const put = store.resources.put.bind(store.resources);
  let interfered = false;
  store.resources.put = async (at, value, options) => {
    if (at.includes('eventsubscriptions') && !interfered) {
      interfered = true;
      await admin('DELETE', '/topics/orders');
      await admin('PUT', '/topics/orders');
    }
    return put(at, value, options);
  };
  expect((await admin('PUT', path, { destination: hook() })).status).toBe(201);
  const topic = (await store.resources.get(topicPath('orders')))!.value as { incarnation: string };
  expect((await stored(store)).topicIncarnation).toBe(topic.incarnation);
});

test('replacing keeps the incarnation; deleting and creating does not', async () => {
  const { admin, store } = await serveTopic();
  await admin('PUT', path, { destination: hook() });
  const { incarnation } = await stored(store);
  await admin('PUT', path, { destination: hook(), labels: ['changed'] });
  expect((await stored(store)).incarnation).toBe(incarnation);
  await admin('DELETE', path);
  await admin('PUT', path, { destination: hook() });
  expect((await stored(store)).incarnation).not.toBe(incarnation);
});

test('writing a disabled subscription makes it active, and its backlog due in every partition', async () => {
  const store = new MemoryStore({ partitions: 3 });
  const hastened: [number, string][] = [];
  store.hasten = async (partition, incarnation) => void hastened.push([partition, incarnation]);
  const { admin } = await serveTopic(store);
  await admin('PUT', path, { destination: hook() });
  const active = await stored(store);
  const disabled: Subscription = {
    ...active,
    status: { state: 'Disabled', reason: 'Gone', at: 1_700_000_000_000 },
  };
  await store.resources.put(subscriptionPath('orders', 'billing'), disabled);
  expect((await admin('GET', path)).json.properties.status).toEqual({
    state: 'Disabled',
    reason: 'Gone',
    at: '2023-11-14T22:13:20.000Z',
  });
  const { status, json } = await admin('PUT', path, { destination: hook() });
  expect([status, json.properties.status]).toEqual([200, { state: 'Active' }]);
  expect(hastened).toEqual([0, 1, 2].map((partition) => [partition, active.incarnation]));
});

test('another way of delivery makes the backlog due; writing the same again does not', async () => {
  const { admin, store } = await serveTopic();
  const hastened: number[] = [];
  store.hasten = async (partition) => void hastened.push(partition);
  await admin('PUT', path, { destination: hook() });
  await admin('PUT', path, { destination: hook() });
  await admin('PUT', path, { destination: hook(), labels: ['x'] });
  expect(hastened).toEqual([]);
  await admin('PUT', path, { destination: hook({ endpointUrl: 'https://example.com/other' }) });
  expect(hastened).toEqual([0]);
  const deliveryAttributeMappings = [
    { name: 'authorization', type: 'Static', properties: { value: 'right' } },
  ];
  for (let times = 0; times < 2; times++)
    await admin('PUT', path, { destination: hook({ deliveryAttributeMappings }) });
  expect(hastened).toEqual([0, 0]);
});

test('subscriptions are listed by name, page by page, those of their topic only', async () => {
  const { admin } = await serveTopic();
  await admin('PUT', '/topics/orders2');
  await admin('PUT', '/topics/orders2/eventsubscriptions/other', { destination: hook() });
  const names = ['a-1', 'b-2', 'c-3', 'd-4', 'e-5'];
  for (const name of [...names].reverse()) {
    await admin('PUT', `/topics/orders/eventsubscriptions/${name}`, { destination: hook() });
  }
  const seen: string[] = [];
  let next: string | undefined = '/topics/orders/eventsubscriptions?maxpagesize=2';
  while (next) {
    const { json } = await admin('GET', next);
    expect(json.value.length).toBeLessThanOrEqual(2);
    seen.push(...json.value.map(({ name }: { name: string }) => name));
    next = json.nextLink?.replace(/^http:\/\/[^/]+/, '');
  }
  expect(seen).toEqual(names);
});

test('a page of large subscriptions ends early', async () => {
  const { admin } = await serveTopic();
  const filter = { includedEventTypes: Array.from({ length: 1000 }, (_, i) => `${long(200)}${i}`) };
  for (let i = 0; i < 25; i++) {
    await admin('PUT', `/topics/orders/eventsubscriptions/sub-${i + 10}`, { destination: hook(), filter });
  }
  const first = await admin('GET', '/topics/orders/eventsubscriptions');
  expect(first.body.length).toBeLessThan(4.5 * 1024 * 1024);
  const second = await admin('GET', first.json.nextLink.replace(/^http:\/\/[^/]+/, ''));
  expect(first.json.value.length + second.json.value.length).toBe(25);
  expect(second.json.nextLink).toBeUndefined();
});

test('there is room for as many subscriptions as the limit says', async () => {
  const store = new MemoryStore();
  const registry = new CrowdedRegistry(store, systemClock);
  const { admin } = await serve({ store, registry });
  await admin('PUT', '/topics/orders');
  registry.others = limits.subscriptionsPerTopicMax.default - 1;
  expect((await admin('PUT', path, { destination: hook() })).status).toBe(201);
  const { status, json } = await admin('PUT', '/topics/orders/eventsubscriptions/one-more', {
    destination: hook(),
  });
  expect([status, json.code]).toEqual([409, 'TooManyResources']);
  expect((await admin('PUT', path, { destination: hook() })).status).toBe(200);
});

/** Knows of more subscriptions than a test has time to write. */
class CrowdedRegistry extends Registry {
  others = 0;

  override topic(name: string): RegisteredTopic | undefined {
    const known = super.topic(name);
    if (!known) return undefined;
    const crowd = Array.from({ length: this.others }, (_, i) => [`other-${i}`, undefined as never] as const);
    return { ...known, subscriptions: new Map([...known.subscriptions, ...crowd]) };
  }
}
