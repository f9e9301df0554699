/** Functions as destinations: how they are written, what is refused, and what is shown of them. */
import { describe, expect, test } from '@jest/globals';
import { agree, Endpoint, type Received } from '@gridpost/model/testing';
import { subscriptionPath, type Subscription } from '@gridpost/model';
import { type Answer, type Served, serve } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const site = '/subscriptions/s-1/resourceGroups/g-1/providers/Microsoft.Web/sites';
const resourceId = `${site}/Shop/functions/orders`;
const byAddress = { endpointUrl: 'http://127.0.0.1:7071', functionName: 'orders', key: 'hidden-key' };
const functionApps = new Map([['shop', { url: 'http://127.0.0.1:7072/base/', key: 'other-key' }]]);

interface Written extends Served {
  put(properties: object): Promise<Answer>;
  stored(): Promise<Subscription>;
}

async function serveTopic(): Promise<Written> {
  const served = await serve({ functionApps });
  const { admin, store } = served;
  await admin('PUT', '/topics/orders');
  return {
    ...served,
    put: (properties) =>
      admin('PUT', path, {
        properties: {
          destination: { endpointType: 'AzureFunction', properties: { validation: 'none', ...properties } },
        },
      }),
    stored: async () =>
      (await store.resources.get(subscriptionPath('orders', 'billing')))!.value as Subscription,
  };
}

const defaults = {
  contentMode: 'structured',
  attemptTimeoutInSeconds: 30,
  maxEventsPerBatch: 1,
  preferredBatchSizeInKilobytes: 64,
  validation: 'none',
};

test('by the address of its host, with Azure’s defaults, and without its key in any view', async () => {
  const { put, admin, stored } = await serveTopic();
  const created = await put(byAddress);
  expect([created.status, created.json.properties.destination]).toEqual([
    201,
    {
      endpointType: 'AzureFunction',
      properties: { endpointBaseUrl: 'http://127.0.0.1:7071/', functionName: 'orders', ...defaults },
    },
  ]);
  expect((await stored()).properties.destination).toEqual({
    endpointType: 'AzureFunction',
    properties: { ...byAddress, ...defaults },
  });
  const full = await admin('POST', `${path}:getFullUrl`);
  expect(full.json).toEqual({
    endpointUrl: 'http://127.0.0.1:7071/runtime/webhooks/eventgrid?functionName=orders',
  });
  for (const { text } of [created, full, await admin('GET', path)]) expect(text).not.toContain('hidden-key');
});

test('by Azure’s id, however its fixed parts are spelt', async () => {
  const { put, admin } = await serveTopic();
  const id = resourceId.replace('resourceGroups', 'resourcegroups').replace('Microsoft.Web', 'microsoft.web');
  const created = await put({ resourceId: id, maxEventsPerBatch: 10 });
  expect([created.status, created.json.properties.destination.properties]).toEqual([
    201,
    { ...defaults, resourceId: id, maxEventsPerBatch: 10 },
  ]);
  const full = await admin('POST', `${path}:getFullUrl`);
  expect(full.json.endpointUrl).toBe(
    'http://127.0.0.1:7072/base/runtime/webhooks/eventgrid?functionName=orders',
  );
  expect(full.text).not.toContain('other-key');
  const view = created.json;
  expect((await admin('PUT', path, view)).status).toBe(200);
});

const refusals: [string, object, string, string | RegExp][] = [
  ['neither address nor id', { functionName: 'orders' }, 'endpointUrl', 'is missing, and so is resourceId'],
  ['no name', { ...byAddress, functionName: null }, 'functionName', 'is missing'],
  ['a name that is none', { ...byAddress, functionName: '1' }, 'functionName', /^saw "1", expected a letter/],
  ['a long name', { ...byAddress, functionName: 'f'.repeat(129) }, 'functionName', /at most 127/],
  ['an empty key', { ...byAddress, key: '' }, 'key', 'saw 0 characters, expected at least 1 character'],
  ['a long key', { ...byAddress, key: 'hidden-key'.repeat(103) }, 'key', /^saw 1030 characters/],
  ['a key with a space', { ...byAddress, key: 'hidden key' }, 'key', /^expected printable ASCII/],
  ['a query', { ...byAddress, endpointUrl: 'http://h/?code=hidden-key' }, 'endpointUrl', /^saw a query/],
  ['no URL', { ...byAddress, endpointUrl: 'hidden-key' }, 'endpointUrl', /^expected an absolute http/],
  ['binary mode', { ...byAddress, contentMode: 'binary' }, 'contentMode', /a function's host reads bodies/],
  ['another id', { resourceId: '/subscriptions/s-1' }, 'resourceId', /expected \/subscriptions\//],
  ['a slot', { resourceId: `${site}/shop/slots/x/functions/f` }, 'resourceId', /expected \/subscriptions\//],
  [
    'an unknown app',
    { resourceId: `${site}/Other/functions/orders` },
    'resourceId',
    'saw the function app "other", which GRIDPOST_FUNCTION_APPS does not name',
  ],
  ['an id with a key', { resourceId, key: 'hidden-key' }, 'key', 'expected none: it is said by resourceId'],
];

test.each(refusals)('with %s it is refused, and nothing is stored', async (_, properties, name, message) => {
  const { put, admin, lines } = await serveTopic();
  const { status, json, text } = await put(properties);
  expect([status, json.code]).toEqual([400, 'InvalidResource']);
  expect(json.errors).toEqual([
    {
      pointer: `/properties/destination/properties/${name}`,
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    },
  ]);
  expect(text + lines.join()).not.toContain('hidden');
  expect((await admin('GET', path)).status).toBe(404);
});

test.each(['functionName', 'key', 'resourceId'])('a webhook has no %s', async (name) => {
  const { admin } = await serveTopic();
  const { status, json } = await admin('PUT', path, {
    destination: {
      endpointType: 'WebHook',
      properties: { endpointUrl: 'https://example.com/', [name]: 'hidden' },
    },
  });
  expect([status, json.errors]).toEqual([
    400,
    [{ pointer: `/destination/properties/${name}`, message: 'expected none: it is of functions' }],
  ]);
});

describe('the longest', () => {
  test.each([
    ['name', { ...byAddress, functionName: 'f'.repeat(128) }],
    ['key', { ...byAddress, key: 'k'.repeat(1024) }],
  ])('%s is taken', async (_, properties) => {
    expect((await (await serveTopic()).put(properties)).status).toBe(201);
  });
});

describe('a handshake', () => {
  test('brings the key, and is asked again for another function but not for another key', async () => {
    const endpoint = await new Endpoint().listen();
    endpoint.reply(agree);
    const { put, admin } = await serveTopic();
    const address = {
      endpointUrl: endpoint.url,
      functionName: 'orders',
      key: 'hidden-key',
      validation: null,
    };
    const state = async (): Promise<string> =>
      (await admin('GET', path)).json.properties.provisioningState as string;
    const succeeded = async (): Promise<void> => {
      while ((await state()) !== 'Succeeded');
    };
    await put(address);
    await succeeded();
    const [asked] = endpoint.received as [Received];
    expect(asked).toMatchObject({
      method: 'OPTIONS',
      path: '/runtime/webhooks/eventgrid?functionName=orders',
      headers: { 'x-functions-key': 'hidden-key' },
    });
    await put({ ...address, key: 'new-key' });
    expect(await state()).toBe('Succeeded');
    expect(endpoint.received).toHaveLength(1);
    await put({ ...address, functionName: 'billing' });
    await endpoint.until((received) => received.length === 2);
    await succeeded();
    await endpoint.close();
  });
});
