import { describe, expect, test } from '@jest/globals';
import { MemoryStore } from '@gridpost/store';
import { type Subscription, systemClock } from '@gridpost/model';
import { type Answer, serve, type Served } from '../../testing/serve.js';

const groupId = '/subscriptions/8f6b6269-84f2-4d09-9e31-1127efcd1e40/resourceGroups/examplerg';
const provider = `${groupId}/providers/Microsoft.EventGrid`;
const deploymentId = `${groupId}/providers/Microsoft.Resources/deployments/first`;
const schema = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#';

/** A topic with a subscription, as the portal exports them; the address of the webhook, which it leaves out, added. */
const exported = {
  $schema: schema,
  contentVersion: '1.0.0.0',
  parameters: {
    topics_orders_name: { defaultValue: 'orders', type: 'String' },
    eventSubscriptions_url: { type: 'SecureString' },
  },
  variables: {},
  resources: [
    {
      type: 'Microsoft.EventGrid/topics/eventSubscriptions',
      apiVersion: '2024-06-01-preview',
      name: "[concat(parameters('topics_orders_name'), '/billing')]",
      dependsOn: ["[resourceId('Microsoft.EventGrid/topics', parameters('topics_orders_name'))]"],
      properties: {
        destination: {
          properties: { endpointUrl: "[parameters('eventSubscriptions_url')]", validation: 'none' },
          endpointType: 'WebHook',
        },
        filter: { includedEventTypes: ['order.created'], enableAdvancedFilteringOnArrays: true },
        labels: [],
        eventDeliverySchema: 'CloudEventSchemaV1_0',
        retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
      },
    },
    {
      type: 'Microsoft.EventGrid/topics',
      apiVersion: '2024-06-01-preview',
      name: "[parameters('topics_orders_name')]",
      location: 'westeurope',
      tags: { team: 'billing' },
      sku: { name: 'Basic' },
      kind: 'Azure',
      identity: { type: 'None' },
      properties: {
        minimumTlsVersionAllowed: '1.0',
        inputSchema: 'CloudEventSchemaV1_0',
        publicNetworkAccess: 'Enabled',
        inboundIpRules: [],
        disableLocalAuth: false,
        dataResidencyBoundary: 'WithinGeopair',
      },
    },
  ],
};

/** What `bicep build` makes of a topic and a domain with subscriptions as extension resources. */
const built = {
  $schema: schema,
  contentVersion: '1.0.0.0',
  metadata: { _generator: { name: 'bicep', version: '0.30.3.12046', templateHash: '12708954133297177805' } },
  parameters: {
    topicName: {
      type: 'string',
      defaultValue: "[format('topic-{0}', uniqueString(resourceGroup().id))]",
      metadata: { description: 'The name of the custom topic.' },
    },
    hookUrl: { type: 'string', minLength: 8 },
    location: { type: 'string', defaultValue: '[resourceGroup().location]' },
    deployDomain: { type: 'bool', defaultValue: true },
  },
  variables: { types: ['order.created', 'order.paid'] },
  resources: [
    {
      type: 'Microsoft.EventGrid/topics',
      apiVersion: '2022-06-15',
      name: "[parameters('topicName')]",
      location: "[parameters('location')]",
      properties: { inputSchema: 'CloudEventSchemaV1_0' },
    },
    {
      condition: "[parameters('deployDomain')]",
      type: 'Microsoft.EventGrid/domains',
      apiVersion: '2022-06-15',
      name: 'shop',
      location: "[parameters('location')]",
      properties: { inputSchema: 'CloudEventSchemaV1_0' },
      resources: [
        {
          condition: "[parameters('deployDomain')]",
          type: 'topics',
          apiVersion: '2022-06-15',
          name: 'north',
          dependsOn: ["[resourceId('Microsoft.EventGrid/domains', 'shop')]"],
        },
      ],
    },
    {
      type: 'Microsoft.EventGrid/eventSubscriptions',
      apiVersion: '2022-06-15',
      scope: "[format('Microsoft.EventGrid/topics/{0}', parameters('topicName'))]",
      name: 'billing',
      properties: {
        destination: {
          endpointType: 'WebHook',
          properties: { endpointUrl: "[parameters('hookUrl')]", validation: 'none' },
        },
        filter: { includedEventTypes: "[variables('types')]" },
      },
      dependsOn: ["[resourceId('Microsoft.EventGrid/topics', parameters('topicName'))]"],
    },
    {
      condition: "[parameters('deployDomain')]",
      type: 'Microsoft.EventGrid/eventSubscriptions',
      apiVersion: '2022-06-15',
      scope: "[resourceId('Microsoft.EventGrid/domains/topics', 'shop', 'north')]",
      name: 'billing',
      properties: {
        destination: {
          endpointType: 'WebHook',
          properties: { endpointUrl: "[parameters('hookUrl')]", validation: 'none' },
        },
      },
      dependsOn: [
        "[resourceId('Microsoft.EventGrid/domains/topics', 'shop', 'north')]",
        "[extensionResourceId(resourceId('Microsoft.EventGrid/topics', parameters('topicName')), 'Microsoft.EventGrid/eventSubscriptions', 'billing')]",
      ],
    },
  ],
  outputs: {
    topicId: {
      type: 'string',
      value: "[resourceId('Microsoft.EventGrid/topics', parameters('topicName'))]",
    },
    types: { type: 'array', value: "[variables('types')]" },
    url: { type: 'securestring', value: "[parameters('hookUrl')]" },
  },
};

const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/?code=hidden-code', validation: 'none' },
  },
};
const topic = (name: string, more: object = {}): object => ({
  type: 'Microsoft.EventGrid/topics',
  name,
  properties: { inputSchema: 'CloudEventSchemaV1_0' },
  ...more,
});
const subscription = (topicName: string, name: string, more: object = {}): object => ({
  type: 'Microsoft.EventGrid/topics/eventSubscriptions',
  name: `${topicName}/${name}`,
  properties: hook,
  ...more,
});

function deploy(
  { admin }: Served,
  template: object,
  parameters?: Record<string, unknown>,
  more: object = {},
): Promise<Answer> {
  const given =
    parameters && Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, { value }]));
  return admin('PUT', `${deploymentId}?api-version=2021-04-01`, {
    properties: { mode: 'Incremental', template, ...(given ? { parameters: given } : {}), ...more },
  });
}

/** The paths of all that is stored of topics and domains. */
async function stored({ store }: Served): Promise<string[]> {
  const found: string[] = [];
  for (const kind of ['topics/', 'domains/'])
    for (const { path } of await store.resources.list(kind, undefined, 100)) found.push(path);
  return found;
}

const faults = ({ status, json }: Answer): [number, string, [string, string][]] => [
  status,
  json.error.code,
  (json.error.details ?? []).map(({ target, message }: Record<string, string>) => [target, message]),
];

describe('a template', () => {
  test('as the portal exports it is applied, whatever the order of its resources', async () => {
    const served = await serve();
    const url = 'https://example.com/?code=hidden-code';
    const answer = await deploy(served, exported, { eventSubscriptions_url: url });
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        id: deploymentId,
        name: 'first',
        type: 'Microsoft.Resources/deployments',
        properties: {
          provisioningState: 'Succeeded',
          mode: 'Incremental',
          timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
          outputs: {},
          outputResources: [
            { id: `${provider}/topics/orders` },
            { id: `${provider}/topics/orders/eventSubscriptions/billing` },
          ],
        },
      },
    ]);
    const { admin } = served;
    expect((await admin('GET', '/topics/orders')).json).toMatchObject({
      location: 'westeurope',
      tags: { team: 'billing' },
      properties: { inputSchema: 'CloudEventSchemaV1_0' },
    });
    expect((await admin('GET', '/topics/orders/eventsubscriptions/billing')).json.properties).toMatchObject({
      filter: { includedEventTypes: ['order.created'], enableAdvancedFilteringOnArrays: true },
    });
    expect((await admin('POST', '/topics/orders/eventsubscriptions/billing:getFullUrl')).json).toEqual({
      endpointUrl: url,
    });
    expect(served.lines.join()).not.toContain('hidden-code');
  });

  test('as bicep builds it is applied, and its outputs are told', async () => {
    const served = await serve();
    const { json } = await deploy(served, built, { hookUrl: 'https://example.com/', topicName: 'orders' });
    expect(json.properties).toMatchObject({
      provisioningState: 'Succeeded',
      outputs: {
        topicId: { type: 'string', value: `${provider}/topics/orders` },
        types: { type: 'array', value: ['order.created', 'order.paid'] },
      },
    });
    expect(json.properties.outputs).not.toHaveProperty('url');
    expect(await stored(served)).toEqual([
      'topics/orders',
      'topics/orders/eventsubscriptions/billing',
      'domains/shop',
      'domains/shop/topics/north',
      'domains/shop/topics/north/eventsubscriptions/billing',
    ]);
    expect((await served.admin('GET', '/topics/orders')).json.location).toBe('global');
  });

  test('leaves out what its condition excludes', async () => {
    const served = await serve();
    const given = { hookUrl: 'https://example.com/', deployDomain: false };
    expect((await deploy(served, built, given)).status).toBe(200);
    const paths = await stored(served);
    expect(paths).toEqual([
      expect.stringMatching(/^topics\/topic-[a-z2-7]{13}$/),
      expect.stringMatching(/^topics\/topic-[a-z2-7]{13}\/eventsubscriptions\/billing$/),
    ]);
  });

  test('may come bare, without a deployment around it', async () => {
    const served = await serve();
    const { status } = await served.admin('PUT', deploymentId, { resources: [topic('orders')] });
    expect([status, await stored(served)]).toEqual([200, ['topics/orders']]);
    const wrong = await served.admin('PUT', deploymentId, {
      resources: [topic('x')],
      variables: { copy: [] },
    });
    expect(faults(wrong)).toEqual([
      400,
      'InvalidResource',
      [['/variables/copy', 'saw an array of 0, expected null']],
    ]);
  });

  test('may have the older form of extension resources, and children within children', async () => {
    const served = await serve();
    const answer = await deploy(served, {
      resources: [
        topic('orders', {
          resources: [
            { type: 'providers/eventSubscriptions', name: 'Microsoft.EventGrid/inner', properties: hook },
          ],
        }),
        {
          type: 'Microsoft.EventGrid/topics/providers/eventSubscriptions',
          name: 'orders/Microsoft.EventGrid/outer',
          location: 'westeurope',
          dependsOn: ['orders', 'Microsoft.EventGrid/topics/orders'],
          properties: hook,
        },
        {
          type: 'Microsoft.EventGrid/domains',
          name: 'shop',
          properties: { inputSchema: 'CloudEventSchemaV1_0' },
          resources: [
            {
              type: 'topics',
              name: 'north',
              location: 'westeurope',
              resources: [{ type: 'eventSubscriptions', name: 'deep', properties: hook }],
            },
          ],
        },
      ],
    });
    expect([answer.status, await stored(served)]).toEqual([
      200,
      [
        'topics/orders',
        'topics/orders/eventsubscriptions/inner',
        'topics/orders/eventsubscriptions/outer',
        'domains/shop',
        'domains/shop/topics/north',
        'domains/shop/topics/north/eventsubscriptions/deep',
      ],
    ]);
  });

  test('may add to what is there, and may be applied again', async () => {
    const served = await serve();
    await served.admin('PUT', '/topics/orders', { eventRetentionInDays: 3 });
    const template = { resources: [subscription('orders', 'billing')] };
    expect((await deploy(served, template)).status).toBe(200);
    const { incarnation } = (await served.store.resources.get('topics/orders/eventsubscriptions/billing'))!
      .value as { incarnation: string };
    expect((await deploy(served, template)).status).toBe(200);
    expect(
      (await served.store.resources.get('topics/orders/eventsubscriptions/billing'))!.value,
    ).toMatchObject({
      incarnation,
    });
    expect((await served.admin('GET', '/topics/orders')).json.properties.eventRetentionInDays).toBe(3);
  });

  test('is applied in the order that it asks for', async () => {
    const served = await serve();
    const answer = await deploy(served, {
      resources: [
        subscription('orders', 'third', { dependsOn: ['orders/second'] }),
        subscription('orders', 'second', {
          dependsOn: ["[resourceId('Microsoft.EventGrid/topics/eventSubscriptions', 'orders', 'first')]"],
        }),
        subscription('orders', 'first', { dependsOn: ['zebra'] }),
        topic('orders'),
        topic('zebra', { dependsOn: ['orders'] }),
      ],
    });
    expect(
      answer.json.properties.outputResources.map(({ id }: { id: string }) => id.slice(provider.length)),
    ).toEqual([
      '/topics/orders',
      '/topics/zebra',
      '/topics/orders/eventSubscriptions/first',
      '/topics/orders/eventSubscriptions/second',
      '/topics/orders/eventSubscriptions/third',
    ]);
  });

  test('without resources changes nothing', async () => {
    const served = await serve();
    const { status, json } = await deploy(served, { resources: [] });
    expect([status, json.properties.outputResources]).toEqual([200, []]);
  });
});

describe('nothing is written and the place is named', () => {
  const at = '/properties/template/resources';

  test.each<[string, object, string, RegExp]>([
    [
      'a type of another provider',
      { type: 'Microsoft.Storage/storageAccounts', name: 'one' },
      '/type',
      /^saw "Microsoft.Storage\/storageAccounts", expected Microsoft.EventGrid\/topics, /,
    ],
    [
      'a type that Gridpost has not',
      { type: 'Microsoft.EventGrid/systemTopics', name: 'one' },
      '/type',
      /^saw "Microsoft.EventGrid\/systemTopics"/,
    ],
    ['a module', { type: 'Microsoft.Resources/deployments', name: 'one' }, '/type', /Resources\/deployments/],
    [
      'fewer names than its type has parts',
      { type: 'Microsoft.EventGrid/topics/eventSubscriptions', name: 'billing' },
      '/name',
      /^has 1 names in a row, expected 2/,
    ],
    [
      'a subscription on nothing',
      { type: 'Microsoft.EventGrid/eventSubscriptions', name: 'one', properties: hook },
      '/scope',
      /^is missing/,
    ],
    [
      'a subscription on another kind of resource',
      {
        type: 'Microsoft.EventGrid/eventSubscriptions',
        name: 'one',
        scope: "[resourceId('Microsoft.Storage/storageAccounts', 'one')]",
        properties: hook,
      },
      '/scope',
      /storageAccounts\/one", expected a topic/,
    ],
    ['a scope of a topic', topic('other', { scope: 'Microsoft.EventGrid/domains/d' }), '/scope', /^is for/],
    ['a copy loop', topic('other', { copy: { name: 'a', count: 2 } }), '/copy', /^is not a property/],
    ['a zone', topic('other', { zones: ['1'] }), '/zones', /^is not a property/],
    ['an unknown function', topic('[newGuid()]'), '/name', /^the function newGuid\(\) is not supported/],
    ['a name that is no text', topic("[concat(variables('a'))]"), '/name', /^comes to an array of 1/],
    [
      'a condition that is no boolean',
      topic('other', { condition: "[concat('true')]" }),
      '/condition',
      /^comes to "true", expected a boolean$/,
    ],
    ['a topic name that is too short', topic('or'), '/name', /3 to 50 letters/],
    ['a subscription name that is too short', subscription('orders', 'ab'), '/name', /3 to 64 letters/],
    [
      'a property that cannot be honoured',
      topic('other', { properties: { publicNetworkAccess: 'Disabled' } }),
      '/properties/publicNetworkAccess',
      /^saw "Disabled", expected "Enabled"/,
    ],
    ['an identity', topic('other', { identity: { type: 'SystemAssigned' } }), '/identity', /None/],
    [
      'an endpoint that is no URL',
      subscription('orders', 'other', {
        properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: 'nowhere' } } },
      }),
      '/properties/destination/properties/endpointUrl',
      /^expected an absolute http or https URL$/,
    ],
    [
      'a destination of Azure',
      subscription('orders', 'other', {
        properties: { destination: { endpointType: 'StorageQueue', properties: {} } },
      }),
      '/properties/destination/endpointType',
      /^saw "StorageQueue"/,
    ],
    [
      'credentials whose secret is neither written nor stored',
      subscription('orders', 'other', {
        properties: {
          destination: {
            ...hook.destination,
            properties: { ...hook.destination.properties, credentials: { type: 'bearer' } },
          },
        },
      }),
      '/properties/destination/properties/credentials/token',
      /^is missing, and none of this type is stored$/,
    ],
    [
      'a filter that is none',
      subscription('orders', 'other', {
        properties: { ...hook, filter: { advancedFilters: [{ operatorType: 'Like', key: 'a' }] } },
      }),
      '/properties/filter/advancedFilters/0/operatorType',
      /./,
    ],
    [
      'a subscription on no topic',
      subscription('nowhere', 'one'),
      '/name',
      /nor in the template|neither here/,
    ],
    [
      'a subscription on no topic of a domain that makes none',
      {
        type: 'Microsoft.EventGrid/domains/topics/eventSubscriptions',
        name: 'manual/north/one',
        properties: hook,
      },
      '/name',
      /does not make topics by itself/,
    ],
    [
      'a topic in no domain',
      { type: 'Microsoft.EventGrid/domains/topics', name: 'nowhere/north' },
      '/name',
      /there is no domain "nowhere"/,
    ],
    [
      'a property of a topic in a domain',
      { type: 'Microsoft.EventGrid/domains/topics', name: 'manual/north', properties: { a: 1 } },
      '/properties/a',
      /^is not a property of a domain topic/,
    ],
    [
      'a delivery schema that the topic, itself in the template, cannot be converted to',
      subscription('orders', 'other', { properties: { ...hook, eventDeliverySchema: 'CustomInputSchema' } }),
      '/properties/eventDeliverySchema',
      /^saw "CustomInputSchema", expected .*inputSchema is /,
    ],
    ['a dependency on nothing', topic('other', { dependsOn: ['nowhere'] }), '/dependsOn/0', /"nowhere"$/],
    ['a dependency on itself by another way', topic('other', { dependsOn: [7] }), '/dependsOn/0', /a string/],
    ['a resource twice', topic('orders'), '/name', /^is that of another resource/],
  ])('for %s', async (_, resource, pointer, message) => {
    const served = await serve();
    await served.admin('PUT', '/domains/manual', { autoCreateTopicWithFirstSubscription: false });
    const answer = await deploy(served, {
      variables: { a: [1] },
      resources: [resource, topic('orders'), subscription('orders', 'billing')],
    });
    expect(faults(answer)).toEqual([
      400,
      'InvalidResource',
      [[`${at}/0${pointer}`, expect.stringMatching(message)]],
    ]);
    expect(await stored(served)).toEqual(['domains/manual']);
    expect(answer.text).not.toContain('hidden-code');
  });

  test('for resources that depend on each other in a circle', async () => {
    const served = await serve();
    const answer = await deploy(served, {
      resources: [
        topic('one', { dependsOn: ['two'] }),
        topic('two', { dependsOn: ['three'] }),
        topic('three', { dependsOn: ['one'] }),
      ],
    });
    expect(faults(answer)).toEqual([
      400,
      'InvalidResource',
      [[`${at}/2/dependsOn`, 'goes in a circle through one']],
    ]);
    expect(await stored(served)).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['complete mode', { mode: 'Complete' }, '/mode'],
    ['a linked template', { templateLink: { uri: 'https://example.com' } }, '/templateLink'],
    ['linked parameters', { parametersLink: { uri: 'https://example.com' } }, '/parametersLink'],
    ['a deployment for failures', { onErrorDeployment: { type: 'LastSuccessful' } }, '/onErrorDeployment'],
    ['what it does not know', { somethingNew: 1 }, '/somethingNew'],
    ['a parameter from a vault', { parameters: { a: { reference: {} } } }, '/parameters/a/value'],
    ['a value for no parameter', { parameters: { b: { value: 1 } } }, '/parameters/b'],
    ['functions of its own', { template: { functions: [{}], resources: [] } }, '/template/functions'],
    ['symbolic names', { template: { languageVersion: '2.0', resources: {} } }, '/template/languageVersion'],
    [
      'a template for subscriptions',
      { template: { $schema: schema.replace('deployment', 'subscriptionDeployment'), resources: [] } },
      '/template/$schema',
    ],
    [
      'a parameter without a value',
      { template: { parameters: { a: { type: 'int' } }, resources: [] } },
      '/template/parameters/a',
    ],
    [
      'an output that cannot be told',
      { template: { outputs: { a: { type: 'object', value: "[reference('x')]" } }, resources: [] } },
      '/template/outputs/a/value',
    ],
    ['no resources', { template: {} }, '/template/resources'],
    ['no template', { template: undefined }, '/template'],
  ])('for a deployment with %s', async (_, more, pointer) => {
    const served = await serve();
    const template = { parameters: { a: { type: 'int', defaultValue: 1 } }, resources: [topic('orders')] };
    const answer = await deploy(served, template, undefined, more);
    expect([answer.status, answer.json.error.code]).toEqual([400, 'InvalidResource']);
    expect(answer.json.error.details.map(({ target }: { target: string }) => target)).toContain(
      `/properties${pointer}`,
    );
    expect(await stored(served)).toEqual([]);
  });

  test('for every fault at once', async () => {
    const served = await serve();
    const answer = await deploy(served, {
      resources: [
        topic('or'),
        subscription('nowhere', 'billing'),
        topic('other', { sku: { name: 'Premium' } }),
      ],
    });
    expect(faults(answer)[2].map(([pointer]) => pointer)).toEqual([
      `${at}/0/name`,
      `${at}/2/sku`,
      `${at}/1/name`,
    ]);
  });

  test('where it stands in a nested resource', async () => {
    const served = await serve();
    const answer = await deploy(served, {
      resources: [
        topic('orders', { resources: [{ type: 'eventSubscriptions', name: 'billing', properties: {} }] }),
      ],
    });
    expect(faults(answer)[2].map(([pointer]) => pointer)).toEqual([`${at}/0/resources/0/properties`]);
    expect(await stored(served)).toEqual([]);
  });
});

test.each(['', 'x'.repeat(65), 'a%20b', 'ü'])('the deployment name %j is refused', async (name) => {
  const { admin } = await serve();
  const { status } = await admin('PUT', deploymentId.replace('first', encodeURI(name)), { resources: [] });
  expect(status).toBe(name === '' ? 404 : 400);
});

test('a deployment is not kept: there is nothing to read', async () => {
  const { admin } = await serve();
  await admin('PUT', deploymentId, { resources: [] });
  const { status, headers } = await admin('GET', deploymentId);
  expect([status, headers.allow]).toEqual([405, 'PUT']);
});

test('when a write fails, what was written before it is told, stays, and is no obstacle', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const { resources } = store;
  const put = resources.put.bind(resources);
  let failsAt: string | undefined = 'topics/orders/eventsubscriptions/mailing';
  resources.put = (path, ...rest) => {
    if (path !== failsAt) return put(path, ...rest);
    failsAt = undefined;
    return Promise.reject(new Error('out of order'));
  };
  const served = await serve({ store });
  const template = {
    resources: [
      topic('orders'),
      subscription('orders', 'billing'),
      subscription('orders', 'mailing'),
      subscription('orders', 'parcels'),
    ],
  };
  const failed = await deploy(served, template);
  expect([failed.status, failed.json.error.code]).toEqual([500, 'Internal']);
  expect(failed.json.error.message).toContain(
    '2 of 4 resources were written before it: topics/orders, topics/orders/eventsubscriptions/billing',
  );
  expect(failed.text).not.toContain('out of order');
  expect(served.lines.join()).toContain('out of order');
  expect(await stored(served)).toEqual(['topics/orders', 'topics/orders/eventsubscriptions/billing']);
  expect((await deploy(served, template)).status).toBe(200);
  expect((await stored(served)).length).toBe(4);
});

test('a write that is refused tells which one and what was written before it', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const served = await serve({ store });
  const { resources } = store;
  const put = resources.put.bind(resources);
  // Somebody deletes the topic as soon as it has been made.
  resources.put = async (path, ...rest) => {
    const result = await put(path, ...rest);
    if (path === 'topics/orders') await resources.remove(path, {});
    return result;
  };
  const answer = await deploy(served, {
    resources: [topic('other'), topic('orders'), subscription('orders', 'billing')],
  });
  expect(faults(answer)).toEqual([404, 'ResourceNotFound', []]);
  expect(answer.json.error.message).toBe(
    'topics/orders/eventsubscriptions/billing: there is no topic "orders". 2 of 3 resources were written before it: topics/other, topics/orders; the same deployment can be put again',
  );
});

const signed = (name: string): object =>
  subscription('orders', name, { properties: { ...hook, signing: { scheme: 'v1' } } });

test('a signing secret that is made is shown in the answer, once', async () => {
  const served = await serve();
  const given = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const template = {
    resources: [
      topic('orders'),
      signed('made'),
      subscription('orders', 'plain'),
      subscription('orders', 'given', {
        properties: { ...hook, signing: { scheme: 'v1', secret: given } },
      }),
    ],
  };
  const { json, headers, text } = await deploy(served, template);
  expect(json.properties.signingSecrets).toEqual([
    { id: `${provider}/topics/orders/eventSubscriptions/made`, secret: expect.stringMatching(/^whsec_/) },
  ]);
  expect(headers['cache-control']).toBe('no-store');
  expect(text).not.toContain(given);
  const [{ secret }] = json.properties.signingSecrets;
  const { value } = (await served.store.resources.get('topics/orders/eventsubscriptions/made'))!;
  expect((value as Subscription).properties.signing!.keys[0]!.secret).toBe(secret);
  const again = await deploy(served, template);
  expect(again.json.properties).not.toHaveProperty('signingSecrets');
  expect(served.lines.join()).not.toContain(secret);
  const { json: audit } = await served.admin('GET', '/audit');
  expect(JSON.stringify(audit)).not.toContain(secret);
});

test('when a write fails, the error names the secrets that were made, and shows none', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const { resources } = store;
  const put = resources.put.bind(resources);
  resources.put = (path, ...rest) =>
    path.endsWith('/parcels') ? Promise.reject(new Error('out of order')) : put(path, ...rest);
  const served = await serve({ store });
  const failed = await deploy(served, {
    resources: [topic('orders'), signed('made'), subscription('orders', 'parcels')],
  });
  expect(failed.json.error.message).toContain(
    'put again; signing secrets were made and are shown by :rotateSecret alone: topics/orders/eventsubscriptions/made',
  );
  expect(failed.text).not.toContain('whsec_');
});

test('each resource that is written has an audit record of its own, beside that of the deployment', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const { resources } = store;
  const put = resources.put.bind(resources);
  let isBroken = false;
  resources.put = (path, ...rest) =>
    isBroken && path.endsWith('/billing') ? Promise.reject(new Error('out of order')) : put(path, ...rest);
  const served = await serve({ store });
  const template = { resources: [topic('orders'), subscription('orders', 'billing')] };
  const { headers } = await deploy(served, template);
  const records = (): Record<string, unknown>[] =>
    served.lines.map((line) => JSON.parse(line)).filter(({ audit }) => audit === true);
  const of = (resource: string, status: number): object =>
    expect.objectContaining({
      ...{ requestId: headers['x-ms-request-id'], caller: { kind: 'adminKey', role: 'admin' } },
      ...{ method: 'PUT', path: deploymentId, resource, status, etag: expect.any(String) },
    });
  expect(records()).toEqual([
    of('/topics/orders', 201),
    of('/topics/orders/eventsubscriptions/billing', 201),
    expect.objectContaining({ path: deploymentId, status: 200 }),
  ]);
  expect(records()[2]).not.toHaveProperty('resource');
  isBroken = true;
  await deploy(served, template);
  expect(records().slice(3)).toMatchObject([
    { resource: '/topics/orders', status: 200 },
    { path: deploymentId, status: 500 },
  ]);
});
