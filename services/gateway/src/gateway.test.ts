import { Agent, request } from 'node:http';
import { connect as connectTo } from 'node:net';
import { expect, test } from '@jest/globals';
import { systemClock } from '@gridpost/model';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { adminKey, eventOf, serve, type Served, storedIds } from './testing/serve.js';

/** A store whose appends wait until they are let go. */
function heldStore(): { store: MemoryStore; reached: Promise<void>; letGo: () => void } {
  const store = new MemoryStore();
  const append = store.append.bind(store);
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    store.append = async (...args) => {
      resolve();
      await held;
      return append(...args);
    };
  });
  return { store, reached, letGo };
}

async function refusesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTo(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

test('a drain answers what is under way, refuses what is new, and closes', async () => {
  const { store, reached, letGo } = heldStore();
  const { admin, publish, call, gateway, port, connect } = await serve({ store });
  await admin('PUT', '/topics/orders');
  const idle = connect();
  const underWay = publish('orders', eventOf({ id: 'under-way' }));
  await reached;
  let drained = false;
  const drain = gateway.drain().then(() => {
    drained = true;
  });
  const ready = await call('GET', '/readyz?verbose');
  expect([ready.status, ready.json.ok, ready.json.draining]).toEqual([503, false, true]);
  expect((await call('GET', '/livez')).status).toBe(200);
  const refused = await publish('orders', eventOf({ id: 'too-late' }));
  expect([refused.status, refused.headers['retry-after'], refused.headers.connection]).toEqual([
    503,
    '1',
    'close',
  ]);
  expect(refused.json.error.details[0].code).toBe('Draining');
  const managed = await admin('GET', '/topics/orders');
  expect([managed.status, managed.headers.connection]).toEqual([200, 'close']);
  expect(drained).toBe(false);
  letGo();
  const answer = await underWay;
  expect([answer.status, answer.headers.connection]).toEqual([200, 'close']);
  await drain;
  await idle.closed;
  expect(await refusesConnections(port)).toBe(true);
  expect(await storedIds(store)).toEqual(['under-way']);
  await gateway.drain();
  await gateway.close();
});

test('a drain waits for a body that is still coming', async () => {
  const { admin, connect, gateway, store } = await serve();
  await admin('PUT', '/topics/orders');
  const { socket, closed, until } = connect();
  const body = JSON.stringify(eventOf({ id: 'slow' }));
  socket.write(
    `POST /topics/orders:publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\nExpect: 100-continue\r\n` +
      `Content-Type: application/cloudevents+json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await until('100 Continue');
  const drained = gateway.drain();
  socket.write(body);
  expect(await closed).toMatch(/HTTP\/1\.1 200 OK/);
  await drained;
  expect(await storedIds(store)).toEqual(['slow']);
});

test('what was sent behind another request on a connection that is gone does not hold up a drain', async () => {
  const { store, reached, letGo } = heldStore();
  const { admin, call, connect, gateway } = await serve({ store });
  await admin('PUT', '/topics/orders');
  const body = JSON.stringify(eventOf());
  const one =
    `POST /topics/orders:publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminKey}\r\n` +
    `Content-Type: application/cloudevents+json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const { socket } = connect();
  socket.write(one + one);
  await reached;
  socket.destroy();
  // The gateway sees the end before it sees a later request, and before there is an answer to be sent.
  await call('GET', '/livez');
  await call('GET', '/livez');
  letGo();
  await gateway.drain();
});

test('under load a drain loses nothing that was accepted and stores nothing that was refused', async () => {
  const { admin, gateway, store, port } = await serve();
  await admin('PUT', '/topics/orders');
  const agent = new Agent({ keepAlive: true });
  const accepted: string[] = [];
  const refused: string[] = [];
  const others: unknown[] = [];
  let draining: Promise<void> | undefined;

  const post = (id: string): Promise<number | undefined> =>
    new Promise((resolve) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port,
          agent,
          method: 'POST',
          path: '/topics/orders:publish',
          headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/cloudevents+json' },
        },
        (incoming) => {
          incoming.resume();
          incoming.on('end', () => resolve(incoming.statusCode));
        },
      );
      // Not connected any more, or not answered: nothing was promised.
      outgoing.on('error', () => resolve(undefined));
      outgoing.end(JSON.stringify(eventOf({ id })));
    });

  const publisher = async (name: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const id = `${name}-${i}`;
      const status = await post(id);
      if (status === 200) accepted.push(id);
      else if (status === 503) refused.push(id);
      else if (status !== undefined) others.push(status);
      if (accepted.length >= 200) draining ??= gateway.drain();
      if (status === undefined) return;
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => publisher(name)));
  await draining;
  agent.destroy();
  expect(others).toEqual([]);
  const stored = new Set(await storedIds(store));
  expect(accepted.filter((id) => !stored.has(id))).toEqual([]);
  expect(refused.filter((id) => stored.has(id))).toEqual([]);
});

test('closing cuts what is under way, and may be repeated', async () => {
  const { store, reached, letGo } = heldStore();
  const { admin, publish, gateway, port } = await serve({ store });
  await admin('PUT', '/topics/orders');
  const cut = expect(publish('orders', eventOf())).rejects.toThrow(/hang up|reset/i);
  await reached;
  await gateway.close();
  await cut;
  letGo();
  await gateway.close();
  expect(await refusesConnections(port)).toBe(true);
});

test('a port that is taken is an error of listening', async () => {
  const { port } = await serve();
  const second = await serve();
  await expect(second.gateway.listen('127.0.0.1', port)).rejects.toThrow();
  const { gateway } = await serve();
  await gateway.close();
  await expect(gateway.listen('127.0.0.1', port)).rejects.toThrow(/EADDRINUSE/);
});

test('a process without the role serves probes and metrics and nothing else', async () => {
  const { admin, publish, metrics } = await serve({ serveApi: false });
  for (const path of ['/livez', '/readyz', '/healthz', '/metrics']) {
    expect((await admin('GET', path)).status).toBe(200);
  }
  expect((await admin('GET', '/topics')).json.code).toBe('RouteNotFound');
  expect((await admin('GET', '/openapi.json')).json.code).toBe('RouteNotFound');
  expect((await publish('orders', eventOf())).json.code).toBe('RouteNotFound');
  expect(await metrics.render()).toContain('route="unmatched"');
});

test('readiness follows its checks and tells which one fails', async () => {
  const { call } = await serve({
    checks: async () => ({
      store: { ok: true, detail: 'memory' },
      delivery: { ok: false, detail: 'no worker' },
    }),
  });
  for (const path of ['/readyz', '/healthz']) {
    const brief = await call('GET', path);
    expect([brief.status, brief.json, brief.headers['cache-control']]).toEqual([
      503,
      { ok: false },
      'no-store',
    ]);
    expect((await call('GET', `${path}?verbose`)).json).toEqual({
      ok: false,
      version: '1.2.3',
      draining: false,
      store: { kind: 'memory', place: 'this process', partitions: 1, durability: 'memory' },
      checks: { store: { ok: true, detail: 'memory' }, delivery: { ok: false, detail: 'no worker' } },
    });
  }
  expect((await call('GET', '/livez')).status).toBe(200);
});

test('checks that cannot be made are a reason not to be ready', async () => {
  const { call } = await serve({ checks: () => Promise.reject(new Error('no idea')) });
  const { status, json } = await call('GET', '/readyz?verbose=1');
  expect([status, json.checks]).toEqual([
    503,
    { checks: { ok: false, detail: 'the checks failed: no idea' } },
  ]);
});

test('metrics are what Prometheus reads', async () => {
  const { call } = await serve();
  const { status, headers, text } = await call('GET', '/metrics');
  expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(text).toContain('gridpost_build_info{version="1.2.3"');
});

test('requests are measured by route, never by path', async () => {
  const { admin, metrics } = await serve();
  await admin('PUT', '/topics/orders');
  await admin('GET', '/topics/nowhere');
  await admin('GET', '/a/path/of/a/scanner');
  await admin('PURGE', '/topics/orders');
  const text = await metrics.render();
  const count = 'gridpost_http_request_duration_seconds_count';
  for (const labels of [
    'method="PUT",route="/topics/{topic}",status_class="2xx"',
    'method="GET",route="/topics/{topic}",status_class="4xx"',
    'method="GET",route="unmatched",status_class="4xx"',
    'method="other",route="/topics/{topic}",status_class="4xx"',
  ]) {
    expect(text).toContain(`${count}{${labels}} 1`);
  }
  expect(text).not.toContain('scanner');
});

const head = 'POST /topics/orders:publish HTTP/1.1\r\nHost: x\r\n';
test.each([
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['HTTP/2 in clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
  ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n12`, 400],
  ['a length and chunks', `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a length with a sign', `${head}Content-Length: +1\r\n\r\n1`, 400],
  [
    'a broken chunk',
    `${head}Authorization: Bearer ${adminKey}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    400,
  ],
  ['a space before the colon', `${head}Content-Length : 1\r\n\r\n1`, 400],
  ['a bare line feed', 'GET /livez HTTP/1.1\nHost: x\n\n', 400],
  ['a NUL in a header', `${head}X: a\u0000b\r\n\r\n`, 400],
  ['20 KB of headers', `${head}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ['20 KB of path', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ['an unknown expectation', `${head}Expect: 42\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, 417],
])('%s is refused and the connection closed', async (_, bytes, status) => {
  const { admin, connect } = await serve();
  await admin('PUT', '/topics/orders');
  const { socket, closed } = connect();
  socket.write(bytes, 'latin1');
  expect(await closed).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect((await admin('GET', '/livez')).status).toBe(200);
});

test.each([
  ['OPTIONS * HTTP/1.1\r\nHost: x\r\n', 404],
  ['GET http://x/topics?$top=0 HTTP/1.1\r\nHost: x\r\n', 400],
  ['GET /topics#fragment HTTP/1.1\r\nHost: x\r\n', 200],
  ['GET /livez HTTP/1.0\r\n', 200],
  ['GET /topics HTTP/1.0\r\n', 200],
])('%s is answered %i', async (line, status) => {
  const { connect } = await serve();
  const { socket, closed } = connect();
  socket.write(`${line}Authorization: Bearer ${adminKey}\r\nConnection: close\r\n\r\n`);
  expect(await closed).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

test('names that nobody should send change nothing and break nothing', async () => {
  const served: Served = await serve();
  const { admin, call, store } = served;
  const names = [
    '..',
    '.',
    '%2e%2e',
    '%00',
    '%0a',
    '%ff',
    '{p1}',
    'a:b',
    "';--",
    '<script>',
    '$%7Bx%7D',
    '%F0%9F%92%A9',
    '__proto__',
    '\\',
    '%5c',
    '~',
    'a'.repeat(8_000),
  ];
  for (const name of names) {
    for (const [method, path] of [
      ['PUT', `/topics/${name}`],
      ['GET', `/topics/${name}/keys`],
      ['DELETE', `/topics/${name}`],
      ['PUT', `/topics/orders/eventsubscriptions/${name}`],
      ['POST', `/topics/${name}:publish`],
      ['POST', `/topics/${name}:regenerateKey`],
    ] as const) {
      const answer = await admin(method, path, method === 'GET' || method === 'DELETE' ? undefined : {});
      expect([path, answer.status < 500 && answer.status >= 400]).toEqual([path, true]);
    }
  }
  expect(await store.resources.list('', undefined, 10)).toEqual([]);
  expect((await call('GET', '/livez')).status).toBe(200);
});

test.each(['constructor', 'toString', 'hasOwnProperty'])('%s is a name like any other', async (name) => {
  const { admin, publish } = await serve();
  expect((await publish(name, eventOf())).status).toBe(404);
  expect((await admin('PUT', `/topics/${name}`)).status).toBe(201);
  expect((await publish(name, eventOf())).status).toBe(200);
});

test('a gateway over a registry that has loaded nothing yet answers from the store', async () => {
  const store = new MemoryStore();
  const first = await serve({ store });
  await first.admin('PUT', '/topics/orders');
  const second = await serve({ store, registry: new Registry(store, systemClock) });
  expect((await second.admin('GET', '/topics/orders')).status).toBe(200);
  expect((await second.admin('GET', '/topics')).json.value).toHaveLength(1);
});
