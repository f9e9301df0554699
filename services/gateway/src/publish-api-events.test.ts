import { describe, expect, test } from '@jest/globals';
import { type Event, type InputSchema, limits } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { adminKey, type Answer, eventOf, serve, storedEvents, storedIds } from './testing/serve.js';

const topics: Record<InputSchema, string> = {
  EventGridSchema: 'grid',
  CloudEventSchemaV1_0: 'cloud',
  CustomEventSchema: 'custom',
};
const mapping = {
  inputSchemaMappingType: 'Json',
  properties: {
    id: { sourceField: 'orderId' },
    eventType: { sourceField: 'kind', defaultValue: 'order' },
    subject: { defaultValue: '/orders' },
  },
};
type Headers = Record<string, string>;

const structured = { 'content-type': 'application/cloudevents+json' };
const batch = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' };
const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };
const json = { 'content-type': 'application/json' };
const long = (bytes: number): string => 'x'.repeat(bytes);

const gridEvent = (members: object = {}): object => ({
  id: '1',
  subject: '/orders/1',
  eventType: 'order.created',
  eventTime: '2030-01-31T12:00:00Z',
  dataVersion: '1',
  data: { n: 1 },
  ...members,
});

async function setup(options: Parameters<typeof serve>[0] = {}) {
  const served = await serve(options);
  for (const [inputSchema, name] of Object.entries(topics)) {
    await served.admin('PUT', `/topics/${name}`, {
      inputSchema,
      ...(inputSchema === 'CustomEventSchema' ? { inputSchemaMapping: mapping } : {}),
    });
  }
  const send = (topic: string, body: unknown, headers: Headers = {}): Promise<Answer> =>
    served.admin('POST', `/topics/${topic}/api/events`, body, headers);
  return { ...served, send };
}

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function expectEnvelope(answer: Answer, status: number, outer: string, inner: string): string {
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.headers['api-supported-versions']).toBe('2018-01-01');
  const id = answer.headers['x-ms-request-id'];
  expect(id).toMatch(guid);
  const { message } = answer.json.error;
  expect(answer.json).toEqual({ error: { code: outer, message, details: [{ code: inner, message }] } });
  const report = `. Report '${id}' to whoever runs this Gridpost if you need help.`;
  if (status === 413) expect(message).not.toContain('Report');
  else expect(message.endsWith(report)).toBe(true);
  return message;
}

test.each<[string, string, unknown, Headers]>([
  ['Event Grid’s schema', 'grid', [gridEvent()], json],
  ['Event Grid’s schema, several', 'grid', [gridEvent(), gridEvent({ id: '2' })], json],
  ['Event Grid’s schema as text', 'grid', JSON.stringify([gridEvent()]), { 'content-type': 'text/plain' }],
  ['Event Grid’s schema of no type', 'grid', Buffer.from(JSON.stringify([gridEvent()])), {}],
  ['a topic’s own schema', 'custom', [{ orderId: 7, kind: 'a' }, { orderId: 8 }], json],
  ['one CloudEvent', 'cloud', eventOf(), structured],
  ['one CloudEvent as JSON', 'cloud', eventOf(), json],
  ['a CloudEvent without an offset', 'cloud', eventOf({ time: '2030-01-31T12:00:00' }), structured],
  ['a batch of CloudEvents', 'cloud', [eventOf(), eventOf({ id: '2' })], batch],
  ['a binary CloudEvent', 'cloud', '{"n":1}', { ...binary, ...json }],
])('%s is answered 200, without a body', async (_, topic, body, headers) => {
  const { send, store, metrics } = await setup();
  const answer = await send(topic, body, headers);
  expect([answer.status, answer.text, answer.headers['content-length']]).toEqual([200, '', '0']);
  expect(answer.headers['api-supported-versions']).toBe('2018-01-01');
  expect(answer.headers['x-ms-request-id']).toMatch(guid);
  const count = (await storedIds(store)).length;
  expect(count).toBe(Array.isArray(body) ? body.length : 1);
  expect(metrics.eventsPublished.with(topic, 'accepted').value).toBe(count);
});

test('what is stored says what was sent, in CloudEvents’ words', async () => {
  const { send, store } = await setup();
  await send('grid', `[${JSON.stringify(gridEvent()).replace('{"n":1}', '{"n": 1.0}')}]`);
  await send('custom', [{ orderId: 7, kind: 'a' }]);
  await send('cloud', '{"n": 1.0}', { ...binary, ...json });
  const [grid, custom, cloud] = await storedEvents(store);
  const seen = (event: Event | undefined) =>
    Object.fromEntries(event!.attributes().map(({ name, value }) => [name, value]));
  expect(seen(grid)).toEqual({
    ...{ specversion: '1.0', id: '1', source: '/topics/grid', type: 'order.created' },
    ...{ subject: '/orders/1', time: '2030-01-31T12:00:00Z', dataversion: '1' },
  });
  expect(grid!.data!.toString()).toBe('{"n": 1.0}');
  expect(seen(custom)).toEqual({
    ...{ specversion: '1.0', id: '7', source: '/topics/custom', type: 'a', subject: '/orders' },
    time: expect.stringMatching(/Z$/),
  });
  expect(custom!.data!.toString()).toBe('{"orderId":7,"kind":"a"}');
  expect(seen(cloud)).toMatchObject({
    id: '1',
    source: '/s',
    type: 't',
    datacontenttype: 'application/json',
  });
  expect(cloud!.data!.toString()).toBe('{"n": 1.0}');
});

test('what a topic without a mapping leaves out is made up', async () => {
  const { admin, store } = await serve();
  await admin('PUT', '/topics/bare', { inputSchema: 'CustomEventSchema' });
  expect((await admin('POST', '/topics/bare/api/events', [{}, {}])).status).toBe(200);
  const [first, second] = await storedEvents(store);
  expect(first!.id).toMatch(guid);
  expect(second!.id).not.toBe(first!.id);
  expect(Math.abs(Date.parse(first!.attribute('time') as string) - Date.now())).toBeLessThan(60_000);
});

const invalid = ['BadRequest', 'InputJsonInvalid'] as const;
const header = ['BadRequest', 'InvalidCloudEventHeader'] as const;
const type = ['UnsupportedMediaType', 'InvalidContentType'] as const;
const large = ['RequestEntityTooLarge', 'PayloadTooLarge'] as const;
const without = (name: string): Headers => {
  const { [name]: _, ...others } = { ...binary, ...json } as Headers;
  return others;
};

type Refusal = [
  name: string,
  topic: string,
  body: unknown,
  headers: Headers,
  status: number,
  codes: readonly [string, string],
  message: RegExp,
];
const refusals: Refusal[] = [
  ...['grid', 'custom', 'cloud'].flatMap((topic): Refusal[] => {
    const headers = topic === 'cloud' ? batch : json;
    const good = { grid: gridEvent(), custom: { orderId: 7 }, cloud: eventOf() }[topic]!;
    const bad = { grid: gridEvent({ id: null }), custom: {}, cloud: eventOf({ id: null }) }[topic]!;
    const sized = { ...good, data: long(limits.eventBytesMax) };
    return [
      ['broken JSON', topic, '[{"id":', headers, 400, invalid, /./],
      ['no body', topic, undefined, headers, 400, invalid, /./],
      ['an empty array', topic, [], headers, 400, invalid, /array is empty/],
      ['an object in place of an array', topic, good, headers, 400, invalid, /array/],
      ['a number in an array', topic, [good, 7], headers, 400, invalid, /^event 1: .*object/],
      [
        'bytes that are not UTF-8',
        topic,
        Buffer.from('[{"\xff":1}]', 'latin1'),
        headers,
        400,
        invalid,
        /UTF-8/,
      ],
      ['deep nesting', topic, `[{"data":${'['.repeat(100_000)}`, headers, 400, invalid, /64/],
      [
        'one bad event among good ones',
        topic,
        [good, bad, good],
        headers,
        400,
        invalid,
        /^event 1: (id|orderId)/,
      ],
      [
        'one event too many',
        topic,
        Array(limits.requestEventsMax + 1).fill(good),
        headers,
        400,
        invalid,
        /5000/,
      ],
      ['an event that is too large', topic, [sized], headers, 413, large, /1048576/],
      [
        'a compressed body',
        topic,
        [good],
        { ...headers, 'content-encoding': 'gzip' },
        415,
        type,
        /content-encoding/,
      ],
    ];
  }),
  ...['id', 'subject', 'eventType', 'eventTime'].flatMap((name): Refusal[] =>
    [undefined, null, '', 7].map((value) => [
      `${name} ${value === '' ? 'empty' : value}`,
      'grid',
      [gridEvent({ [name]: value })],
      json,
      400,
      invalid,
      new RegExp(`^event 0: ${name} is `),
    ]),
  ),
  [
    'a time without an offset',
    'grid',
    [gridEvent({ eventTime: '2030-01-31T12:00:00' })],
    json,
    400,
    invalid,
    /^event 0: eventTime/,
  ],
  ...['0', '2', 1].map(
    (metadataVersion): Refusal => [
      `the metadata version ${JSON.stringify(metadataVersion)}`,
      'grid',
      [gridEvent({ metadataVersion })],
      json,
      400,
      invalid,
      /^event 0: metadataVersion/,
    ],
  ),
  ...['/topics/other', 'grid', '/TOPICS/grid'].map(
    (topic): Refusal => [
      `the topic ${topic}`,
      'grid',
      [gridEvent(), gridEvent({ topic })],
      json,
      401,
      ['Unauthorized', 'Unauthorized'],
      /^event 1: topic is /,
    ],
  ),
  ['a mapped field that is missing', 'custom', [{ kind: 'a' }], json, 400, invalid, /orderId is missing/],
  ['an array as one CloudEvent', 'cloud', [eventOf()], json, 400, invalid, /an event is a JSON object/],
  ['an array as structured', 'cloud', [eventOf()], structured, 400, invalid, /an event is a JSON object/],
  ...['specversion', 'id', 'source', 'type'].flatMap((name): Refusal[] => [
    [
      `a CloudEvent without ${name}`,
      'cloud',
      eventOf({ [name]: undefined }),
      structured,
      400,
      invalid,
      new RegExp(`${name} is missing`),
    ],
    [
      `a binary CloudEvent without ce-${name}`,
      'cloud',
      '{}',
      without(`ce-${name}`),
      400,
      header,
      new RegExp(`ce-${name} is missing`),
    ],
    [
      `a binary CloudEvent with ce-${name} empty`,
      'cloud',
      '{}',
      { ...binary, ...json, [`ce-${name}`]: '' },
      400,
      header,
      new RegExp(`ce-${name}`),
    ],
  ]),
  ['a binary CloudEvent without a body', 'cloud', undefined, { ...binary, ...json }, 400, invalid, /empty/],
  ['binary data that is no JSON', 'cloud', '{', { ...binary, ...json }, 400, invalid, /./],
  ...['text/plain', 'application/octet-stream', 'text/xml'].flatMap((one): Refusal[] => [
    [`binary data of ${one}`, 'cloud', '{}', { ...binary, 'content-type': one }, 415, type, /is not JSON/],
    [`a CloudEvent as ${one}`, 'cloud', eventOf(), { 'content-type': one }, 415, type, /content type/],
  ]),
  ['binary data of no type', 'cloud', Buffer.from('{}'), binary, 415, type, /no content type/],
  [
    'a CloudEvent of no type',
    'cloud',
    Buffer.from(JSON.stringify(eventOf())),
    {},
    415,
    type,
    /no content type/,
  ],
  [
    'a CloudEvent in Avro',
    'cloud',
    'x',
    { 'content-type': 'application/cloudevents+avro' },
    415,
    type,
    /does not speak/,
  ],
  [
    'another charset',
    'cloud',
    eventOf(),
    { 'content-type': 'application/cloudevents+json; charset=utf-16' },
    415,
    type,
    /utf-8/,
  ],
  [
    'ce- headers beside a structured event',
    'cloud',
    eventOf(),
    { ...binary, ...structured },
    400,
    header,
    /ce-specversion/,
  ],
  [
    'ce- headers beside a batch',
    'cloud',
    [eventOf()],
    { ...binary, ...batch },
    400,
    header,
    /ce-specversion/,
  ],
];

test.each(refusals)(
  '%s is refused by the topic %s and nothing is stored',
  async (_, topic, body, headers, status, codes, message) => {
    const { send, store, metrics } = await setup();
    const answer = await send(topic, body, headers);
    expect(expectEnvelope(answer, status, ...codes)).toMatch(message);
    expect(await storedIds(store)).toEqual([]);
    expect(metrics.eventsPublished.with(topic, 'refused').value).toBe(1);
  },
);

describe('at a limit', () => {
  const one = (topic: string, id: string, data: string): object =>
    ({
      grid: gridEvent({ id, data }),
      custom: { orderId: id, data },
      cloud: eventOf({ id, data }),
    })[topic]!;
  const bytesOf = (value: object) => Buffer.byteLength(JSON.stringify(value));

  test.each(['grid', 'custom', 'cloud'])('the bytes of an event to %s', async (topic) => {
    const { send, store } = await setup();
    const headers = topic === 'cloud' ? batch : json;
    const room = limits.eventBytesMax - bytesOf(one(topic, '1', ''));
    expect((await send(topic, [one(topic, '1', long(room))], headers)).status).toBe(200);
    expectEnvelope(await send(topic, [one(topic, '2', long(room + 1))], headers), 413, ...large);
    expect(await storedIds(store)).toEqual(['1']);
  });

  test.each(['grid', 'custom', 'cloud'])('the bytes of a request to %s', async (topic) => {
    const { send, store } = await setup({ clock: new FakeClock() });
    const headers = topic === 'cloud' ? batch : json;
    const room = limits.requestBytesMax - bytesOf([one(topic, '1', ''), one(topic, '2', '')]);
    const half = Math.floor(room / 2);
    const sized = (bytes: number) => [one(topic, '1', long(half)), one(topic, '2', long(bytes - half))];
    expect((await send(topic, sized(room), headers)).status).toBe(200);
    expectEnvelope(await send(topic, sized(room + 1), headers), 413, ...large);
    expect(await storedIds(store)).toEqual(['1', '2']);
  });

  test.each(['grid', 'custom', 'cloud'])('the number of events of a request to %s', async (topic) => {
    const { send, store } = await setup();
    const headers = topic === 'cloud' ? batch : json;
    const events = Array(limits.requestEventsMax).fill(one(topic, '1', ''));
    expect((await send(topic, events, headers)).status).toBe(200);
    expectEnvelope(await send(topic, [...events, events[0]], headers), 400, ...invalid);
    expect(await storedIds(store)).toHaveLength(limits.requestEventsMax);
  });
});

describe('the address', () => {
  test.each([
    '/topics/grid/api/events',
    '/topics/grid/api/events/',
    '/TOPICS/grid/API/EVENTS',
    '/grid/api/events',
    '/grid/Api/Events/',
    '/topics/gr%69d/api/events',
    '/topics/grid/api/events?api-version=2018-01-01',
    '/topics/grid/api/events/?api-version=1066-10-14&x=%',
    '/grid/api/events?',
  ])('may be %s', async (target) => {
    const { admin, store } = await setup();
    expect((await admin('POST', target, [gridEvent()])).status).toBe(200);
    expect(await storedIds(store)).toEqual(['1']);
  });

  test.each([
    '/topics/nowhere/api/events',
    '/topics/GRID/api/events',
    '/nowhere/api/events',
    '/domains/grid/api/events',
    '/domains/nowhere/api/events',
    '/topics/domains%2Fshop/api/events',
    '/topics/__proto__/api/events',
    '/topics//api/events',
    '/topics/grid%0d%0aX:%201/api/events',
    '/api/events',
    '/api/events/',
    '/queues/grid/api/events',
    '/a/b/c/api/events',
  ])('%s does not exist', async (target) => {
    const { admin, store } = await setup();
    await admin('PUT', '/domains/shop');
    const answer = await admin('POST', target, [gridEvent()]);
    const message = expectEnvelope(answer, 404, 'NotFound', 'ResourceNotFound');
    expect(message).not.toMatch(/[\r\n]/);
    expect(await storedIds(store)).toEqual([]);
  });

  test('that has a broken escape is refused', async () => {
    const { admin } = await setup();
    const { status, json: body } = await admin('POST', '/domains/%zz/api/events', [gridEvent()]);
    expect([status, body.error.details[0].code]).toEqual([400, 'InvalidName']);
  });

  test.each(['grid', 'custom'])(':publish is none of the topic %s, and says which is', async (topic) => {
    const { publish, store } = await setup();
    const answer = await publish(topic, eventOf());
    expect([answer.status, answer.json.error.code, answer.json.error.details[0].code]).toEqual([
      400,
      ...invalid,
    ]);
    expect(answer.json.error.message).toContain(`/topics/${topic}/api/events`);
    expect(await storedIds(store)).toEqual([]);
  });

  test('that a topic is shown with is one at which it takes events', async () => {
    const { admin, port } = await setup();
    for (const [topic, body] of [
      ['grid', [gridEvent()]],
      ['custom', [{ orderId: 1 }]],
      ['cloud', eventOf()],
    ] as const) {
      const { endpoint } = (await admin('GET', `/topics/${topic}`)).json.properties;
      const { host, pathname } = new URL(endpoint);
      expect(host).toBe(`127.0.0.1:${port}`);
      expect((await admin('POST', pathname, body)).status).toBe(200);
    }
  });
});

describe('another method', () => {
  test.each([
    ['grid', 'EventGridEvent'],
    ['custom', 'CustomInputEvent'],
    ['cloud', 'CloudEventV10'],
  ])('OPTIONS tells the schema of the topic %s', async (topic, schema) => {
    const { admin } = await setup();
    for (const target of [`/topics/${topic}/api/events`, `/${topic}/API/events/?api-version=2018-01-01`]) {
      const answer = await admin('OPTIONS', target);
      expect([answer.status, answer.text]).toEqual([200, '']);
      expect(answer.headers).toMatchObject({
        'aeg-input-event-schema': schema,
        allow: 'POST, OPTIONS',
        'api-supported-versions': '2018-01-01',
        'content-length': '0',
        'x-ms-request-id': expect.stringMatching(guid),
      });
    }
  });

  test('OPTIONS needs a credential, and a topic', async () => {
    const { admin, call } = await setup();
    expectEnvelope(await call('OPTIONS', '/topics/grid/api/events'), 401, 'Unauthorized', 'Unauthorized');
    expectEnvelope(await admin('OPTIONS', '/topics/nowhere/api/events'), 404, 'NotFound', 'ResourceNotFound');
  });

  test('OPTIONS leaves the connection good, also after a body', async () => {
    const { connect } = await setup();
    const { socket, until, received } = connect();
    const request = `OPTIONS /grid/api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\n`;
    socket.write(`${request}Content-Length: 4\r\n\r\nbody`);
    await until('EventGridEvent');
    socket.write(`${request}\r\n`);
    await until('HTTP/1.1 200 OK\r\n');
    expect(received()).not.toMatch(/connection: close/i);
  });

  test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE'])('%s is not for publishing', async (method) => {
    const { admin, call } = await setup();
    for (const answer of [
      await admin(method, '/topics/grid/api/events'),
      await call(method, '/domains/nowhere/api/events/'),
    ]) {
      expectEnvelope(answer, 405, 'MethodNotAllowed', 'MethodNotAllowed');
      expect(answer.headers.allow).toBe('POST, OPTIONS');
    }
  });

  test('HEAD is for nothing', async () => {
    const { admin } = await setup();
    const { status, text, headers } = await admin('HEAD', '/topics/grid/api/events');
    expect([status, text, headers['api-supported-versions']]).toEqual([404, '', '2018-01-01']);
  });
});

test('requests are counted by their address, whatever it is spelled like', async () => {
  const { admin, metrics } = await setup();
  await admin('PUT', '/domains/shop', { inputSchema: 'EventGridSchema' });
  for (const target of ['/grid/API/events/', '/topics/grid/api/events', '/topics/nowhere/api/events'])
    await admin('POST', target, [gridEvent()]);
  await admin('POST', '/domains/shop/api/events', [gridEvent({ topic: 'north' })]);
  await admin('POST', '/a/b/api/events', []);
  await admin('OPTIONS', '/grid/api/events');
  const text = await metrics.render();
  const count = (method: string, route: string, statusClass: string) =>
    new RegExp(
      `_duration_seconds_count\\{method="${method}",route="${route}",status_class="${statusClass}"\\} (\\d+)`,
    ).exec(text)?.[1];
  expect([
    count('POST', '/topics/{topic}/api/events', '2xx'),
    count('POST', '/topics/{topic}/api/events', '4xx'),
    count('POST', '/domains/{domain}/api/events', '2xx'),
    count('POST', 'unmatched', '4xx'),
    count('OPTIONS', '/topics/{topic}/api/events', '2xx'),
  ]).toEqual(['2', '1', '1', '1', '1']);
});
