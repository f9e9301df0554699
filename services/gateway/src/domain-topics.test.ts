import { expect, test } from '@jest/globals';
import { serve, type Served } from './testing/serve.js';

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};
const domain = '/domains/shop';
const eu = `${domain}/topics/europe`;
const one = (scope: string, name = 'billing'): string => `${scope}/eventsubscriptions/${name}`;

async function setup(properties: object = {}): Promise<Served> {
  const served = await serve();
  expect((await served.admin('PUT', domain, { properties })).status).toBe(201);
  return served;
}

const names = async ({ admin }: Served): Promise<string[]> =>
  (await admin('GET', `${domain}/topics`)).json.value.map(({ name }: { name: string }) => name);

test('a topic comes with its first subscription and goes with its last', async () => {
  const served = await setup();
  const { admin } = served;
  expect(await names(served)).toEqual([]);
  const created = await admin('PUT', one(eu), hook);
  expect(created.status).toBe(201);
  expect(created.json).toMatchObject({ id: one(eu), name: 'billing', properties: { topic: eu } });
  expect((await admin('PUT', one(eu, 'audit'), hook)).status).toBe(201);
  expect((await admin('PUT', one(eu), hook)).status).toBe(200);
  expect(await names(served)).toEqual(['europe']);
  expect((await admin('DELETE', one(eu))).status).toBe(204);
  expect(await names(served)).toEqual(['europe']);
  expect((await admin('DELETE', one(eu, 'audit'))).status).toBe(204);
  expect(await names(served)).toEqual([]);
  expect((await admin('GET', one(eu))).json.code).toBe('DomainNotFound');
});

test('a topic that the domain is not to make has to be made first', async () => {
  const served = await setup({ autoCreateTopicWithFirstSubscription: false });
  const { admin } = served;
  const refused = await admin('PUT', one(eu), hook);
  expect([refused.status, refused.json.code]).toEqual([404, 'DomainNotFound']);
  expect(refused.json.detail).toBe('there is no topic "europe" in domain "shop"');
  expect(await names(served)).toEqual([]);
  expect((await admin('PUT', eu)).status).toBe(201);
  expect((await admin('PUT', one(eu), hook)).status).toBe(201);
});

test('a topic that the domain is not to remove stays without subscriptions', async () => {
  const served = await setup({ autoDeleteTopicWithLastSubscription: false });
  const { admin } = served;
  await admin('PUT', one(eu), hook);
  await admin('DELETE', one(eu));
  expect(await names(served)).toEqual(['europe']);
  expect((await admin('DELETE', eu)).status).toBe(204);
  expect(await names(served)).toEqual([]);
});

test('of a subscription added while the last one goes, one is made and kept, whichever comes first', async () => {
  const served = await setup();
  const { admin, registry } = served;
  for (let round = 0; round < 20; round++) {
    await admin('PUT', one(eu, 'last'), hook);
    const [, added] = await Promise.all([
      admin('DELETE', one(eu, 'last')),
      admin('PUT', one(eu, 'added'), hook),
    ]);
    expect([200, 201]).toContain(added.status);
    expect((await admin('GET', one(eu, 'added'))).status).toBe(200);
    await registry.refresh();
    expect(registry.subscriptionAt('domains/shop/topics/europe', 'added')).toBeDefined();
    await admin('DELETE', one(eu, 'added'));
  }
});

test('deleting a topic takes its subscriptions along, and leaves those of the domain', async () => {
  const { admin } = await setup();
  await admin('PUT', one(eu), hook);
  await admin('PUT', one(domain), hook);
  expect((await admin('DELETE', eu)).status).toBe(204);
  expect((await admin('GET', one(eu))).status).toBe(404);
  expect((await admin('GET', one(domain))).status).toBe(200);
  expect((await admin('DELETE', domain)).status).toBe(204);
  expect((await admin('GET', one(domain))).json.code).toBe('DomainNotFound');
});

test('topics are listed by pages, apart from their subscriptions', async () => {
  const { admin } = await setup();
  for (const name of ['c-topic', 'a-topic', 'b-topic'])
    await admin('PUT', one(`${domain}/topics/${name}`), hook);
  const first = (await admin('GET', `${domain}/topics?$top=2`)).json;
  expect(first.value.map(({ id }: { id: string }) => id)).toEqual([
    `${domain}/topics/a-topic`,
    `${domain}/topics/b-topic`,
  ]);
  const { pathname, search } = new URL(first.nextLink);
  expect((await admin('GET', pathname + search)).json).toMatchObject({ value: [{ name: 'c-topic' }] });
  expect((await admin('GET', '/domains')).json.value).toHaveLength(1);
  expect((await admin('GET', '/topics')).json.value).toEqual([]);
});

test.each([
  ['GET', '/domains/none/topics', 404, 'DomainNotFound'],
  ['GET', `${domain}/topics/none`, 404, 'DomainNotFound'],
  ['PUT', '/domains/none/topics/europe', 404, 'DomainNotFound'],
  ['PUT', '/domains/a', 400, 'InvalidName'],
  ['PUT', `${domain}/topics/a`, 400, 'InvalidName'],
  ['PUT', `${domain}/topics/a%2Fb%2Fc`, 400, 'InvalidName'],
  ['GET', one(`${domain}/topics/x%2Feventsubscriptions`), 400, 'InvalidName'],
])('%s %s is answered %i %s', async (method, path, status, code) => {
  const { admin } = await setup();
  const answer = await admin(method, path);
  expect([answer.status, answer.json.code]).toEqual([status, code]);
});
