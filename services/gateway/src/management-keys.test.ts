/** Named keys of the management API: what is written, what is shown, and for how long it is good. */
import { expect, test } from '@jest/globals';
import { limits, type ManagementKey } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { serve } from './testing/serve.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const secret = expect.stringMatching(/^gpk_dashboard_[\w-]{43}$/);

test('two secrets are shown when a key is made, and never again', async () => {
  const { admin, store } = await serve();
  const made = await admin('PUT', '/keys/dashboard', { properties: { role: 'reader' } });
  expect([made.status, made.headers['cache-control']]).toEqual([201, 'no-store']);
  expect(made.json).toEqual({
    id: '/keys/dashboard',
    name: 'dashboard',
    type: 'Gridpost/keys',
    etag: made.headers.etag,
    properties: { role: 'reader' },
    keys: { key1: secret, key2: secret },
    systemData: { createdAt: expect.any(String), lastModifiedAt: expect.any(String) },
  });
  expect(made.json.keys.key1).not.toBe(made.json.keys.key2);
  const { keys: _, ...shown } = made.json;
  expect((await admin('GET', '/keys/dashboard')).json).toEqual(shown);
  expect((await admin('GET', '/keys')).json).toEqual({ value: [shown] });
  const again = await admin('PUT', '/keys/dashboard', { role: 'operator' });
  expect([again.status, again.json.keys, again.json.properties]).toEqual([
    200,
    undefined,
    { role: 'operator' },
  ]);
  const { digests } = (await store.resources.get('keys/dashboard'))!.value as ManagementKey;
  expect(digests).toEqual({
    key1: expect.stringMatching(/^[0-9a-f]{64}$/),
    key2: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('a secret is replaced while the other one is used', async () => {
  const { admin, call } = await serve();
  const { key1, key2 } = (await admin('PUT', '/keys/dashboard', { role: 'reader' })).json.keys;
  const answer = await admin('POST', '/keys/dashboard:regenerateKey', { keyName: 'key1' });
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.json.keys).toEqual({ key1: secret });
  const status = async (key: string) => (await call('GET', '/topics', { headers: bearer(key) })).status;
  expect(await Promise.all([key1, key2, answer.json.keys.key1].map(status))).toEqual([401, 200, 200]);
});

test('what writes a key is held to what it was read as', async () => {
  const { admin } = await serve();
  const { etag } = (await admin('PUT', '/keys/dashboard', { role: 'reader' })).json;
  const put = (headers: Record<string, string>) =>
    admin('PUT', '/keys/dashboard', { role: 'reader' }, headers);
  expect((await put({ 'if-none-match': '*' })).status).toBe(412);
  expect((await put({ 'if-match': etag })).status).toBe(200);
  expect((await put({ 'if-match': etag })).status).toBe(412);
  const remove = (headers: Record<string, string> = {}) =>
    admin('DELETE', '/keys/dashboard', undefined, headers);
  expect((await remove({ 'if-match': etag })).status).toBe(412);
  expect([(await remove()).status, (await remove()).status]).toEqual([204, 204]);
  expect((await admin('GET', '/keys/dashboard')).json.code).toBe('KeyNotFound');
  expect((await admin('POST', '/keys/dashboard:regenerateKey', { keyName: 'key1' })).json.code).toBe(
    'KeyNotFound',
  );
});

test.each([
  [{}, '/role'],
  [{ role: 'owner' }, '/role'],
  [{ properties: { role: 'Reader' } }, '/properties/role'],
  [{ role: 'reader', name: 'other' }, '/name'],
  [{ role: 'reader', expirationTimeUtc: 'tomorrow' }, '/expirationTimeUtc'],
  [{ role: 'reader', expirationTimeUtc: '2030-01-31T12:00:00Z' }, '/expirationTimeUtc'],
  [
    { properties: { role: 'reader', expirationTimeUtc: '2001-01-01T00:00:00Z' } },
    '/properties/expirationTimeUtc',
  ],
])('%j is refused, and nothing is stored', async (body, pointer) => {
  const { admin } = await serve({ clock: new FakeClock(Date.UTC(2030, 0, 31, 12)) });
  const { status, json } = await admin('PUT', '/keys/dashboard', body);
  expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidResource', pointer]);
  expect((await admin('GET', '/keys')).json.value).toEqual([]);
});

test.each(['ab', 'a'.repeat(51), 'a_b', 'a.b', 'a%2Fb'])('%s is no name of a key', async (name) => {
  const { admin } = await serve();
  expect((await admin('PUT', `/keys/${name}`, { role: 'reader' })).json.code).toBe('InvalidName');
});

test('a key is good until its instant, and stays in the list', async () => {
  const clock = new FakeClock(Date.UTC(2030, 0, 31, 12));
  const { admin, call } = await serve({ clock });
  const body = { role: 'admin', expirationTimeUtc: '2030-01-31T12:00:01+00:00' };
  const { key1 } = (await admin('PUT', '/keys/deployer', body)).json.keys;
  await admin('PUT', '/topics/orders');
  const publish = () =>
    call('POST', '/topics/orders:publish', {
      body: JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't' }),
      headers: { ...bearer(key1), 'content-type': 'application/cloudevents+json' },
    });
  const statuses = async () => [
    (await call('GET', '/topics', { headers: bearer(key1) })).status,
    (await publish()).status,
  ];
  await clock.advance(999);
  expect(await statuses()).toEqual([200, 200]);
  await clock.advance(1);
  expect(await statuses()).toEqual([401, 401]);
  expect((await admin('GET', '/keys')).json.value).toHaveLength(1);
  await admin('PUT', '/keys/deployer', { role: 'admin' });
  expect(await statuses()).toEqual([200, 200]);
});

test('there are so many keys and no more', async () => {
  const { admin, registry, store } = await serve();
  const { value } = (await admin('PUT', '/keys/key-0', { role: 'reader' })).json && {
    value: (await store.resources.get('keys/key-0'))!.value as ManagementKey,
  };
  for (let index = 1; index < limits.managementKeysMax - 1; index++)
    await store.resources.put(`keys/key-${index}`, { ...value, name: `key-${index}` });
  await registry.refresh();
  expect((await admin('PUT', '/keys/the-last', { role: 'reader' })).status).toBe(201);
  const { status, json } = await admin('PUT', '/keys/one-more', { role: 'reader' });
  expect([status, json.code]).toEqual([409, 'TooManyResources']);
  expect((await admin('PUT', '/keys/the-last', { role: 'admin' })).status).toBe(200);
  const first = (await admin('GET', '/keys?maxpagesize=150')).json;
  const next = new URL(first.nextLink);
  const second = (await admin('GET', next.pathname + next.search)).json;
  expect([first.value.length, second.value.length, second.nextLink]).toEqual([150, 50, undefined]);
});

test('in open mode a right key has its role, and a wrong one is refused', async () => {
  const { admin, call } = await serve({ open: true });
  const { key1 } = (await admin('PUT', '/keys/dashboard', { role: 'reader' })).json.keys;
  const status = async (method: string, headers: Record<string, string>) =>
    (await call(method, '/topics/orders', { headers })).status;
  expect(await status('PUT', {})).toBe(201);
  expect(await status('GET', bearer(key1))).toBe(200);
  expect(await status('PUT', bearer(key1))).toBe(403);
  const changed = key1.slice(0, -1) + (key1.endsWith('A') ? 'E' : 'A');
  expect(await status('GET', bearer(changed))).toBe(401);
});

test('made-up keys cause at most ten looks into the store a second', async () => {
  const clock = new FakeClock();
  const { call, store } = await serve({ clock });
  let looks = 0;
  const { changes } = store.resources;
  store.resources.changes = (version) => {
    looks++;
    return changes.call(store.resources, version);
  };
  const ask = () =>
    call('GET', '/topics', { headers: bearer(`gpk_nobody_${'A'.repeat(43)}`) }).then(({ status }) => status);
  const began = clock.elapsed();
  let statuses: number[] | undefined;
  void Promise.all(Array.from({ length: 30 }, ask)).then((all) => {
    statuses = all;
  });
  while (statuses === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1);
  }
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(looks).toBeGreaterThan(0);
  expect(looks).toBeLessThanOrEqual(1 + (clock.elapsed() - began) / 100);
});
