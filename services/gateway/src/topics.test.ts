import { expect, test } from '@jest/globals';
import { newIncarnation, type Topic, topicPath } from '@gridpost/model';
import { adminKey, serve, type Served } from './testing/serve.js';

const schema = 'CloudEventSchemaV1_0';

async function putMany(served: Served, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const topic: Topic = {
      name,
      incarnation: newIncarnation(),
      properties: { inputSchema: schema, disableLocalAuth: false, eventRetentionInDays: 0 },
      keys: { key1: 1, key2: 1 },
      createdAt: 0,
      updatedAt: 0,
    };
    await served.store.resources.put(topicPath(name), topic);
  }
}

test('a topic is created once, replaced after, and read as it was written', async () => {
  const { admin, port } = await serve();
  const created = await admin('PUT', '/topics/orders');
  expect(created.status).toBe(201);
  const again = await admin('PUT', '/topics/orders', { properties: { eventRetentionInDays: 3 } });
  expect(again.status).toBe(200);
  expect(again.headers.etag).not.toBe(created.headers.etag);
  const read = await admin('GET', '/topics/orders');
  expect(read.status).toBe(200);
  expect(read.headers.etag).toBe(again.headers.etag);
  expect(read.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(read.json).toEqual({
    id: '/topics/orders',
    name: 'orders',
    type: 'Gridpost/topics',
    etag: again.headers.etag,
    properties: {
      inputSchema: schema,
      disableLocalAuth: false,
      eventRetentionInDays: 3,
      endpoint: `http://127.0.0.1:${port}/topics/orders:publish`,
      provisioningState: 'Succeeded',
    },
    systemData: { createdAt: expect.any(String), lastModifiedAt: expect.any(String) },
  });
  expect(read.json.systemData.createdAt).toBe(created.json.systemData.createdAt);
});

test.each([
  ['no body', undefined],
  ['an empty object', {}],
  ['an outer object', { properties: {} }],
  ['nulls', { properties: { inputSchema: null, eventRetentionInDays: null } }],
])('%s means the defaults', async (_, body) => {
  const { admin } = await serve();
  const { status, json } = await admin('PUT', '/topics/orders', body);
  expect(status).toBe(201);
  expect(json.properties).toMatchObject({ inputSchema: schema, eventRetentionInDays: 0 });
});

test('what a topic is read as can be written back', async () => {
  const { admin } = await serve();
  const { json } = await admin('PUT', '/topics/orders', {
    eventRetentionInDays: 7,
    eventRetentionInBytes: 65_536,
  });
  const again = await admin('PUT', '/topics/orders', json);
  expect(again.status).toBe(200);
  expect(again.json.properties).toMatchObject({
    ...{ eventRetentionInDays: 7, eventRetentionInBytes: 65_536 },
  });
});

test.each<[unknown, { pointer: string; message: string }[]]>([
  [
    { properties: { color: 'red' } },
    [
      {
        pointer: '/properties/color',
        message:
          'is not a property Gridpost knows here; it knows inputSchema, inputSchemaMapping, disableLocalAuth, eventRetentionInDays, eventRetentionInBytes, duplicateDetection, publishQuota, endpoint, provisioningState',
      },
    ],
  ],
  [{ 'a/b~c': 1 }, [{ pointer: '/a~1b~0c', message: expect.stringMatching(/^is not a property/) as never }]],
  [{ properties: {}, kind: 'Azure' }, [{ pointer: '/kind', message: expect.any(String) as never }]],
  [
    { properties: { eventRetentionInDays: 8 } },
    [{ pointer: '/properties/eventRetentionInDays', message: 'saw 8, expected a number from 0 to 7' }],
  ],
  [
    { eventRetentionInDays: -1 },
    [{ pointer: '/eventRetentionInDays', message: 'saw -1, expected a number from 0 to 7' }],
  ],
  [
    { eventRetentionInBytes: 65_535 },
    [
      {
        pointer: '/eventRetentionInBytes',
        message: `saw 65535, expected a number from 65536 to ${2 ** 50}`,
      },
    ],
  ],
  [
    { eventRetentionInDays: 1.5 },
    [{ pointer: '/eventRetentionInDays', message: 'saw 1.5, expected an integer or null' }],
  ],
  [
    { inputSchema: 'AvroSchema' },
    [
      {
        pointer: '/inputSchema',
        message:
          'saw "AvroSchema", expected "EventGridSchema" or "CloudEventSchemaV1_0" or "CustomEventSchema" or null',
      },
    ],
  ],
  [
    { inputSchemaMapping: { inputSchemaMappingType: 'Json', properties: {} } },
    [
      {
        pointer: '/inputSchemaMapping',
        message: 'is for topics whose inputSchema is CustomEventSchema',
      },
    ],
  ],
  [{ properties: null }, [{ pointer: '/properties', message: 'saw null, expected an object' }]],
  ['[]', [{ pointer: '', message: 'saw an array of 0, expected an object' }]],
  ['"text"', [{ pointer: '', message: 'saw "text", expected an object' }]],
  ['null', [{ pointer: '', message: 'saw null, expected an object' }]],
  [
    '{"__proto__":{"eventRetentionInDays":1}}',
    [{ pointer: '/__proto__', message: expect.stringMatching(/^is not a property/) as never }],
  ],
  [
    { eventRetentionInDays: 9, inputSchema: 1, x: 1 },
    expect.arrayContaining([
      expect.objectContaining({ pointer: '/eventRetentionInDays' }),
      expect.objectContaining({ pointer: '/inputSchema' }),
      expect.objectContaining({ pointer: '/x' }),
    ]) as never,
  ],
])('%j is refused place by place', async (body, errors) => {
  const { admin } = await serve();
  const { status, headers, json } = await admin('PUT', '/topics/orders', body, {
    'content-type': 'application/json',
  });
  expect(status).toBe(400);
  expect(headers['content-type']).toBe('application/problem+json');
  expect(json).toMatchObject({
    type: '/errors/InvalidResource',
    title: 'The resource is not valid',
    status: 400,
    code: 'InvalidResource',
    instance: headers['x-ms-request-id'],
  });
  expect(json.errors).toEqual(errors);
  expect(({} as Record<string, unknown>).eventRetentionInDays).toBeUndefined();
});

test('of many wrong places ten are told', async () => {
  const { admin } = await serve();
  const body = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x${i}`, 1]));
  const { json } = await admin('PUT', '/topics/orders', body);
  expect(json.errors).toHaveLength(10);
  expect(json.detail).toMatch(/\(and 29 more\)$/);
});

test.each([
  ['abc', 201],
  ['A-1', 201],
  ['x'.repeat(50), 201],
  ['ab', 400],
  ['x'.repeat(51), 400],
  ['under_score', 400],
  ['a%2Fb', 400],
  ['%C3%A9t%C3%A9', 400],
  ['..%2f..%2fetc', 400],
  ['__proto__', 400],
  ['a%00b', 400],
  ['a%0d%0ab', 400],
  ['%7Bp1%7D', 400],
  ['%E0%A4%A', 400],
])('the name %s is answered %i', async (name, status) => {
  const { admin } = await serve();
  const answer = await admin('PUT', `/topics/${name}`);
  expect(answer.status).toBe(status);
  if (status === 400) expect(answer.json.code).toBe('InvalidName');
});

test('preconditions hold for what is there and for what is not', async () => {
  const { admin } = await serve();
  const put = (headers: Record<string, string>) => admin('PUT', '/topics/orders', undefined, headers);
  expect((await put({ 'if-match': '*' })).status).toBe(412);
  expect((await put({ 'if-match': '"1"' })).status).toBe(412);
  const created = await put({ 'if-none-match': '*' });
  expect(created.status).toBe(201);
  const first = created.headers.etag!;
  const exists = await put({ 'if-none-match': '*' });
  expect(exists.status).toBe(412);
  expect(exists.json.code).toBe('PreconditionFailed');
  const second = (await put({ 'if-match': `"zz", ${first}` })).headers.etag!;
  expect((await put({ 'if-match': first })).status).toBe(412);
  expect((await put({ 'if-match': `W/${second}` })).status).toBe(412);
  expect((await put({ 'if-match': '*' })).status).toBe(200);
  const unchanged = await admin('GET', '/topics/orders');
  const cached = await admin('GET', '/topics/orders', undefined, {
    'if-none-match': unchanged.headers.etag!,
  });
  expect(cached.status).toBe(304);
  const remove = (headers: Record<string, string>) => admin('DELETE', '/topics/orders', undefined, headers);
  expect((await remove({ 'if-match': first })).status).toBe(412);
  expect((await remove({ 'if-match': unchanged.headers.etag! })).status).toBe(204);
  expect((await remove({ 'if-match': '*' })).status).toBe(412);
});

test('deleting a topic takes its subscriptions along, and repeating it is harmless', async () => {
  const { admin, registry, store } = await serve();
  await admin('PUT', '/topics/orders');
  await admin('PUT', '/topics/orders/eventsubscriptions/billing', {
    destination: {
      endpointType: 'WebHook',
      properties: { endpointUrl: 'http://127.0.0.1:9/', validation: 'none' },
    },
  });
  expect((await admin('DELETE', '/topics/orders')).status).toBe(204);
  expect((await admin('DELETE', '/topics/orders')).status).toBe(204);
  expect((await admin('GET', '/topics/orders')).json.code).toBe('TopicNotFound');
  expect(await store.resources.list('topics/', undefined, 10)).toEqual([]);
  expect([...registry.topics()]).toEqual([]);
  await admin('PUT', '/topics/orders');
  expect((await admin('GET', '/topics/orders/eventsubscriptions/billing')).json.code).toBe(
    'SubscriptionNotFound',
  );
});

test('writers that collide take turns', async () => {
  const { admin } = await serve();
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, i) => admin('PUT', '/topics/orders', { eventRetentionInDays: i })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
});

test('a writer that never gets through is told of the conflict', async () => {
  const { admin, store } = await serve();
  const { put } = store.resources;
  store.resources.put = async () => ({ kind: 'preconditionFailed' });
  const { status, json } = await admin('PUT', '/topics/orders');
  expect([status, json.code]).toEqual([409, 'Conflict']);
  store.resources.put = put;
});

test('topics are listed by name, page by page, through absolute links', async () => {
  const served = await serve();
  const { admin, port } = served;
  const names = Array.from({ length: 205 }, (_, i) => `topic-${String(i).padStart(3, '0')}`);
  await putMany(served, [...names].reverse());
  const seen: string[] = [];
  const sizes: number[] = [];
  let path: string | undefined = '/topics';
  while (path) {
    const { status, json } = await admin('GET', path);
    expect(status).toBe(200);
    seen.push(...json.value.map(({ name }: { name: string }) => name));
    sizes.push(json.value.length);
    expect(json.nextLink ?? `http://127.0.0.1:${port}/`).toMatch(`http://127.0.0.1:${port}/`);
    path = json.nextLink?.slice(`http://127.0.0.1:${port}`.length);
  }
  expect(sizes).toEqual([100, 100, 5]);
  expect(seen).toEqual(names);
  expect((await admin('GET', '/topics?$top=204')).json.value).toHaveLength(204);
  expect((await admin('GET', '/topics?maxpagesize=205&$top=1')).json.nextLink).toBeUndefined();
});

test.each([
  'maxpagesize=0',
  'maxpagesize=1001',
  'maxpagesize=-1',
  'maxpagesize=1e2',
  'maxpagesize=',
  'maxpagesize=1&maxpagesize=2',
  '$top=ten',
  'continuationToken=',
  'continuationToken=dG9waWMtMDAx',
  `continuationToken=${'A'.repeat(400)}`,
  'continuationToken=%00',
])('the query %s is refused', async (query) => {
  const { admin } = await serve();
  const { status, json } = await admin('GET', `/topics?${query}`);
  expect([status, json.code]).toEqual([400, 'InvalidParameter']);
  expect(json.errors[0].pointer).toBe(`query/${query.slice(0, query.indexOf('='))}`);
});

test('a token is good for the list that gave it, and for no other', async () => {
  const served = await serve();
  await putMany(served, ['one', 'two', 'three']);
  const { json } = await served.admin('GET', '/topics?$top=1');
  const token = new URL(json.nextLink).searchParams.get('continuationToken');
  const other = await served.admin('GET', `/topics/one/eventsubscriptions?continuationToken=${token}`);
  expect(other.json.code).toBe('InvalidParameter');
});

test('there is room for as many topics as the limit says', async () => {
  const served = await serve();
  await putMany(
    served,
    Array.from({ length: 9_999 }, (_, i) => `topic-${i}`),
  );
  expect((await served.admin('PUT', '/topics/last')).status).toBe(201);
  const { status, json } = await served.admin('PUT', '/topics/one-more');
  expect([status, json.code]).toEqual([409, 'TooManyResources']);
  expect((await served.admin('PUT', '/topics/last')).status).toBe(200);
});

test('a topic has two keys, each replaced on its own', async () => {
  const { admin, publish, call } = await serve();
  await admin('PUT', '/topics/orders');
  const before = await admin('GET', '/topics/orders/keys');
  expect(before.headers['cache-control']).toBe('no-store');
  expect(before.json).toEqual({
    key1: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
    key2: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
  });
  expect(before.json.key1).not.toBe(before.json.key2);
  const after = await admin('POST', '/topics/orders:regenerateKey', { keyName: 'key1' });
  expect(after.status).toBe(200);
  expect(after.json.key1).not.toBe(before.json.key1);
  expect(after.json.key2).toBe(before.json.key2);
  expect((await admin('GET', '/topics/orders/keys')).json).toEqual(after.json);
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't' };
  const statuses = [];
  for (const key of [before.json.key1, before.json.key2, after.json.key1]) {
    statuses.push(
      (
        await call('POST', '/topics/orders:publish', {
          body: JSON.stringify(event),
          headers: { 'content-type': 'application/cloudevents+json', 'aeg-sas-key': key },
        })
      ).status,
    );
  }
  expect(statuses).toEqual([401, 200, 200]);
  expect((await publish('orders', event)).status).toBe(200);
});

test('a topic made again under its name has other keys', async () => {
  const { admin } = await serve();
  await admin('PUT', '/topics/orders');
  const before = (await admin('GET', '/topics/orders/keys')).json;
  await admin('DELETE', '/topics/orders');
  await admin('PUT', '/topics/orders');
  const after = (await admin('GET', '/topics/orders/keys')).json;
  expect(after.key1).not.toBe(before.key1);
  expect(after.key2).not.toBe(before.key2);
});

test.each([[{}], [{ keyName: 'key3' }], [{ keyName: 'key1', more: 1 }], [undefined]])(
  'regenerating with %j is refused',
  async (body) => {
    const { admin } = await serve();
    await admin('PUT', '/topics/orders');
    const { status, json } = await admin('POST', '/topics/orders:regenerateKey', body);
    expect([status, json.code]).toEqual([400, 'InvalidResource']);
  },
);

test('what there is not is not found', async () => {
  const { admin } = await serve();
  const cases: [string, string, string][] = [
    ['GET', '/topics/orders', 'TopicNotFound'],
    ['GET', '/topics/orders/keys', 'TopicNotFound'],
    ['POST', '/topics/orders:regenerateKey', 'TopicNotFound'],
    ['GET', '/topics/orders/eventsubscriptions', 'TopicNotFound'],
    ['GET', '/topics/orders/', 'RouteNotFound'],
    ['GET', '/topics/', 'RouteNotFound'],
    ['GET', '//topics', 'RouteNotFound'],
    ['GET', '/Topics', 'RouteNotFound'],
    ['GET', '/', 'RouteNotFound'],
    ['POST', '/topics/orders:explode', 'RouteNotFound'],
    ['POST', '/topics/orders/eventsubscriptions/billing:explode', 'RouteNotFound'],
    ['POST', '/topics/orders/eventsubscriptions/billing:publish', 'RouteNotFound'],
  ];
  for (const [method, path, code] of cases) {
    const body = method === 'POST' ? { keyName: 'key1' } : undefined;
    const { status, json } = await admin(method, path, body);
    expect([path, status, json.code]).toEqual([path, 404, code]);
  }
});

test('a path that is known says which methods it has', async () => {
  const { admin } = await serve();
  const cases: [string, string, string][] = [
    ['POST', '/topics', 'GET, HEAD'],
    ['PATCH', '/topics/orders', 'PUT, GET, HEAD, DELETE'],
    ['OPTIONS', '/topics/orders', 'PUT, GET, HEAD, DELETE'],
    ['DELETE', '/topics/orders/keys', 'GET, HEAD'],
    ['GET', '/topics/orders:regenerateKey', 'POST'],
    ['PUT', '/topics/orders/eventsubscriptions', 'GET, HEAD'],
    ['POST', '/topics/orders/eventsubscriptions/billing', 'PUT, GET, HEAD, DELETE'],
    ['GET', '/topics/orders/eventsubscriptions/billing:getFullUrl', 'POST'],
    ['DELETE', '/topics/orders/eventsubscriptions/billing/deadletters', 'GET, HEAD'],
    ['DELETE', '/topics/orders/eventsubscriptions/billing/deadletters/x', 'GET, HEAD'],
    ['GET', '/topics/orders/eventsubscriptions/billing/deadletters:redrive', 'POST'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['PUT', '/readyz', 'GET, HEAD'],
  ];
  for (const [method, path, allow] of cases) {
    const answer = await admin(method, path);
    expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, allow]);
    expect(answer.json.code).toBe('MethodNotAllowed');
  }
});

test('HEAD answers what GET would, without its body', async () => {
  const { admin } = await serve();
  await admin('PUT', '/topics/orders');
  const head = await admin('HEAD', '/topics/orders');
  expect(head.status).toBe(200);
  expect(head.headers.etag).toBe((await admin('GET', '/topics/orders')).headers.etag);
  expect(head.body).toHaveLength(0);
});

test('a change is answered although the store is gone when it is read back', async () => {
  const { admin, store, lines } = await serve();
  const { changes } = store.resources;
  await admin('PUT', '/topics/orders');
  store.resources.changes = () => Promise.reject(new Error('gone'));
  expect((await admin('PUT', '/topics/orders')).status).toBe(200);
  expect(lines.some((line) => line.includes('could not be read back'))).toBe(true);
  store.resources.changes = changes;
});

test('what fails unexpectedly is answered without its details and logged with them', async () => {
  const { admin, store, lines } = await serve();
  const { get } = store.resources;
  store.resources.get = () => Promise.reject(new Error('a secret of the house'));
  const answer = await admin('GET', '/topics/orders');
  expect([answer.status, answer.json.code]).toEqual([500, 'Internal']);
  expect(answer.text).not.toContain('secret of the house');
  const line = lines.find((each) => each.includes('a secret of the house'));
  expect(JSON.parse(line!)).toMatchObject({
    level: 'error',
    requestId: answer.json.instance,
    route: '/topics/{topic}',
    error: expect.stringContaining('topics.test.ts'),
  });
  expect(lines.join()).not.toContain(adminKey);
  store.resources.get = get;
});

test.each(['/topics/orders', '/domains/shop'])(
  "Azure's location and tags of %s are kept until it is written without them",
  async (path) => {
    const { admin } = await serve();
    const written = { location: 'westeurope', tags: { team: 'billing' }, properties: {} };
    expect((await admin('PUT', path, written)).json).toMatchObject({
      location: 'westeurope',
      tags: { team: 'billing' },
    });
    expect((await admin('GET', path)).json).toMatchObject({
      location: 'westeurope',
      tags: { team: 'billing' },
    });
    expect((await admin('PUT', path, { properties: {}, tags: {}, location: null })).json).not.toHaveProperty(
      'tags',
    );
    expect((await admin('GET', path)).json).not.toHaveProperty('location');
  },
);

test.each<[string, object, string]>([
  ['51 tags', Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`tag${i}`, ''])), '/tags'],
  ['a tag with a value of 257 characters', { tag: 'x'.repeat(257) }, '/tags/tag'],
  ['a tag with a name of 513 characters', { ['x'.repeat(513)]: '' }, '/tags'],
  ['a tag that is no text', { tag: 1 }, '/tags/tag'],
])('%s are refused', async (_, tags, pointer) => {
  const { admin } = await serve();
  const { status, json } = await admin('PUT', '/topics/orders', { tags, properties: {} });
  expect([status, json.errors[0].pointer]).toEqual([400, pointer]);
});

test('as many and as long tags as Azure allows are kept', async () => {
  const { admin } = await serve();
  const tags = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`${i}`.padEnd(512, 'x'), 'x'.repeat(256)]),
  );
  const { status, json } = await admin('PUT', '/topics/orders', { tags, properties: {} });
  expect([status, json.tags]).toEqual([201, tags]);
});
