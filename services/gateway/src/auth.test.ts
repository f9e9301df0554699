import { expect, test } from '@jest/globals';
import { gatewayRoutes } from './routes.js';
import { startIssuer } from './testing/issuer.js';
import { adminKey, eventOf, serve, type Served } from './testing/serve.js';
import { signatureOf } from './testing/signature.js';

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/?code=hidden-code', validation: 'none' },
  },
};

interface Keys {
  readonly own: string;
  readonly ofDomain: string;
  readonly other: string;
  /** Of the issuer. */
  readonly token: string;
  readonly tokenForOthers: string;
}

async function serveTwoTopics(options: Parameters<typeof serve>[0] = {}): Promise<Served & { keys: Keys }> {
  const issuer = await startIssuer();
  const served = await serve({ oidc: { issuer: issuer.url, audience: 'gridpost' }, ...options });
  const { admin } = served;
  await admin('PUT', '/topics/orders');
  await admin('PUT', '/topics/others');
  await admin('PUT', '/topics/orders/eventsubscriptions/billing', hook);
  await admin('PUT', '/topics/orders/eventsubscriptions/queue', {
    deliveryConfiguration: { deliveryMode: 'Queue' },
  });
  await admin('PUT', '/domains/shop', { autoDeleteTopicWithLastSubscription: false });
  await admin('PUT', '/domains/shop/topics/north');
  for (const scope of ['/domains/shop', '/domains/shop/topics/north'])
    await admin('PUT', `${scope}/eventsubscriptions/billing`, hook);
  const own = (await admin('GET', '/topics/orders/keys')).json.key1;
  const ofDomain = (await admin('GET', '/domains/shop/keys')).json.key1;
  const other = (await admin('GET', '/topics/others/keys')).json.key2;
  const { sign } = await issuer.makeKey('ES256');
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const token = await sign({ iss: issuer.url, aud: 'gridpost', exp });
  const tokenForOthers = await sign({ iss: issuer.url, aud: 'other', exp });
  return { ...served, keys: { own, ofDomain, other, token, tokenForOthers } };
}

type RouteCall = [method: string, path: string, body: unknown, status: number];

const subscriptionCalls = (scope: string): RouteCall[] => {
  const one = `${scope}/eventsubscriptions/billing`;
  return [
    ['GET', `${scope}/eventsubscriptions`, undefined, 200],
    ['PUT', one, hook, 200],
    ['GET', one, undefined, 200],
    ['POST', `${one}:getFullUrl`, undefined, 200],
    ['POST', `${one}:getDeliveryAttributes`, undefined, 200],
    ['GET', `${one}/deadletters`, undefined, 200],
    ['GET', `${one}/deadletters/MC4xLjA`, undefined, 404],
    ['POST', `${one}/deadletters:redrive`, {}, 202],
    ['POST', `${one}/deadletters:purge`, {}, 202],
    ['POST', `${one}:replay`, {}, 400],
    ['POST', `${one}/deadletters/MC4xLjA:resend`, undefined, 404],
    ['POST', `${one}:explain`, { event: eventOf() }, 200],
    ['POST', `${one}:revalidate`, undefined, 202],
    ['DELETE', one, undefined, 204],
  ];
};
const topicCalls = (list: string, one: string): RouteCall[] => [
  ['GET', list, undefined, 200],
  ['PUT', one, { autoDeleteTopicWithLastSubscription: false }, 200],
  ['GET', one, undefined, 200],
  ['GET', `${one}/keys`, undefined, 200],
];

/** Every route, in an order in which none takes away what a later one needs. */
const routes: RouteCall[] = [
  ...topicCalls('/topics', '/topics/orders').map((call) =>
    call[0] === 'PUT' ? ([call[0], call[1], {}, 200] satisfies RouteCall) : call,
  ),
  ...topicCalls('/domains', '/domains/shop'),
  ['GET', '/domains/shop/topics', undefined, 200],
  ['PUT', '/domains/shop/topics/north', undefined, 200],
  ['GET', '/domains/shop/topics/north', undefined, 200],
  ...['/topics/orders', '/domains/shop', '/domains/shop/topics/north'].flatMap(subscriptionCalls),
  ['POST', '/filters:test', { event: eventOf() }, 200],
  ['GET', '/openapi.json', undefined, 200],
  ['GET', '/jobs', undefined, 200],
  ['GET', '/jobs/MC4xLjA', undefined, 404],
  ['POST', '/jobs/MC4xLjA:cancel', undefined, 404],
  ['DELETE', '/domains/shop/topics/north', undefined, 204],
  ...['/topics/orders', '/domains/shop'].flatMap((one): RouteCall[] => [
    ['POST', `${one}:regenerateKey`, { keyName: 'key2' }, 200],
    ['DELETE', one, undefined, 204],
  ]),
];
const openRoutes = ['/metrics', '/livez', '/readyz', '/healthz'];
/** Routes whose path names no topic: no topic key can be right for them. */
const topicless = new Set([
  ...['/topics', '/domains', '/filters:test', '/openapi.json'],
  ...['/jobs', '/jobs/MC4xLjA', '/jobs/MC4xLjA:cancel'],
]);

const resource = 'http://gridpost/topics/orders/api/events';
/** `topic`: forbidden where the path names the topic or domain whose credential it is, unauthorized elsewhere. */
const roles: [string, (keys: Keys) => Record<string, string>, 'all' | 'topic' | 401 | 403][] = [
  ['nobody', () => ({}), 401],
  ['the admin', () => ({ authorization: `Bearer ${adminKey}` }), 'all'],
  ['the admin, the scheme in lower case', () => ({ authorization: `bearer ${adminKey}` }), 'all'],
  ['a wrong admin', () => ({ authorization: `Bearer ${adminKey}x` }), 401],
  ['the beginning of an admin', () => ({ authorization: `Bearer ${adminKey.slice(0, -1)}` }), 401],
  ['an empty bearer', () => ({ authorization: 'Bearer ' }), 401],
  [
    'another scheme',
    () => ({ authorization: `Basic ${Buffer.from(`a:${adminKey}`).toString('base64')}` }),
    401,
  ],
  ['the admin key as a topic key', () => ({ 'aeg-sas-key': adminKey }), 401],
  ["the topic's key", ({ own }) => ({ 'aeg-sas-key': own }), 'topic'],
  ["the topic's key in Authorization", ({ own }) => ({ authorization: `SharedAccessKey ${own}` }), 'topic'],
  ["the topic's key as a bearer", ({ own }) => ({ authorization: `Bearer ${own}` }), 401],
  ["another topic's key", ({ other }) => ({ 'aeg-sas-key': other }), 401],
  ['an empty key', () => ({ 'aeg-sas-key': '' }), 401],
  ['a signature', ({ own }) => ({ 'aeg-sas-token': signatureOf(own, resource) }), 'topic'],
  [
    'a signature in Authorization',
    ({ own }) => ({ authorization: `SharedAccessSignature ${signatureOf(own, resource)}` }),
    'topic',
  ],
  ["another topic's signature", ({ other }) => ({ 'aeg-sas-token': signatureOf(other, resource) }), 401],
  [
    'a signature that has expired',
    ({ own }) => ({ 'aeg-sas-token': signatureOf(own, resource, '2020-01-01T00:00:00') }),
    401,
  ],
  ['what is no signature', () => ({ 'aeg-sas-token': 'r=x&e=y&s=z' }), 401],
  ['a token of the issuer', ({ token }) => ({ authorization: `Bearer ${token}` }), 403],
  ["a token of the issuer's for others", ({ tokenForOthers: t }) => ({ authorization: `Bearer ${t}` }), 401],
];

const named = (path: string): string =>
  path
    .replace('{topic}', 'orders')
    .replace('{domain}', 'shop')
    .replace('{domainTopic}', 'north')
    .replace('{name}', 'billing')
    .replace('{id}', 'MC4xLjA');

test('the matrix has every route', () => {
  const listed = new Set(routes.map(([method, path]) => `${method} ${path}`));
  const served = gatewayRoutes({ store: { info: { partitions: 1 } } } as never, {} as never)
    .filter(({ role }) => role !== 'anyone' && role !== 'consumer')
    .map(({ method, path }) => `${method} ${named(path)}`);
  expect([...listed].sort()).toEqual(served.sort());
});

test.each(roles)('managing as %s', async (_, headersOf, allowed) => {
  const { call, keys } = await serveTwoTopics();
  for (const [method, path, body, status] of routes) {
    const own = path.startsWith('/domains') ? keys.ofDomain : keys.own;
    const answer = await call(method, path, { body, headers: headersOf({ ...keys, own }) });
    const ofTopic = topicless.has(path) ? 401 : 403;
    const expected = allowed === 'all' ? status : allowed === 'topic' ? ofTopic : allowed;
    expect([method, path, answer.status]).toEqual([method, path, expected]);
    if (expected === 401) {
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="gridpost"');
      expect(answer.json.code).toBe('Unauthorized');
    }
    if (expected === 403) expect(answer.json.code).toBe('Forbidden');
  }
});

test.each(roles)('probes and metrics are open, also to %s', async (_, headersOf) => {
  const { call, keys } = await serveTwoTopics();
  for (const path of openRoutes) {
    expect((await call('GET', path, { headers: headersOf(keys) })).status).toBe(200);
  }
});

/** Signatures name where they are good for, which is not here; an empty key is refused in its own way. */
const receivers = roles.filter(([name]) => !/signature|empty key/.test(name));

test.each(receivers)('receiving as %s', async (_, headersOf, allowed) => {
  const { call, keys } = await serveTwoTopics();
  // Whoever may publish may receive; to be refused for what one asks for is to be let in.
  const letIn = allowed !== 401;
  for (const operation of ['acknowledge', 'release', 'reject', 'renewLock', 'receive']) {
    const query = operation === 'receive' ? '?maxEvents=0' : '';
    const path = `/topics/orders/eventsubscriptions/queue:${operation}${query}`;
    const { status } = await call('POST', path, {
      body: operation === 'receive' ? undefined : { lockTokens: ['x'] },
      headers: headersOf(keys),
    });
    expect([operation, status]).toEqual([operation, letIn ? (operation === 'receive' ? 400 : 200) : 401]);
  }
});

test('every route for publishers and consumers is one of the five operations, in three places', () => {
  const served = gatewayRoutes({ store: { info: { partitions: 1 } } } as never, {} as never)
    .filter(({ role }) => role === 'consumer')
    .map(({ path }) => path);
  expect(served).toHaveLength(15);
});

test('a domain’s key receives from its subscriptions, another’s does not', async () => {
  const { call, keys, admin } = await serveTwoTopics();
  const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };
  for (const scope of ['/domains/shop', '/domains/shop/topics/north']) {
    const path = `${scope}/eventsubscriptions/queue`;
    await admin('PUT', path, queue);
    const ask = (key: string) =>
      call('POST', `${path}:acknowledge`, { body: { lockTokens: ['x'] }, headers: { 'aeg-sas-key': key } });
    expect((await ask(keys.ofDomain)).status).toBe(200);
    expect((await ask(keys.own)).status).toBe(401);
  }
});

test('strangers learn nothing of what exists', async () => {
  const { call, store } = await serveTwoTopics();
  let looks = 0;
  const { changes } = store.resources;
  store.resources.changes = (version) => {
    looks++;
    return changes.call(store.resources, version);
  };
  const answers = [
    await call('POST', '/topics/orders:publish', { body: '{}' }),
    await call('POST', '/topics/nowhere:publish', { body: '{}' }),
    await call('POST', '/topics/orders/api/events', { body: '[]' }),
    await call('POST', '/domains/nowhere/api/events', { body: '[]' }),
    await call('OPTIONS', '/topics/orders/api/events'),
    await call('GET', '/topics/orders'),
    await call('GET', '/topics/nowhere'),
    await call('GET', '/nowhere'),
  ];
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
  expect(looks).toBe(0);
});

test('an open gateway needs no credential and refuses wrong ones', async () => {
  const { call, keys, port } = await serveTwoTopics({ open: true });
  const cases: [Record<string, string>, number, number][] = [
    [{}, 200, 200],
    [{ 'aeg-sas-key': keys.own }, 200, 403],
    [{ 'aeg-sas-key': keys.other }, 401, 401],
    [{ 'aeg-sas-key': '' }, 400, 401],
    [{ 'aeg-sas-token': signatureOf(keys.own, `http://127.0.0.1:${port}/orders/api/events`) }, 200, 403],
    [{ 'aeg-sas-token': signatureOf(keys.other, `http://127.0.0.1:${port}/orders/api/events`) }, 401, 401],
    [{ authorization: `Bearer ${keys.token}` }, 200, 403],
    [{ authorization: `Bearer ${keys.tokenForOthers}` }, 401, 401],
    [{ authorization: `SharedAccessKey ${keys.own}` }, 200, 403],
    [{ authorization: `Bearer ${adminKey}` }, 401, 401],
    [{ authorization: 'Bearer undefined' }, 401, 401],
    [{ authorization: 'Basic YTpi' }, 401, 401],
  ];
  for (const [headers, publishing, managing] of cases) {
    const published = await call('POST', '/topics/orders:publish', {
      body: JSON.stringify(eventOf()),
      headers: { 'content-type': 'application/cloudevents+json', ...headers },
    });
    const managed = await call('GET', '/topics/orders', { headers });
    expect([headers, published.status, managed.status]).toEqual([headers, publishing, managing]);
  }
});

test('a page of another origin cannot change what runs here', async () => {
  const { admin, port } = await serveTwoTopics({ open: true });
  const redrive = '/topics/orders/eventsubscriptions/billing/deadletters:redrive';
  const from = async (origin: string): Promise<number> =>
    (await admin('POST', redrive, undefined, { origin })).status;
  expect(await from('https://evil.example')).toBe(403);
  expect(await from('null')).toBe(403);
  expect(await from(`http://127.0.0.1:${port}`)).toBe(202);
  expect((await admin('GET', '/topics', undefined, { origin: 'https://evil.example' })).status).toBe(200);
});

test('a page of another origin cannot publish where no credential is needed', async () => {
  const { admin, call, keys, port } = await serveTwoTopics({ open: true });
  await admin('PUT', '/topics/grid', { inputSchema: 'EventGridSchema' });
  const event = { id: '1', subject: '/s', eventType: 't', eventTime: '2030-01-31T12:00:00Z' };
  const from = async (headers: Record<string, string>): Promise<number> =>
    (
      await call('POST', '/topics/grid/api/events', {
        body: JSON.stringify([event]),
        // A browser sends this without asking first.
        headers: { 'content-type': 'text/plain', ...headers },
      })
    ).status;
  expect(await from({ origin: 'https://evil.example' })).toBe(403);
  expect(await from({ origin: 'null' })).toBe(403);
  expect(await from({ origin: `http://127.0.0.1:${port}` })).toBe(200);
  expect(await from({})).toBe(200);
  const { key1 } = (await admin('GET', '/topics/grid/keys')).json;
  expect(await from({ origin: 'https://shop.example', 'aeg-sas-key': key1 })).toBe(200);
  expect(await from({ origin: 'https://shop.example', 'aeg-sas-key': keys.own })).toBe(401);
});

test('an admin key need not be ASCII', async () => {
  const { call } = await serve({ adminKey: 'schlüssel-0123456789' });
  const headers = { authorization: Buffer.from('Bearer schlüssel-0123456789').toString('latin1') };
  expect((await call('GET', '/topics', { headers })).status).toBe(200);
});

test('no log line and no refusal holds a key or the query of an endpoint', async () => {
  const { call, admin, store, keys, lines } = await serveTwoTopics();
  const signature = signatureOf(keys.own, resource);
  const answers = [];
  for (const credential of [
    { authorization: `Bearer ${adminKey}` },
    { authorization: `SharedAccessKey ${keys.own}` },
    { 'aeg-sas-key': keys.own },
    { 'aeg-sas-key': `${keys.other}x` },
    { 'aeg-sas-token': signature },
    { 'aeg-sas-token': `${signature}x` },
    { authorization: `SharedAccessSignature ${signature}` },
    { authorization: `Bearer ${keys.token}` },
    { authorization: `Bearer ${keys.tokenForOthers}` },
    { authorization: `Bearer ${keys.token}x` },
    { authorization: `Basic ${keys.token}` },
  ]) {
    for (const path of [
      '/topics/orders:publish',
      '/topics/nowhere:publish',
      '/topics/orders/api/events',
      `/domains/shop/api/events?aeg-sas-key=${keys.ofDomain}`,
      '/topics/orders',
      '/nowhere',
    ]) {
      answers.push(
        await call('POST', path, {
          body: '{',
          headers: { 'content-type': 'application/json', ...credential },
        }),
      );
    }
  }
  answers.push(
    await admin('PUT', '/topics/orders/eventsubscriptions/billing', {
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: 'ftp://x/?code=hidden-code', validation: 'none' },
      },
    }),
  );
  store.append = () => Promise.reject(new Error('broken'));
  answers.push(
    await call('POST', '/topics/orders:publish', {
      body: JSON.stringify(eventOf()),
      headers: { 'content-type': 'application/cloudevents+json', 'aeg-sas-key': keys.own },
    }),
  );
  const said = [...lines, ...answers.map(({ text, headers }) => text + JSON.stringify(headers))].join('\n');
  const [, claims, proof] = keys.token.split('.');
  const secrets = [
    adminKey,
    keys.own,
    keys.other,
    keys.ofDomain,
    signature.split('&s=')[1]!,
    claims!,
    proof!,
  ];
  for (const secret of [...secrets, 'hidden-code']) expect(said).not.toContain(secret);
  expect(lines.some((line) => line.includes('broken'))).toBe(true);
});

test('what may have changed something is logged, in one line, under the id of its answer', async () => {
  const { admin, lines } = await serve();
  const answer = await admin('PUT', '/topics/orders');
  await admin('GET', '/topics/orders');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      level: 'info',
      message: 'management request',
      requestId: answer.headers['x-ms-request-id'],
      method: 'PUT',
      route: '/topics/{topic}',
      topic: 'orders',
      status: 201,
      elapsedMs: expect.any(Number),
    },
  ]);
});
