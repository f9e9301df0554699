/** What is said of addresses when subscriptions are written. */
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { Egress } from '@gridpost/egress';
import { FakeClock } from '@gridpost/model/testing';
import { type Answer, type Served, serve } from '../testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const message = 'names an address that this deployment does not connect to (GRIDPOST_EGRESS_ALLOW)';
const hook = (endpointUrl: string) => ({ endpointType: 'WebHook', properties: { endpointUrl } });

const names: Readonly<Record<string, readonly string[]>> = {
  'private.test': ['10.0.0.1', '192.168.0.1'],
  'public.test': ['93.184.216.34'],
  'both.test': ['10.0.0.1', '93.184.216.34'],
};
const lookup: LookupFunction = (name, _, callback) => {
  const found = names[name]?.map((address) => ({ address, family: 4 }));
  if (found) callback(null, found);
  else callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '');
};

async function setup(options: Parameters<typeof serve>[0] = {}): Promise<Served> {
  const served = await serve({ egress: new Egress({ lookup }), ...options });
  await served.admin('PUT', '/topics/orders');
  return served;
}

function expectRefused({ status, json }: Answer, ...pointers: string[]): void {
  expect([status, json.code]).toEqual([400, 'InvalidResource']);
  expect(json.errors).toEqual(pointers.map((pointer) => ({ pointer, message })));
}

test.each([
  ['an address', 'http://10.0.0.1/?code=hidden'],
  ['a name of which all addresses are refused', 'https://private.test/hook'],
])('%s that may not be connected to is refused at its place', async (_, url) => {
  const { admin, lines } = await setup();
  const refused = await admin('PUT', path, { destination: hook(url) });
  expectRefused(refused, '/destination/properties/endpointUrl');
  expect(refused.text + lines.join()).not.toContain('hidden');
  expect((await admin('GET', path)).status).toBe(404);
});

test.each(['public.test', 'both.test', 'unknown.test'])('the name %s is taken', async (name) => {
  const { admin } = await setup();
  const properties = { endpointUrl: `http://${name}:1/`, validation: 'none' };
  expect((await admin('PUT', path, { destination: { endpointType: 'WebHook', properties } })).status).toBe(
    201,
  );
});

test('a name that takes longer than 2 s is taken, and the answer that comes later changes nothing', async () => {
  const clock = new FakeClock();
  const asked: (() => void)[] = [];
  let asking = (): void => {};
  const wanted = new Promise<void>((resolve) => (asking = resolve));
  const slow: LookupFunction = (_, __, callback) => {
    asked.push(() => callback(null, [{ address: '10.0.0.1', family: 4 }]));
    asking();
  };
  const { admin } = await setup({ clock, egress: new Egress({ lookup: slow }) });
  const writing = admin('PUT', path, { destination: hook('http://slow.test/') });
  await wanted;
  await clock.advance(1_999);
  await clock.advance(1);
  expect((await writing).status).toBe(201);
  for (const answer of asked) answer();
  expect((await admin('GET', path)).status).toBe(200);
});

test('the webhook of dead letters is held to the same, and both are reported', async () => {
  const { admin } = await setup();
  const deadLetterDestination = hook('http://[fd00::1]/');
  expectRefused(
    await admin('PUT', path, {
      properties: { destination: hook('http://127.0.0.1/'), deadLetterDestination },
    }),
    '/properties/destination/properties/endpointUrl',
    '/properties/deadLetterDestination/properties/endpointUrl',
  );
  expectRefused(
    await admin('PUT', path, { deliveryConfiguration: { deliveryMode: 'Queue' }, deadLetterDestination }),
    '/deadLetterDestination/properties/endpointUrl',
  );
});

describe('a function', () => {
  const id = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/shop/functions/billing';
  const functionApps = new Map([['shop', { url: 'http://10.0.0.1:7071' }]]);

  test('by its address is held to the same', async () => {
    const { admin } = await setup();
    const properties = { endpointUrl: 'http://10.0.0.1:7071', functionName: 'billing' };
    expectRefused(
      await admin('PUT', path, { destination: { endpointType: 'AzureFunction', properties } }),
      '/destination/properties/endpointUrl',
    );
  });

  test('by Azure’s id as well: that the deployment names its host does not allow it', async () => {
    const destination = { endpointType: 'AzureFunction', properties: { resourceId: id } };
    const { admin } = await setup({ functionApps });
    expectRefused(await admin('PUT', path, { destination }), '/destination/properties/resourceId');
    const allowing = await setup({ functionApps, egress: new Egress({ allow: ['10.0.0.1'], lookup }) });
    expect((await allowing.admin('PUT', path, { destination })).status).toBe(201);
  });
});

test('a template with such an endpoint is refused as a whole', async () => {
  const { admin } = await setup();
  const template = {
    resources: [
      { type: 'Microsoft.EventGrid/topics', apiVersion: '2025-02-15', name: 'goods', location: 'x' },
      {
        type: 'Microsoft.EventGrid/topics/eventSubscriptions',
        apiVersion: '2025-02-15',
        name: 'goods/billing',
        properties: { destination: hook('http://private.test/') },
      },
    ],
  };
  const at =
    '/subscriptions/8f6b6269-84f2-4d09-9e31-1127efcd1e40/resourceGroups/g/providers/Microsoft.Resources/deployments/first?api-version=2021-04-01';
  const answer = await admin('PUT', at, { properties: { mode: 'Incremental', template } });
  expect(answer.status).toBe(400);
  expect(answer.text).toContain(message);
  expect((await admin('GET', '/topics/goods')).status).toBe(404);
});
