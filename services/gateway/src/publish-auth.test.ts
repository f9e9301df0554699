import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { configurationPath, startIssuer } from './testing/issuer.js';
import { adminKey, type Answer, eventOf, serve, storedIds } from './testing/serve.js';
import { signatureOf, signed } from './testing/signature.js';

const host = 'gridpost.example:8080';
const base = `http://${host}`;
const inOrders = `${base}/topics/orders/api/events`;
const now = Date.UTC(2030, 0, 31, 12);

async function setup(options: Parameters<typeof serve>[0] = {}) {
  const clock = new FakeClock(now);
  const issuer = await startIssuer();
  const served = await serve({ clock, oidc: { issuer: issuer.url, audience: 'gridpost' }, ...options });
  const { admin, call } = served;
  const keysOf = async (path: string, properties?: object): Promise<{ key1: string; key2: string }> => {
    await admin('PUT', path, properties);
    return (await admin('GET', `${path}/keys`)).json;
  };
  const own = await keysOf('/topics/orders');
  const other = await keysOf('/topics/others');
  const ofDomain = await keysOf('/domains/shop');
  const keyOnly = await keysOf('/topics/keyless', { disableLocalAuth: true });
  const key = await issuer.makeKey('ES256');
  const claims = { iss: issuer.url, aud: 'gridpost', exp: now / 1_000 + 3_600 };
  const token = await key.sign(claims);
  /** Publishes an event that every target takes. */
  const publish = (target: string, headers: Record<string, string | readonly string[]>): Promise<Answer> =>
    call('POST', target, {
      body: JSON.stringify(eventOf({ source: 'north' })),
      headers: { 'content-type': 'application/cloudevents+json', host, ...headers },
    });
  return { ...served, clock, issuer, own, other, ofDomain, keyOnly, key, claims, token, publish };
}

type Setup = Awaited<ReturnType<typeof setup>>;
type Headers = Record<string, string | readonly string[]>;

/** How to publish to the target, by the keys of what it is. */
const right: [string, (target: string, key: string, setup: Setup) => [string, Headers]][] = [
  ['the admin key', (target) => [target, { authorization: `Bearer ${adminKey}` }]],
  ['a key', (target, key) => [target, { 'aeg-sas-key': key }]],
  ['a key in Authorization', (target, key) => [target, { authorization: `SharedAccessKey ${key}` }]],
  ['the scheme in capitals', (target, key) => [target, { authorization: `SHAREDACCESSKEY ${key}` }]],
  ['a key in the query', (target, key) => [`${target}?aeg-sas-key=${encodeURIComponent(key)}`, {}]],
  ['a key in the query, not encoded', (target, key) => [`${target}?api-version=x&aeg-sas-key=${key}`, {}]],
  ['a signature', (target, key) => [target, { 'aeg-sas-token': signatureOf(key, base + target) }]],
  [
    'a signature in Authorization',
    (target, key) => [
      target,
      {
        authorization: `sharedaccesssignature ${signatureOf(key, `${base}${target}?apiVersion=2018-01-01`)}`,
      },
    ],
  ],
  ['a token of the issuer', (target, _, { token }) => [target, { authorization: `Bearer ${token}` }]],
];

test.each(right)(
  '%s publishes to a topic and to a domain, at each of their addresses',
  async (_, request) => {
    const all = await setup();
    for (const [target, { key1, key2 }] of [
      ['/topics/orders:publish', all.own],
      ['/topics/orders/api/events', all.own],
      ['/orders/api/events', all.own],
      ['/domains/shop/api/events', all.ofDomain],
    ] as const) {
      for (const key of [key1, key2]) {
        const { status, text } = await all.publish(...request(target, key, all));
        expect([target, status, text]).toEqual([target, 200, target.endsWith(':publish') ? '{}' : '']);
      }
    }
    expect(await storedIds(all.store)).toHaveLength(8);
  },
);

test.each<[string, (setup: Setup) => Headers]>([
  ['nothing', () => ({})],
  ['a wrong admin key', () => ({ authorization: `Bearer ${adminKey}x` })],
  ['the key as a bearer', ({ own }) => ({ authorization: `Bearer ${own.key1}` })],
  ['the admin key as a key', () => ({ 'aeg-sas-key': adminKey })],
  ["another topic's key", ({ other }) => ({ 'aeg-sas-key': other.key1 })],
  ["a domain's key", ({ ofDomain }) => ({ 'aeg-sas-key': ofDomain.key1 })],
  ['a short key', ({ own }) => ({ 'aeg-sas-key': own.key1.slice(0, -1) })],
  ['a long key', ({ own }) => ({ 'aeg-sas-key': `${own.key1}=` })],
  ['a key that is not base64', () => ({ 'aeg-sas-key': 'no base64!' })],
  ['a key of other bytes', () => ({ 'aeg-sas-key': '\u00e9'.repeat(44) })],
  ['a key twice', ({ own }) => ({ 'aeg-sas-key': [own.key1, own.key1] })],
  ['an empty key in Authorization', () => ({ authorization: 'SharedAccessKey' })],
  [
    'a wrong key beside the admin key',
    () => ({ 'aeg-sas-key': 'wrong', authorization: `Bearer ${adminKey}` }),
  ],
  ['another scheme', () => ({ authorization: 'Basic YTpi' })],
  ['an empty signature', () => ({ 'aeg-sas-token': '' })],
  ['what is no signature', () => ({ 'aeg-sas-token': 'r=x&e=y&s=z' })],
  ["another topic's signature", ({ other }) => ({ 'aeg-sas-token': signatureOf(other.key1, inOrders) })],
  [
    'a signature for another topic',
    ({ own }) => ({ 'aeg-sas-token': signatureOf(own.key1, `${base}/topics/others/api/events`) }),
  ],
  [
    'a signature for a domain',
    ({ own }) => ({ 'aeg-sas-token': signatureOf(own.key1, `${base}/domains/orders/api/events`) }),
  ],
  ['a signature for the host', ({ own }) => ({ 'aeg-sas-token': signatureOf(own.key1, base) })],
  [
    'a signature for another host',
    ({ own }) => ({ 'aeg-sas-token': signatureOf(own.key1, 'http://gridpost.example/orders/api/events') }),
  ],
  [
    'a signature of another text',
    ({ own }) => ({ 'aeg-sas-token': signatureOf(own.key1, inOrders).replace('r=http', 'r=https') }),
  ],
  ['a token that is cut', ({ token }) => ({ authorization: `Bearer ${token.slice(0, -4)}` })],
  ['an empty bearer', () => ({ authorization: 'Bearer ' })],
])('%s is refused', async (_, headersOf) => {
  const all = await setup();
  for (const target of ['/topics/orders:publish', '/topics/orders/api/events']) {
    const answer = await all.publish(target, headersOf(all));
    const { message } = answer.json.error;
    expect([answer.status, answer.json]).toEqual([
      401,
      { error: { code: 'Unauthorized', message, details: [{ code: 'Unauthorized', message }] } },
    ]);
    expect(answer.headers['www-authenticate']).toBe(
      'SharedAccessKey realm="gridpost", SharedAccessSignature realm="gridpost", Bearer realm="gridpost"',
    );
  }
  expect(await storedIds(all.store)).toEqual([]);
});

test.each<[string, string, Headers]>([
  ['a header', '', { 'aeg-sas-key': '' }],
  ['the query', '?aeg-sas-key=', {}],
  ['the query, among others', '?api-version=2018-01-01&aeg-sas-key=&x=1', {}],
])('an empty key in %s is a request that cannot be right', async (_, query, headers) => {
  for (const options of [{}, { open: true }]) {
    const { publish } = await setup(options);
    for (const target of [
      '/topics/orders:publish',
      '/topics/nowhere/api/events',
      '/domains/shop/api/events',
    ]) {
      const { status, json } = await publish(target + query, headers);
      expect([status, json.error.code, json.error.details[0].code]).toEqual([
        400,
        'BadRequest',
        'InvalidSas',
      ]);
    }
  }
});

test('a key that was regenerated is wrong, and so is what it signed', async () => {
  const { publish, admin, own } = await setup();
  const signature = signatureOf(own.key1, inOrders);
  const statuses = async () => [
    (await publish('/topics/orders/api/events', { 'aeg-sas-key': own.key1 })).status,
    (await publish('/topics/orders/api/events', { 'aeg-sas-token': signature })).status,
    (await publish('/topics/orders/api/events', { 'aeg-sas-key': own.key2 })).status,
  ];
  expect(await statuses()).toEqual([200, 200, 200]);
  await admin('POST', '/topics/orders:regenerateKey', { keyName: 'key1' });
  expect(await statuses()).toEqual([401, 401, 200]);
});

test('a topic without local authentication takes the admin key and tokens, no keys and no signatures', async () => {
  const { publish, keyOnly, token, call } = await setup();
  for (const target of ['/topics/keyless:publish', '/topics/keyless/api/events']) {
    const statusOf = async (headers: Headers) => (await publish(target, headers)).status;
    expect(await statusOf({ 'aeg-sas-key': keyOnly.key1 })).toBe(401);
    expect(await statusOf({ authorization: `SharedAccessKey ${keyOnly.key2}` })).toBe(401);
    expect(await statusOf({ 'aeg-sas-token': signatureOf(keyOnly.key1, base + target) })).toBe(401);
    expect(await statusOf({ authorization: `Bearer ${token}` })).toBe(200);
    expect(await statusOf({ authorization: `Bearer ${adminKey}` })).toBe(200);
  }
  // For managing it is no longer known to be good for anything.
  const managed = await call('GET', '/topics/keyless', { headers: { 'aeg-sas-key': keyOnly.key1 } });
  expect(managed.status).toBe(401);
});

describe('a signature', () => {
  test.each([
    ['JavaScript', 'e=1%2F31%2F2030%2012%3A00%3A01%20PM'],
    ['.NET', 'e=1%2f31%2f2030+12%3a00%3a01+PM'],
    ['newer .NET', 'e=1%2f31%2f2030+12%3a00%3a01%e2%80%afPM'],
    ['Python', 'e=2030-01-31T12%3A00%3A01'],
    ['Python, str', 'e=2030-01-31+12%3A00%3A01.000000%2B00%3A00'],
  ])('spelled by %s is good until it expires', async (_, expiry) => {
    const { publish, own, clock } = await setup();
    const token = signed(`r=${encodeURIComponent(inOrders)}&${expiry}`, own.key1);
    const status = async () =>
      (await publish('/topics/orders/api/events', { 'aeg-sas-token': token })).status;
    expect(await status()).toBe(200);
    await clock.advance(999);
    expect(await status()).toBe(200);
    await clock.advance(1);
    expect(await status()).toBe(401);
  });

  test.each([
    `${inOrders}?apiVersion=2018-01-01`,
    `${inOrders}/`,
    `${base}/orders/API/Events`,
    `${base}/topics/orders:publish`,
    `${base}/topics/orders`,
    // TLS may end at a proxy, which passes the host on.
    `https://${host}/topics/orders/api/events`,
  ])('for %s is good at every address of the topic', async (resource) => {
    const { publish, own } = await setup();
    const headers = { 'aeg-sas-token': signatureOf(own.key2, resource) };
    for (const target of ['/topics/orders/api/events', '/topics/orders:publish', '/orders/api/events/']) {
      expect((await publish(target, headers)).status).toBe(200);
    }
  });

  test.each<[string, string, number]>([
    ['http://gridpost.example', 'gridpost.example', 200],
    ['http://gridpost.example:80', 'gridpost.example', 200],
    ['https://gridpost.example', 'gridpost.example:443', 200],
    ['http://GRIDPOST.example', 'gridpost.EXAMPLE:80', 200],
    ['http://gridpost.example', 'gridpost.example:8080', 401],
    ['http://gridpost.example', 'gridpost.example.org', 401],
    ['http://gridpost.example@evil.example', 'gridpost.example', 401],
  ])('for %s is judged by the host %s', async (origin, requested, status) => {
    const { publish, own } = await setup();
    const answer = await publish('/topics/orders/api/events', {
      host: requested,
      'aeg-sas-token': signatureOf(own.key1, `${origin}/topics/orders/api/events`),
    });
    expect(answer.status).toBe(status);
  });

  test('is judged by its text as it was sent, whatever its escapes', async () => {
    const { publish, own } = await setup();
    const escaped = [...inOrders].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
    const token = signed(`r=${escaped}&e=2100-01-01T00:00:00`, own.key1);
    expect((await publish('/topics/orders/api/events', { 'aeg-sas-token': token })).status).toBe(200);
  });
});

describe('a token of the issuer', () => {
  test('is checked once, and refused when it has expired', async () => {
    const { publish, token, issuer, clock } = await setup();
    const status = async () =>
      (await publish('/topics/orders/api/events', { authorization: `Bearer ${token}` })).status;
    expect(await status()).toBe(200);
    const asked = issuer.asked.length;
    issuer.instead.set(configurationPath, (res) => res.writeHead(500).end());
    await clock.advance(3_599_999);
    expect(await status()).toBe(200);
    expect(issuer.asked).toHaveLength(asked);
    issuer.instead.clear();
    await clock.advance(1);
    expect(await status()).toBe(401);
  });

  test('that cannot be checked is answered 503, and when to try again', async () => {
    const { publish, token, issuer, call, store } = await setup();
    issuer.instead.set(configurationPath, (res) => res.destroy());
    const answer = await publish('/topics/orders/api/events', { authorization: `Bearer ${token}` });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
    expect(answer.json.error).toMatchObject({
      code: 'ServiceUnavailable',
      details: [{ code: 'IssuerUnavailable' }],
    });
    const managed = await call('GET', '/topics', { headers: { authorization: `Bearer ${token}` } });
    expect([managed.status, managed.json.code]).toEqual([503, 'IssuerUnavailable']);
    expect(await storedIds(store)).toEqual([]);
  });

  test('is nothing without a configured issuer', async () => {
    const { publish, token } = await setup({ oidc: undefined });
    expect((await publish('/topics/orders:publish', { authorization: `Bearer ${token}` })).status).toBe(401);
  });

  test('does not hold up the admin key, wherever the issuer is', async () => {
    const { publish, issuer } = await setup();
    issuer.instead.set(configurationPath, () => undefined);
    const headers = { authorization: `Bearer ${adminKey}` };
    expect((await publish('/topics/orders:publish', headers)).status).toBe(200);
    expect(issuer.asked).toEqual([]);
  });

  test('that is wrong in every way it can be is refused', async () => {
    const { publish, key, claims, issuer } = await setup();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const stranger = await issuer.makeKey('ES256', { kid: 'key-1', published: false });
    const tokens = [
      `${part({ alg: 'none' })}.${part(claims)}.`,
      await key.sign({ ...claims, aud: 'other' }),
      await key.sign({ ...claims, iss: 'https://other.example' }),
      await key.sign({ ...claims, exp: now / 1_000 }),
      await key.sign({ ...claims, nbf: now / 1_000 + 1 }),
      await stranger.sign(claims),
    ];
    for (const token of tokens) {
      const { status } = await publish('/topics/orders/api/events', { authorization: `Bearer ${token}` });
      expect(status).toBe(401);
    }
  });
});
