/** The access keys of subscriptions that are received from: whose they are, for how long, and when they are taken. */
import { expect, test } from '@jest/globals';
import { serve, type Served } from '../testing/serve.js';

const path = '/topics/orders/eventsubscriptions/queue';
const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };
const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};

async function setup() {
  const served = await serve();
  await served.admin('PUT', '/topics/orders');
  await served.admin('PUT', path, queue);
  return { ...served, keys: (await served.admin('GET', `${path}/keys`)).json };
}

const received = async ({ call }: Served, key: string, at = path): Promise<number> =>
  (await call('POST', `${at}:acknowledge`, { body: { lockTokens: ['x'] }, headers: { 'aeg-sas-key': key } }))
    .status;

test('they are two, name the subscription’s life, and are never stored', async () => {
  const { admin, keys, store } = await setup();
  const { incarnation } = (await store.resources.get(path.slice(1)))!.value as { incarnation: string };
  const shape = new RegExp(`^gps_${incarnation}_[\\w-]{43}$`);
  expect(keys).toEqual({ key1: expect.stringMatching(shape), key2: expect.stringMatching(shape) });
  expect(keys.key1).not.toBe(keys.key2);
  const answer = await admin('GET', `${path}/keys`);
  expect([answer.json, answer.headers['cache-control']]).toEqual([keys, 'no-store']);
  const documents = JSON.stringify(await store.resources.list('', undefined, 100));
  for (const key of [keys.key1, keys.key2]) expect(documents).not.toContain(key.slice(-43));
});

test('a replaced one is wrong, the other stays right, also when the subscription is written again', async () => {
  const served = await setup();
  const { admin, keys } = served;
  const answer = await admin('POST', `${path}:regenerateKey`, { keyName: 'key2' });
  expect(answer.json.key1).toBe(keys.key1);
  const statuses = async () => [
    await received(served, keys.key1),
    await received(served, keys.key2),
    await received(served, answer.json.key2),
  ];
  expect(await statuses()).toEqual([200, 401, 200]);
  await admin('PUT', path, queue);
  expect(await statuses()).toEqual([200, 401, 200]);
});

test('those of a subscription that was deleted are wrong for the next of its name', async () => {
  const served = await setup();
  const { admin, keys } = served;
  await admin('DELETE', path);
  expect(await received(served, keys.key1)).toBe(401);
  await admin('PUT', path, queue);
  expect(await received(served, keys.key1)).toBe(401);
  expect((await admin('GET', `${path}/keys`)).json.key1).not.toBe(keys.key1);
});

test('elsewhere they are refused alike, whether or not there is anything', async () => {
  const served = await setup();
  const { admin, keys } = served;
  await admin('PUT', '/topics/others');
  await admin('PUT', '/topics/others/eventsubscriptions/queue', queue);
  await admin('PUT', '/topics/orders/eventsubscriptions/second', queue);
  for (const at of [
    '/topics/orders/eventsubscriptions/second',
    '/topics/orders/eventsubscriptions/nowhere',
    '/topics/others/eventsubscriptions/queue',
    '/topics/nowhere/eventsubscriptions/queue',
    '/domains/orders/eventsubscriptions/queue',
    '/domains/orders/topics/orders/eventsubscriptions/queue',
  ])
    expect([at, await received(served, keys.key1, at)]).toEqual([at, 403]);
});

test('a topic that takes no keys takes none of its subscriptions’', async () => {
  const served = await setup();
  const { admin, keys } = served;
  await admin('PUT', '/topics/orders', { disableLocalAuth: true });
  expect(await received(served, keys.key1)).toBe(401);
  await admin('PUT', '/topics/orders');
  expect(await received(served, keys.key1)).toBe(200);
});

test('a subscription that is pushed has none', async () => {
  const { admin } = await setup();
  const pushed = '/topics/orders/eventsubscriptions/billing';
  await admin('PUT', pushed, hook);
  for (const answer of [
    await admin('GET', `${pushed}/keys`),
    await admin('POST', `${pushed}:regenerateKey`, { keyName: 'key1' }),
  ])
    expect([answer.status, answer.json.code]).toEqual([400, 'WrongDeliveryMode']);
});

test('one that this process has not heard of yet is looked for', async () => {
  const served = await setup();
  const { store, registry, call, admin } = served;
  const { value } = (await store.resources.get(path.slice(1)))!;
  const other = { ...(value as object), name: 'fresh', incarnation: 'fresh00000000000' };
  await store.resources.put('topics/orders/eventsubscriptions/fresh', other);
  expect(registry.subscription('fresh00000000000')).toBeUndefined();
  // Reading its keys does not look into the registry.
  const at = '/topics/orders/eventsubscriptions/fresh';
  const { key1 } = (await admin('GET', `${at}/keys`)).json;
  const answer = await call('POST', `${at}:acknowledge`, {
    body: { lockTokens: ['x'] },
    headers: { authorization: `SharedAccessKey ${key1}` },
  });
  expect(answer.status).toBe(200);
});
