import { expect, test } from '@jest/globals';
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

const resource = 'http://gridpost/topics/orders/api/events';
test('an admin key is one whole bearer', async () => {
  const { call } = await serveTwoTopics();
  const status = async (authorization: string): Promise<number> =>
    (await call('GET', '/topics', { headers: { authorization } })).status;
  expect(await status(`bearer ${adminKey}`)).toBe(200);
  for (const wrong of [`Bearer ${adminKey.slice(0, -1)}`, 'Bearer ', 'Bearer', `Basic ${adminKey}`])
    expect([wrong, await status(wrong)]).toEqual([wrong, 401]);
});

test.each([
  ['an empty key', () => ({ 'aeg-sas-key': '' })],
  [
    'a signature that has expired',
    ({ own }: Keys) => ({ 'aeg-sas-token': signatureOf(own, resource, '2020-01-01T00:00:00') }),
  ],
  ['what is no signature', () => ({ 'aeg-sas-token': 'r=x&e=y&s=z' })],
  ["another topic's signature", ({ other }: Keys) => ({ 'aeg-sas-token': signatureOf(other, resource) })],
])('%s is a wrong credential for managing, and not just one for something else', async (_, headersOf) => {
  const { call, keys } = await serveTwoTopics();
  expect((await call('GET', '/topics/orders', { headers: headersOf(keys) })).status).toBe(401);
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
