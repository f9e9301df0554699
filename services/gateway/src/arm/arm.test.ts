/** Azure's routes, request by request; `client.test.ts` drives them with Azure's client. */
import { describe, expect, test } from '@jest/globals';
import type { Subscription } from '@gridpost/model';
import type { Context } from '../context.js';
import { gatewayRoutes } from '../routes.js';
import { adminKey, type Answer, serve } from '../testing/serve.js';
import { isArmPath } from './paths.js';
import { armRoutes } from './routes.js';

const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg';
const provider = `${group}/providers/Microsoft.EventGrid`;
const orders = `${provider}/topics/orders`;
const billing = `${orders}/providers/Microsoft.EventGrid/eventSubscriptions/billing`;
const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/?code=hidden-code', validation: 'none' },
  },
};

/** A gateway with the topic `orders`, the domain `shop` and its topic `north`; the topic takes CloudEvents. */
async function setup() {
  const served = await serve();
  const { admin } = served;
  await admin('PUT', '/topics/orders');
  await admin('PUT', '/domains/shop', { autoDeleteTopicWithLastSubscription: false });
  await admin('PUT', '/domains/shop/topics/north');
  return served;
}

/** The code of the answer's error, and where it says that the body is wrong. */
function refusal({ status, json }: Answer): [number, string, string[]] {
  const { code, details = [] } = json.error;
  return [status, code, details.map(({ target }: { target: string }) => target)];
}

describe('paths', () => {
  test.each([
    ['letters of any case', orders.toUpperCase().replace('ORDERS', 'orders')],
    ['doubled slashes', `/${orders.replaceAll('/', '//')}`],
    ['a trailing slash', `${orders}/`],
    ['any api-version', `${orders}?api-version=1999-01-01`],
    ['no api-version', orders],
  ])('take %s', async (_, path) => {
    const { admin } = await setup();
    const { status, json } = await admin('GET', path);
    expect([status, json.name]).toEqual([200, 'orders']);
  });

  test('give subscription and resource group back as they were written', async () => {
    const { admin } = await setup();
    const path = orders.replace('/rg/', '/My_Group.(1)-2/').replace('0000-0000', 'AbCd-0000');
    expect((await admin('GET', path)).json.id).toBe(path);
  });

  test.each([
    ['a subscription that is no GUID', orders.replace(/\/subscriptions\/[^/]+/, '/subscriptions/mine')],
    ['a resource group of 91 characters', orders.replace('/rg/', `/${'r'.repeat(91)}/`)],
    ['a resource group that ends with a full stop', orders.replace('/rg/', '/rg./')],
    ['a resource group with a star', orders.replace('/rg/', '/r*g/')],
  ])('refuse %s', async (_, path) => {
    const { admin } = await setup();
    for (const method of ['GET', 'DELETE', 'PATCH'])
      expect(refusal(await admin(method, path, method === 'PATCH' ? {} : undefined))).toEqual([
        400,
        'InvalidName',
        [],
      ]);
    expect((await admin('GET', '/topics/orders')).status).toBe(200);
  });

  test('take a resource group of 90 characters', async () => {
    const { admin } = await setup();
    expect(
      (await admin('GET', orders.replace('/rg/', `/${'ü'.repeat(90)}/`).replaceAll('ü', '%C3%BC'))).status,
    ).toBe(200);
  });

  test.each([
    [`${provider}/systemTopics/orders`, 'Microsoft.EventGrid/systemTopics'],
    [`${provider}/namespaces/one/topics/orders`, 'Microsoft.EventGrid/namespaces/topics'],
    [
      `${group}/providers/Microsoft.Storage/storageAccounts/one${billing.slice(orders.length)}`,
      'Microsoft.Storage/storageAccounts/providers/eventSubscriptions',
    ],
    [
      `${group}/providers/Microsoft.EventGrid/eventSubscriptions/one`,
      'Microsoft.EventGrid/eventSubscriptions',
    ],
    ['/providers/Microsoft.EventGrid/topicTypes', 'Microsoft.EventGrid/topicTypes'],
    [group, 'nothing at this path'],
  ])('%s is refused by the name of what is not there', async (path, name) => {
    const { admin } = await setup();
    const answer = await admin('GET', path);
    expect(refusal(answer)).toEqual([404, 'ResourceNotFound', []]);
    expect(answer.json.error.message).toContain(name);
  });

  test('of Gridpost itself are compared as strictly as ever', async () => {
    const { admin } = await setup();
    for (const path of ['/TOPICS/orders', '//topics/orders', '/topics/orders/'])
      expect([path, (await admin('GET', path)).status]).toEqual([path, 404]);
  });
});

test('the routes are Azure’s, and none of Gridpost’s own is', () => {
  const context = { store: { info: { partitions: 1 } } } as unknown as Context;
  expect(armRoutes(context).filter(({ path }) => !isArmPath(path))).toEqual([]);
  expect(gatewayRoutes(context, {} as never).filter(({ path }) => isArmPath(path))).toEqual([]);
});

describe('access', () => {
  test('to every route needs the admin key', async () => {
    const { call, admin } = await setup();
    const { key1 } = (await admin('GET', '/topics/orders/keys')).json;
    const named = (path: string): string =>
      path
        .replace('{subscription}/resourceGroups/{resourceGroup}', group.slice('/subscriptions/'.length))
        .replace('{subscription}', '00000000-0000-0000-0000-000000000000')
        .replace('{topic}', 'orders')
        .replace('{domain}', 'shop')
        .replace('{domainTopic}', 'north')
        .replace('{name}', 'billing');
    const context = { store: { info: { partitions: 1 } } } as unknown as Context;
    for (const { method, path } of armRoutes(context)) {
      const refused = await call(method, named(path));
      expect([method, path, ...refusal(refused)]).toEqual([method, path, 401, 'Unauthorized', []]);
      expect(refused.headers['www-authenticate']).toBe('Bearer realm="gridpost"');
      const { status } = await call(method, named(path), { headers: { 'aeg-sas-key': key1 } });
      expect([method, path, status]).toEqual([method, path, path.includes('{topic}') ? 403 : 401]);
    }
  });

  test('is asked for before it is told what there is', async () => {
    const { call } = await setup();
    expect((await call('GET', `${provider}/systemTopics/x`)).status).toBe(401);
  });

  test('is refused to the page of another origin', async () => {
    const { call } = await setup();
    const headers = { authorization: `Bearer ${adminKey}`, origin: 'https://elsewhere.example' };
    expect(refusal(await call('PATCH', orders, { body: {}, headers }))).toEqual([403, 'Forbidden', []]);
  });
});

describe('answers', () => {
  test('of a method that a path does not have name those it has', async () => {
    const { admin } = await setup();
    const answer = await admin('POST', orders, {});
    expect(refusal(answer)).toEqual([405, 'MethodNotAllowed', []]);
    expect(answer.headers.allow).toBe('PUT, GET, HEAD, PATCH, DELETE');
  });

  test('to a removal are 200, and 204 where there is nothing', async () => {
    const { admin } = await setup();
    await admin('PUT', billing, { properties: hook });
    for (const path of [
      billing,
      `${orders}`,
      `${provider}/domains/shop/topics/north`,
      `${provider}/domains/shop`,
    ]) {
      const first = await admin('DELETE', path);
      expect([path, first.status, first.text]).toEqual([path, 200, '']);
      expect([path, (await admin('DELETE', path)).status]).toEqual([path, 204]);
    }
  });

  test('to a creation are 201, to a replacement 200, with the version as an entity tag', async () => {
    const { admin } = await setup();
    const other = `${provider}/topics/other`;
    const created = await admin('PUT', other, {});
    expect([created.status, created.headers.etag]).toEqual([201, (await admin('GET', other)).headers.etag]);
    expect((await admin('PUT', other, {})).status).toBe(200);
    expect((await admin('PUT', billing, { properties: hook })).status).toBe(201);
    expect((await admin('PUT', billing, { properties: hook })).status).toBe(200);
  });

  test('with secrets are not to be stored', async () => {
    const { admin } = await setup();
    await admin('PUT', billing, { properties: hook });
    for (const path of [`${orders}/listKeys`, `${billing}/getFullUrl`, `${billing}/getDeliveryAttributes`])
      expect([path, (await admin('POST', path)).headers['cache-control']]).toEqual([path, 'no-store']);
  });

  test('to a wrong body name every wrong place of what was sent', async () => {
    const { admin } = await setup();
    const properties = { inputSchema: 'AvroSchema', disableLocalAuth: 'yes' };
    const answer = await admin('PUT', orders, { properties });
    expect(refusal(answer)).toEqual([
      400,
      'InvalidResource',
      ['/properties/inputSchema', '/properties/disableLocalAuth'],
    ]);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  });
});

test('an update of a subscription whose events are received leaves what it does not name as it is', async () => {
  const { admin } = await setup();
  const deliveryConfiguration = { deliveryMode: 'Queue', queue: { maxDeliveryCount: 3 } };
  await admin('PUT', billing, { properties: { deliveryConfiguration } });
  const { status, json } = await admin('PATCH', billing, { labels: ['a'] });
  expect([status, json.properties.labels]).toEqual([200, ['a']]);
  expect(json.properties).toMatchObject({ deliveryConfiguration });
});

describe('the same resources', () => {
  test('are seen from both faces', async () => {
    const { admin } = await setup();
    await admin('PUT', `${orders}/eventSubscriptions/nested`, { properties: hook });
    await admin('PUT', billing, { properties: hook });
    const native = (await admin('GET', '/topics/orders/eventsubscriptions')).json.value;
    expect(native.map(({ name }: { name: string }) => name)).toEqual(['billing', 'nested']);
    for (const between of ['', '/providers/Microsoft.EventGrid']) {
      const { value } = (await admin('GET', `${orders}${between}/eventSubscriptions`)).json;
      expect(value.map(({ id }: { id: string }) => id)).toEqual(
        ['billing', 'nested'].map((name) => `${orders}${between}/eventSubscriptions/${name}`),
      );
    }
    await admin('PUT', '/topics/native');
    expect((await admin('GET', `${provider}/topics/native`)).json).toMatchObject({
      location: 'global',
      properties: { inputSchema: 'CloudEventSchemaV1_0' },
    });
  });

  test('have Event Grid’s schema where none is written here, and CloudEvents there', async () => {
    const { admin } = await setup();
    await admin('PUT', `${provider}/topics/azure`, { location: 'westeurope' });
    await admin('PUT', `${provider}/domains/azure`, { location: 'westeurope', properties: null });
    for (const path of ['/topics/azure', '/domains/azure'])
      expect((await admin('GET', path)).json.properties.inputSchema).toBe('EventGridSchema');
    expect((await admin('GET', '/topics/orders')).json.properties.inputSchema).toBe('CloudEventSchemaV1_0');
  });

  test('keep what Gridpost adds', async () => {
    const { admin } = await setup();
    const properties = { ...hook, deadLettering: false, filters: [{ exact: { type: 'a' } }] };
    await admin('PUT', billing, { properties });
    expect((await admin('GET', billing)).json.properties).toMatchObject({
      deadLettering: false,
      filters: [{ exact: { type: 'a' } }],
      status: { state: 'Active' },
    });
    await admin('PATCH', orders, { properties: { eventRetentionInDays: 3 } });
    expect((await admin('GET', '/topics/orders')).json.properties.eventRetentionInDays).toBe(3);
  });
});

describe('preconditions', () => {
  test('hold for every write', async () => {
    const { admin } = await setup();
    await admin('PUT', billing, { properties: hook });
    for (const [path, body] of [
      [orders, {}],
      [billing, { labels: ['a'] }],
    ] as const) {
      const { etag } = (await admin('GET', path)).headers;
      for (const method of ['PUT', 'PATCH', 'DELETE'])
        expect(refusal(await admin(method, path, body, { 'if-match': '"another"' }))).toEqual(
          method === 'PUT' && path === billing
            ? [400, 'InvalidResource', expect.anything()]
            : [412, 'PreconditionFailed', []],
        );
      expect((await admin('PATCH', path, body, { 'if-match': etag! })).status).toBe(200);
      expect((await admin('PATCH', path, body, { 'if-match': etag! })).status).toBe(412);
      expect((await admin('PATCH', path, body, { 'if-none-match': '*' })).status).toBe(412);
    }
  });
});

describe('updates', () => {
  test('at the same moment do not undo each other', async () => {
    const { admin } = await setup();
    await Promise.all([
      admin('PATCH', orders, { tags: { team: 'billing' } }),
      admin('PATCH', orders, { properties: { disableLocalAuth: true } }),
      admin('PATCH', orders, { properties: { eventRetentionInDays: 2 } }),
    ]);
    expect((await admin('GET', orders)).json).toMatchObject({
      tags: { team: 'billing' },
      properties: { disableLocalAuth: true, eventRetentionInDays: 2 },
    });
  });

  test('give what is null its default', async () => {
    const { admin } = await setup();
    await admin('PATCH', orders, { tags: { a: 'b' }, properties: { disableLocalAuth: true } });
    const { json } = await admin('PATCH', orders, { tags: null, properties: { disableLocalAuth: null } });
    expect(json.properties.disableLocalAuth).toBe(false);
    expect(json).not.toHaveProperty('tags');
  });

  test('of a subscription keep its backlog and its endpoint', async () => {
    const { admin, store } = await setup();
    await admin('PUT', billing, { properties: hook });
    const stored = async (): Promise<Subscription> =>
      (await store.resources.get('topics/orders/eventsubscriptions/billing'))!.value as Subscription;
    const before = await stored();
    const { status, json } = await admin('PATCH', billing, { labels: ['a'] });
    expect([status, json.properties.labels]).toEqual([200, ['a']]);
    const after = await stored();
    expect(after.incarnation).toBe(before.incarnation);
    expect(after.properties.destination).toEqual(before.properties.destination);
  });

  test.each<[string, unknown, string]>([
    [orders, { properties: { disableLocalAuth: 'yes' } }, '/properties/disableLocalAuth'],
    [orders, { properties: { wrong: 1 } }, '/properties/wrong'],
    [orders, { properties: [] }, '/properties'],
    [orders, [], ''],
    [orders, undefined, ''],
    [billing, { retryPolicy: { maxDeliveryAttempts: 31 } }, '/retryPolicy/maxDeliveryAttempts'],
    [billing, { wrong: 1 }, '/wrong'],
    [billing, { properties: { labels: [] } }, '/properties'],
    [
      billing,
      { filter: { advancedFilters: [{ operatorType: 'Like', key: 'a' }] } },
      '/filter/advancedFilters/0/operatorType',
    ],
    [billing, undefined, ''],
  ])('of %s with %j are refused at %s', async (path, body, pointer) => {
    const { admin } = await setup();
    await admin('PUT', billing, { properties: hook });
    expect(refusal(await admin('PATCH', path, body))).toEqual([400, 'InvalidResource', [pointer]]);
  });

  test('of what is not there are 404', async () => {
    const { admin } = await setup();
    for (const path of [billing, `${provider}/topics/nowhere`, `${provider}/domains/nowhere`])
      expect(refusal(await admin('PATCH', path, {}))).toEqual([404, 'ResourceNotFound', []]);
  });
});

describe('what Azure has and Gridpost has not', () => {
  const topicProperties: [string, unknown][] = [
    ['/sku', { name: 'Premium' }],
    ['/kind', 'AzureArc'],
    ['/identity', { type: 'SystemAssigned' }],
    ['/extendedLocation', { name: 'edge', type: 'CustomLocation' }],
    ['/properties/publicNetworkAccess', 'Disabled'],
    ['/properties/publicNetworkAccess', 'SecuredByPerimeter'],
    ['/properties/inboundIpRules', [{ ipMask: '10.0.0.0/8', action: 'Allow' }]],
    ['/properties/privateEndpointConnections', [{ id: 'one' }]],
    ['/properties/dataResidencyBoundary', 'WithinRegion'],
    ['/properties/minimumTlsVersionAllowed', '1.3'],
    ['/properties/encryption', { customerManagedKeyEncryption: [] }],
    ['/properties/eventTypeInfo', { kind: 'Inline' }],
    ['/zones', ['1']],
    ['/properties/somethingNew', true],
  ];

  /** `/properties/a` and a value make `{ properties: { a: value } }`. */
  function bodyWith(pointer: string, value: unknown, base: object = {}): object {
    const names = pointer.split('/').slice(1);
    const copy = structuredClone(base) as Record<string, unknown>;
    let at = copy;
    for (const name of names.slice(0, -1)) at = (at[name] ??= {}) as Record<string, unknown>;
    at[names.at(-1)!] = value;
    return copy;
  }

  test.each(topicProperties)('is refused on topics and domains: %s %j', async (pointer, value) => {
    const { admin } = await setup();
    for (const path of [orders, `${provider}/domains/shop`])
      for (const method of ['PUT', 'PATCH'])
        expect(refusal(await admin(method, path, bodyWith(pointer, value)))).toEqual([
          400,
          'InvalidResource',
          [pointer],
        ]);
  });

  test.each<[string, unknown]>([
    ['/tags', { a: 'b' }],
    ['/identity', { type: 'None' }],
    ['/properties/deadLetterDestination/endpointType', 'StorageBlob'],
    ['/properties/deadLetterWithResourceIdentity', { identity: {} }],
    ['/properties/deliveryWithResourceIdentity', { identity: {} }],
    ['/properties/destination/properties/azureActiveDirectoryTenantId', 'tenant'],
    ['/properties/destination/properties/azureActiveDirectoryApplicationIdOrUri', 'https://app'],
    ['/properties/destination/properties/minimumTlsVersionAllowed', '1.3'],
    ['/properties/somethingNew', true],
    ...['EventHub', 'HybridConnection', 'MonitorAlert', 'NamespaceTopic', 'PartnerDestination'].map(
      (type): [string, unknown] => ['/properties/destination/endpointType', type],
    ),
    ...['ServiceBusQueue', 'ServiceBusTopic', 'StorageQueue', 'storagequeue'].map(
      (type): [string, unknown] => ['/properties/destination/endpointType', type],
    ),
  ])('is refused on subscriptions: %s %j', async (pointer, value) => {
    const { admin } = await setup();
    const properties = pointer.startsWith('/properties/deadLetterDestination/')
      ? { ...hook, deadLetterDestination: { properties: {} } }
      : hook;
    const body = bodyWith(pointer, value, { properties }) as { properties: object };
    expect(refusal(await admin('PUT', billing, body))).toEqual([400, 'InvalidResource', [pointer]]);
    expect((await admin('GET', billing)).status).toBe(404);
    if (!pointer.startsWith('/properties')) return;
    await admin('PUT', billing, { properties: hook });
    expect(refusal(await admin('PATCH', billing, body.properties))).toEqual([
      400,
      'InvalidResource',
      [pointer.slice('/properties'.length)],
    ]);
  });

  test.each<[string, object]>([
    ['/properties/wrong', { properties: { wrong: 1 } }],
    ['/tags', { tags: {} }],
    ['/properties', { properties: 'none' }],
  ])('is refused on topics in domains: %s', async (pointer, body) => {
    const { admin } = await setup();
    const answer = await admin('PUT', `${provider}/domains/shop/topics/north`, body);
    expect(refusal(answer)).toEqual([400, 'InvalidResource', [pointer]]);
  });

  test('is dropped from a topic that was exported and asks for none of it', async () => {
    const { admin } = await setup();
    const exported = {
      id: orders,
      name: 'orders',
      type: 'Microsoft.EventGrid/topics',
      location: 'westeurope',
      tags: null,
      kind: 'Azure',
      sku: { name: 'Basic' },
      identity: { type: 'None', principalId: null, tenantId: null, userAssignedIdentities: null },
      extendedLocation: null,
      systemData: null,
      properties: {
        provisioningState: 'Succeeded',
        endpoint: 'https://orders.westeurope-1.eventgrid.azure.net/api/events',
        inputSchema: 'EventGridSchema',
        inputSchemaMapping: null,
        metricResourceId: '749460b4-52df-43f6-a512-7eee6ceb5a94',
        publicNetworkAccess: 'Enabled',
        inboundIpRules: [],
        privateEndpointConnections: null,
        dataResidencyBoundary: 'WithinGeopair',
        minimumTlsVersionAllowed: '1.0',
        disableLocalAuth: false,
      },
    };
    const { status, json } = await admin('PUT', orders, exported);
    expect([status, json.properties.inputSchema, json.location]).toEqual([
      200,
      'EventGridSchema',
      'westeurope',
    ]);
    expect((await admin('PUT', orders, json)).json.properties).toEqual(json.properties);
  });

  test('is dropped from a subscription that was exported and asks for none of it', async () => {
    const { admin } = await setup();
    await admin('PUT', billing, {
      location: 'global',
      tags: {},
      properties: {
        topic: orders,
        provisioningState: 'Succeeded',
        destination: {
          endpointType: 'Webhook',
          properties: {
            endpointUrl: 'https://example.com/hook',
            validation: 'none',
            endpointBaseUrl: 'https://example.com/hook',
            azureActiveDirectoryTenantId: '',
            azureActiveDirectoryApplicationIdOrUri: null,
            minimumTlsVersionAllowed: '1.2',
            maxEventsPerBatch: 1,
            preferredBatchSizeInKilobytes: 64,
            deliveryAttributeMappings: null,
          },
        },
        filter: { includedEventTypes: null, subjectBeginsWith: '', isSubjectCaseSensitive: false },
        labels: null,
        expirationTimeUtc: null,
        eventDeliverySchema: null,
        retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
        deadLetterDestination: null,
        deadLetterWithResourceIdentity: null,
        deliveryWithResourceIdentity: null,
      },
    });
    expect((await admin('GET', billing)).json.properties).toMatchObject({
      destination: { endpointType: 'WebHook' },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    });
  });
});
