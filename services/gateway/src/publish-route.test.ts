import { expect, test } from '@jest/globals';
import { GridpostError, limits, systemClock } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { adminKey, type Connection, eventOf, serve, type Served, storedIds } from './testing/serve.js';

async function serveTopic(options: Parameters<typeof serve>[0] = {}): Promise<Served> {
  const served = await serve(options);
  await served.admin('PUT', '/topics/orders');
  return served;
}

const structured = 'application/cloudevents+json';
const batch = 'application/cloudevents-batch+json';

/** Head of a request on a bare connection, with the admin key. */
function head(lines: readonly string[], path = '/topics/orders:publish', method = 'POST'): string {
  const all = [`${method} ${path} HTTP/1.1`, 'Host: gridpost', `Authorization: Bearer ${adminKey}`, ...lines];
  return `${all.join('\r\n')}\r\n\r\n`;
}

test('a single event is stored and answered 200 with an empty object', async () => {
  const { publish, store } = await serveTopic();
  const answer = await publish('orders', eventOf({ id: 'one' }));
  expect([answer.status, answer.text]).toEqual([200, '{}']);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.headers['content-length']).toBe('2');
  expect(answer.headers['x-ms-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  expect(await storedIds(store)).toEqual(['one']);
});

test.each<[string, unknown, Record<string, string>]>([
  ['structured', eventOf(), { 'content-type': 'application/cloudevents+json; charset=UTF-8' }],
  ['plain JSON', eventOf(), { 'content-type': 'application/json' }],
  ['batched', [eventOf({ id: 'a' }), eventOf({ id: 'b' })], { 'content-type': batch }],
  ['an empty batch', [], { 'content-type': batch }],
  [
    'binary',
    'any bytes',
    {
      'content-type': 'text/plain',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/s',
      'ce-type': 't',
    },
  ],
])('%s mode is accepted', async (_, body, headers) => {
  const { publish } = await serveTopic();
  expect((await publish('orders', body, headers)).status).toBe(200);
});

test.each(['?api-version=2018-01-01', '?api-version=nonsense&x=%', '?', '?x=/y:publish'])(
  'the query %s changes nothing',
  async (query) => {
    const { call, store } = await serveTopic();
    const answer = await call('POST', `/topics/orders:publish${query}`, {
      body: JSON.stringify(eventOf()),
      headers: { 'content-type': structured, authorization: `Bearer ${adminKey}` },
    });
    expect(answer.status).toBe(200);
    expect(await storedIds(store)).toEqual(['1']);
  },
);

const binary = { 'content-type': 'text/plain', 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s' };
const long = (bytes: number): string => 'x'.repeat(bytes);

test.each<[string, unknown, Record<string, string>, number, string, string]>([
  ['broken JSON', '{"id":', {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['no body', undefined, {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['an event without id', { ...eventOf(), id: undefined }, {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['an array in single mode', [eventOf()], {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['an object in batch mode', eventOf(), { 'content-type': batch }, 400, 'BadRequest', 'InputJsonInvalid'],
  [
    'one bad event of a batch',
    [eventOf(), eventOf({ specversion: '0.3' })],
    { 'content-type': batch },
    400,
    'BadRequest',
    'InputJsonInvalid',
  ],
  [
    'too many events',
    Array(limits.requestEventsMax + 1).fill(eventOf()),
    { 'content-type': batch },
    400,
    'BadRequest',
    'InputJsonInvalid',
  ],
  ['deep nesting', `{"data":${'['.repeat(100_000)}`, {}, 400, 'BadRequest', 'InputJsonInvalid'],
  ['binary mode without ce-type', 'data', binary, 400, 'BadRequest', 'InvalidCloudEventHeader'],
  [
    'ce- headers beside a structured event',
    eventOf(),
    { 'ce-id': '1' },
    400,
    'BadRequest',
    'InvalidCloudEventHeader',
  ],
  [
    'another content type',
    '<a/>',
    { 'content-type': 'text/xml' },
    415,
    'UnsupportedMediaType',
    'InvalidContentType',
  ],
  [
    'another charset',
    eventOf(),
    { 'content-type': `${structured}; charset=utf-16` },
    415,
    'UnsupportedMediaType',
    'InvalidContentType',
  ],
  [
    'a compressed body',
    eventOf(),
    { 'content-encoding': 'gzip' },
    415,
    'UnsupportedMediaType',
    'InvalidContentType',
  ],
  [
    'an event over a mebibyte',
    eventOf({ data: long(limits.eventBytesMax) }),
    {},
    413,
    'RequestEntityTooLarge',
    'PayloadTooLarge',
  ],
])('%s is refused in the envelope and nothing is stored', async (_, body, headers, status, outer, inner) => {
  const { publish, store } = await serveTopic();
  const answer = await publish('orders', body, headers);
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const { message } = answer.json.error;
  expect(answer.json).toEqual({ error: { code: outer, message, details: [{ code: inner, message }] } });
  const id = answer.headers['x-ms-request-id'];
  if (status === 413) expect(message).not.toContain('Report');
  else
    expect(message.endsWith(`. Report '${id}' to whoever runs this Gridpost if you need help.`)).toBe(true);
  expect(await storedIds(store)).toEqual([]);
});

test('content-encoding identity is no encoding', async () => {
  const { publish } = await serveTopic();
  expect((await publish('orders', eventOf(), { 'content-encoding': 'identity' })).status).toBe(200);
});

test('a body of exactly the limit is taken, one byte more is not', async () => {
  const { publish, store } = await serveTopic({ clock: new FakeClock() });
  const shell = JSON.stringify([eventOf({ data: '' }), eventOf({ data: '' })]).length;
  const room = limits.requestBytesMax - shell;
  const half = Math.floor(room / 2);
  const body = (bytes: number) => [eventOf({ data: long(half) }), eventOf({ data: long(bytes - half) })];
  expect((await publish('orders', body(room), { 'content-type': batch })).status).toBe(200);
  expect((await publish('orders', body(room + 1), { 'content-type': batch })).status).toBe(413);
  expect(await storedIds(store)).toHaveLength(2);
});

test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s is not for publishing', async (method) => {
  const { admin } = await serveTopic();
  const answer = await admin(method, '/topics/orders:publish');
  expect([answer.status, answer.headers.allow]).toEqual([405, 'POST']);
  expect(answer.json.error.details[0].code).toBe('MethodNotAllowed');
});

test('HEAD is answered 405 without a body', async () => {
  const { admin } = await serveTopic();
  const answer = await admin('HEAD', '/topics/orders:publish');
  expect([answer.status, answer.headers.allow, answer.text]).toEqual([405, 'POST', '']);
});

test.each([
  'nowhere',
  'ab',
  'a%2Fb',
  '%00',
  '%F0%9F%92%A9',
  '__proto__',
  'constructor',
  'orders%0d%0aX:%201',
  'x'.repeat(4000),
])('the topic %s does not exist', async (name) => {
  const { publish } = await serveTopic();
  const { status, json } = await publish(name, eventOf());
  expect([status, json.error.code, json.error.details[0].code]).toEqual([
    404,
    'NotFound',
    'ResourceNotFound',
  ]);
  expect(json.error.message).not.toMatch(/[\r\n]/);
});

test.each(['%', '%E0%A4%A', 'orders%zz'])('the broken escape in %s is refused', async (name) => {
  const { publish } = await serveTopic();
  const { status, json } = await publish(name, eventOf());
  expect([status, json.error.details[0].code]).toEqual([400, 'InvalidName']);
});

test('a name may be sent percent-encoded', async () => {
  const { publish } = await serveTopic();
  expect((await publish('%6Frders', eventOf())).status).toBe(200);
});

test('a whole URL as the target of a request means its path', async () => {
  const { connect, store } = await serveTopic();
  const { socket, until } = connect();
  const body = JSON.stringify(eventOf());
  const lines = [`Content-Type: ${structured}`, `Content-Length: ${body.length}`];
  socket.write(head(lines, 'http://gridpost/topics/orders:publish?x=1') + body);
  await until('HTTP/1.1 200 OK');
  expect(await storedIds(store)).toEqual(['1']);
});

test('a topic made through another gateway is found at the first try', async () => {
  const first = await serve();
  const second = await serve({ store: first.store, registry: new Registry(first.store, systemClock) });
  expect((await second.publish('orders', eventOf())).status).toBe(404);
  await first.admin('PUT', '/topics/orders');
  expect((await second.publish('orders', eventOf())).status).toBe(200);
});

test('a store that cannot say whether the topic exists means 503, not 404', async () => {
  const { publish, store } = await serve();
  const { changes } = store.resources;
  store.resources.changes = () => Promise.reject(new GridpostError('OutcomeUnknown', 'no answer within 2 s'));
  const answer = await publish('orders', eventOf());
  expect([answer.status, answer.json.error.details[0].code]).toEqual([503, 'StoreUnavailable']);
  expect(answer.headers['retry-after']).toBe('1');
  store.resources.changes = changes;
});

test.each(['StoreFull', 'StoreUnavailable', 'OutcomeUnknown'] as const)(
  'a store that fails with %s means 503 and when to try again',
  async (code) => {
    const store = new MemoryStore();
    store.append = () =>
      Promise.reject(new GridpostError(code, 'as the test wants it', { retryAfterSeconds: 7 }));
    const { publish, metrics } = await serveTopic({ store });
    const answer = await publish('orders', [eventOf(), eventOf({ id: '2' })], { 'content-type': batch });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '7']);
    expect(answer.json.error).toMatchObject({ code: 'ServiceUnavailable', details: [{ code }] });
    const outcome = code === 'OutcomeUnknown' ? 'unknown' : 'refused';
    expect(metrics.eventsPublished.with('orders', outcome).value).toBe(2);
  },
);

test('what fails unexpectedly is answered without its details and logged with them', async () => {
  const store = new MemoryStore();
  store.append = () => Promise.reject(new Error('a secret of the house'));
  const { publish, lines } = await serveTopic({ store });
  const answer = await publish('orders', eventOf());
  expect([answer.status, answer.json.error.code]).toEqual([500, 'InternalServerError']);
  expect(answer.text).not.toContain('secret of the house');
  const line = JSON.parse(lines.find((each) => each.includes('a secret of the house'))!);
  expect(line).toMatchObject({
    level: 'error',
    topic: 'orders',
    requestId: answer.headers['x-ms-request-id'],
  });
});

test('events are counted per topic and by their end; requests per route and status', async () => {
  const { admin, publish, metrics } = await serveTopic();
  await publish('orders', [eventOf(), eventOf(), eventOf()], { 'content-type': batch });
  await publish('orders', '{');
  await publish('nowhere', eventOf());
  const text = await metrics.render();
  expect(text).toContain('gridpost_events_published_total{topic="orders",outcome="accepted"} 3');
  expect(text).toContain('gridpost_events_published_total{topic="orders",outcome="refused"} 1');
  const series = 'gridpost_http_request_duration_seconds_count{method="POST",route="/topics/{topic}:publish"';
  expect(text).toContain(`${series},status_class="2xx"} 1`);
  expect(text).toContain(`${series},status_class="4xx"} 2`);
  expect(text).not.toContain('nowhere');
  await admin('DELETE', '/topics/orders');
  expect(await metrics.render()).not.toContain('topic="orders"');
});

test('a duplicate header is refused where it decides what an event is', async () => {
  const { connect, store } = await serveTopic();
  const attributes = ['ce-specversion: 1.0', 'ce-id: 1', 'ce-source: /s', 'ce-type: t'];
  for (const twice of ['ce-id: 2', 'CE-ID: 2', 'ce-type: u']) {
    const { socket, until, received } = connect();
    socket.write(`${head([...attributes, twice, 'Content-Type: text/plain', 'Content-Length: 1'])}x`);
    await until('\r\n\r\n{');
    expect(received()).toMatch(/^HTTP\/1\.1 400 /);
    expect(received()).toContain('InvalidCloudEventHeader');
  }
  expect(await storedIds(store)).toEqual([]);
});

test('a body that announces itself as too large is refused before it is sent', async () => {
  const clock = new FakeClock();
  const { connect } = await serveTopic({ clock });
  const { socket, closed, until, received } = connect();
  socket.write(head([`Content-Type: ${structured}`, `Content-Length: ${limits.requestBytesMax + 1}`]));
  await until('PayloadTooLarge');
  await clock.advance(1_000);
  expect(received()).toMatch(/^HTTP\/1\.1 413 /);
  expect(received()).toMatch(/\r\nconnection: close\r\n/i);
  await closed;
});

test('a body without end is refused as soon as it is too large, and cut off', async () => {
  const { connect, store } = await serveTopic({ clock: new FakeClock() });
  const { socket, closed } = connect();
  socket.write(head([`Content-Type: ${structured}`, 'Transfer-Encoding: chunked']));
  const chunk = `10000\r\n${long(0x10000)}\r\n`;
  let sent = 0;
  const pour = (): void => {
    // In memory here only what the socket takes: the gateway must be what ends this.
    while (socket.writable) {
      sent += 0x10000;
      if (!socket.write(chunk)) break;
    }
  };
  socket.on('drain', pour);
  pour();
  const answer = await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('PayloadTooLarge');
  // What was taken, and what lay in buffers on the way, of which systems may give one tens of megabytes.
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  expect(await storedIds(store)).toEqual([]);
});

test('a client that finishes a body that is too large gets the answer, not a reset', async () => {
  // The second in which it has to finish does not pass.
  const { connect } = await serveTopic({ clock: new FakeClock() });
  const { socket, closed } = connect();
  const size = limits.requestBytesMax + 100_000;
  let error: Error | undefined;
  socket.on('error', (seen) => {
    error = seen;
  });
  socket.write(head([`Content-Type: ${structured}`, `Content-Length: ${size}`]));
  socket.write(Buffer.alloc(size, 0x20));
  expect(await closed).toMatch(/^HTTP\/1\.1 413 [\s\S]*PayloadTooLarge/);
  expect(error).toBeUndefined();
});

test('a refused body that is small leaves the connection good for the next request', async () => {
  const { connect, store } = await serveTopic();
  const { socket, until } = connect();
  const body = JSON.stringify(eventOf());
  const lines = [`Content-Type: ${structured}`, `Content-Length: ${body.length}`];
  socket.write(head([...lines, 'Content-Encoding: gzip']) + body);
  await until('InvalidContentType');
  socket.write(head(lines) + body);
  await until('HTTP/1.1 200 OK');
  expect(await storedIds(store)).toEqual(['1']);
});

async function write(connection: Connection, bytes: string): Promise<void> {
  await new Promise((resolve) => connection.socket.write(bytes, resolve));
}

test('chunked bodies are taken', async () => {
  const { connect, store } = await serveTopic();
  const connection = connect();
  const body = JSON.stringify(eventOf());
  await write(connection, head([`Content-Type: ${structured}`, 'Transfer-Encoding: chunked']));
  for (const part of [body.slice(0, 7), body.slice(7)]) {
    await write(connection, `${part.length.toString(16)}\r\n${part}\r\n`);
  }
  await write(connection, '0\r\n\r\n');
  await connection.until('HTTP/1.1 200 OK');
  expect(await storedIds(store)).toEqual(['1']);
});

test('a client that waits for 100 Continue is asked for the body only if there is a use for it', async () => {
  const { connect, store } = await serveTopic();
  const body = JSON.stringify(eventOf());
  const lines = [`Content-Type: ${structured}`, `Content-Length: ${body.length}`, 'Expect: 100-continue'];
  const welcome = connect();
  welcome.socket.write(head(lines));
  await welcome.until('HTTP/1.1 100 Continue\r\n\r\n');
  welcome.socket.write(body);
  await welcome.until('HTTP/1.1 200 OK');
  for (const [request, status] of [
    [head(lines, '/topics/nowhere:publish'), 404],
    [head([...lines, 'Content-Encoding: gzip']), 415],
    [head([`Content-Length: ${limits.requestBytesMax + 1}`, 'Expect: 100-continue']), 413],
    [head(lines).replace(adminKey, 'another'), 401],
  ] as const) {
    const refused = connect();
    refused.socket.write(request);
    const answer = await refused.closed;
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).not.toContain('100 Continue');
  }
  expect(await storedIds(store)).toEqual(['1']);
});

test('nothing of a request that is cut off is stored', async () => {
  const { connect, store, publish } = await serveTopic();
  const body = JSON.stringify(eventOf({ id: 'cut' }));
  for (const lines of [[`Content-Length: ${body.length + 1}`], ['Transfer-Encoding: chunked']]) {
    const connection = connect();
    await write(connection, head([`Content-Type: ${structured}`, ...lines]));
    await write(connection, lines[0]!.startsWith('T') ? `${body.length.toString(16)}\r\n${body}\r\n` : body);
    connection.socket.destroy();
    await connection.closed;
  }
  expect((await publish('orders', eventOf({ id: 'after' }))).status).toBe(200);
  expect(await storedIds(store)).toEqual(['after']);
});

test('a client that leaves before its answer does no harm', async () => {
  const store = new MemoryStore();
  const append = store.append.bind(store);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    store.append = async (...args) => {
      resolve();
      await held;
      return append(...args);
    };
  });
  const { connect, publish, publisher } = await serveTopic({ store });
  const { socket, closed } = connect();
  const body = JSON.stringify(eventOf({ id: 'left' }));
  socket.write(head([`Content-Type: ${structured}`, `Content-Length: ${body.length}`]) + body);
  await reached;
  socket.destroy();
  await closed;
  release();
  await publisher.drained();
  expect((await publish('orders', eventOf({ id: 'next' }))).status).toBe(200);
  expect(await storedIds(store)).toEqual(['left', 'next']);
});

test('requests on one connection are answered in their order', async () => {
  const { connect, store } = await serveTopic();
  const { socket, until, received } = connect();
  const request = (id: string) => {
    const body = JSON.stringify(eventOf({ id }));
    return head([`Content-Type: ${structured}`, `Content-Length: ${body.length}`]) + body;
  };
  socket.write(request('1') + head(['Content-Length: 0'], '/topics/nowhere:publish') + request('3'));
  await until('ResourceNotFound');
  await until('{}');
  expect(received().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
  expect(await storedIds(store)).toEqual(['1', '3']);
});
