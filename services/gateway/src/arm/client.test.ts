/** Azure's own management client, unmodified, over HTTPS with a certificate that it checks. */
import { EventGridManagementClient, type EventSubscription } from '@azure/arm-eventgrid';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agree, Endpoint } from '@gridpost/model/testing';
import { serveSecurely, type ServedSecurely } from '../testing/azure.js';
import { adminKey } from '../testing/serve.js';

const subscriptionId = '8f6b6269-84f2-4d09-9e31-1127efcd1e40';
const group = 'examplerg';
const providerId = `/subscriptions/${subscriptionId}/resourceGroups/${group}/providers/Microsoft.EventGrid`;

interface Managed extends ServedSecurely {
  readonly client: EventGridManagementClient;
}

/** A gateway over TLS, and the client whose credential returns `token`. */
async function manage(token?: string, options: Parameters<typeof serveSecurely>[0] = {}): Promise<Managed> {
  const served = await serveSecurely(options);
  const { url: endpoint, tlsOptions, credential } = served;
  const clientOptions = { endpoint, tlsOptions, retryOptions: { maxRetries: 0 } };
  return {
    ...served,
    client: new EventGridManagementClient(credential(token), subscriptionId, clientOptions),
  };
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

/** An endpoint that agrees to get events, and its webhook. */
let endpoint: Endpoint;
let hook: EventSubscription;
beforeEach(async () => {
  endpoint = await new Endpoint().listen();
  endpoint.reply(agree);
  hook = {
    destination: { endpointType: 'WebHook', endpointUrl: `${endpoint.url}/hook?code=secret` },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
  };
});
afterEach(() => endpoint.close());

describe('topics', () => {
  test('are made, read, changed, listed and deleted', async () => {
    const { client } = await manage();
    const made = await client.topics.beginCreateOrUpdateAndWait(group, 'orders', {
      location: 'westeurope',
      tags: { team: 'billing' },
    });
    expect(made).toMatchObject({
      id: `${providerId}/topics/orders`,
      name: 'orders',
      type: 'Microsoft.EventGrid/topics',
      location: 'westeurope',
      tags: { team: 'billing' },
      inputSchema: 'EventGridSchema',
      provisioningState: 'Succeeded',
      publicNetworkAccess: 'Enabled',
      disableLocalAuth: false,
    });
    expect(made.endpoint).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/topics\/orders\/api\/events$/);
    expect(made.systemData?.createdAt).toBeInstanceOf(Date);
    expect(await client.topics.get(group, 'orders')).toEqual(made);
    await client.topics.beginUpdateAndWait(group, 'orders', { disableLocalAuth: true });
    expect(await client.topics.get(group, 'orders')).toMatchObject({
      disableLocalAuth: true,
      tags: { team: 'billing' },
      location: 'westeurope',
      inputSchema: 'EventGridSchema',
    });
    await client.topics.beginUpdateAndWait(group, 'orders', { tags: { cost: '1' } });
    expect((await client.topics.get(group, 'orders')).tags).toEqual({ cost: '1' });
    await client.topics.beginDeleteAndWait(group, 'orders');
    await expect(client.topics.get(group, 'orders')).rejects.toMatchObject({
      statusCode: 404,
      code: 'ResourceNotFound',
    });
    await client.topics.beginDeleteAndWait(group, 'orders');
  });

  test('are listed page by page, by resource group and by subscription', async () => {
    const { client } = await manage();
    const names = ['topic-1', 'topic-2', 'topic-3'];
    for (const name of names)
      await client.topics.beginCreateOrUpdateAndWait(group, name, { location: 'westeurope' });
    const byGroup = await all(client.topics.listByResourceGroup(group, { top: 2 }));
    expect(byGroup.map(({ id }) => id)).toEqual(names.map((name) => `${providerId}/topics/${name}`));
    const bySubscription = await all(client.topics.listBySubscription({ top: 1 }));
    expect(bySubscription.map(({ name }) => name)).toEqual(names);
    await expect(
      all(client.topics.listByResourceGroup(group, { filter: "name eq 'x'" })),
    ).rejects.toMatchObject({ statusCode: 400, code: 'InvalidParameter' });
  });

  test('have two keys, each of which is replaced on its own', async () => {
    const { client, call } = await manage();
    await client.topics.beginCreateOrUpdateAndWait(group, 'orders', {
      location: 'westeurope',
      inputSchema: 'CloudEventSchemaV1_0',
    });
    const before = await client.topics.listSharedAccessKeys(group, 'orders');
    const after = await client.topics.beginRegenerateKeyAndWait(group, 'orders', { keyName: 'key1' });
    expect(after.key1).not.toBe(before.key1);
    expect(after.key2).toBe(before.key2);
    const publish = (key: string) =>
      call('POST', '/topics/orders:publish', {
        headers: { 'content-type': 'application/cloudevents+json', 'aeg-sas-key': key },
        body: '{"specversion":"1.0","id":"1","source":"/a","type":"b"}',
      });
    expect((await publish(after.key1!)).status).toBe(200);
    expect((await publish(before.key1!)).status).toBe(401);
    await expect(
      client.topics.beginRegenerateKeyAndWait(group, 'orders', { keyName: 'key3' }),
    ).rejects.toMatchObject({ statusCode: 400, code: 'InvalidResource' });
  });
});

describe('domains', () => {
  test('are made, read, changed, listed and deleted, and have keys', async () => {
    const { client } = await manage();
    const made = await client.domains.beginCreateOrUpdateAndWait(group, 'shop', {
      location: 'westeurope',
      autoCreateTopicWithFirstSubscription: false,
    });
    expect(made).toMatchObject({
      id: `${providerId}/domains/shop`,
      name: 'shop',
      type: 'Microsoft.EventGrid/domains',
      inputSchema: 'EventGridSchema',
      autoCreateTopicWithFirstSubscription: false,
      autoDeleteTopicWithLastSubscription: true,
      provisioningState: 'Succeeded',
    });
    expect(await client.domains.get(group, 'shop')).toEqual(made);
    await client.domains.beginUpdateAndWait(group, 'shop', { autoDeleteTopicWithLastSubscription: false });
    expect(await client.domains.get(group, 'shop')).toMatchObject({
      autoCreateTopicWithFirstSubscription: false,
      autoDeleteTopicWithLastSubscription: false,
    });
    expect((await all(client.domains.listByResourceGroup(group))).map(({ name }) => name)).toEqual(['shop']);
    expect((await all(client.domains.listBySubscription())).map(({ name }) => name)).toEqual(['shop']);
    const before = await client.domains.listSharedAccessKeys(group, 'shop');
    const after = await client.domains.regenerateKey(group, 'shop', { keyName: 'key2' });
    expect(after.key1).toBe(before.key1);
    expect(after.key2).not.toBe(before.key2);
    await client.domains.beginDeleteAndWait(group, 'shop');
    await expect(client.domains.get(group, 'shop')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('have topics, which are made, read, listed and deleted', async () => {
    const { client } = await manage();
    await client.domains.beginCreateOrUpdateAndWait(group, 'shop', { location: 'westeurope' });
    const made = await client.domainTopics.beginCreateOrUpdateAndWait(group, 'shop', 'north');
    expect(made).toMatchObject({
      id: `${providerId}/domains/shop/topics/north`,
      name: 'north',
      type: 'Microsoft.EventGrid/domains/topics',
      provisioningState: 'Succeeded',
    });
    expect(await client.domainTopics.get(group, 'shop', 'north')).toEqual(made);
    await client.domainTopics.beginCreateOrUpdateAndWait(group, 'shop', 'south');
    const listed = await all(client.domainTopics.listByDomain(group, 'shop', { top: 1 }));
    expect(listed.map(({ name }) => name)).toEqual(['north', 'south']);
    await client.domainTopics.beginDeleteAndWait(group, 'shop', 'north');
    await expect(client.domainTopics.get(group, 'shop', 'north')).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe('event subscriptions', () => {
  async function withScopes(options: Parameters<typeof serveSecurely>[0] = {}): Promise<Managed> {
    const managed = await manage(undefined, options);
    await managed.client.topics.beginCreateOrUpdateAndWait(group, 'orders', { location: 'westeurope' });
    await managed.client.domains.beginCreateOrUpdateAndWait(group, 'shop', { location: 'westeurope' });
    await managed.client.domainTopics.beginCreateOrUpdateAndWait(group, 'shop', 'north');
    return managed;
  }

  test.each<[string, (client: EventGridManagementClient) => AsyncIterable<EventSubscription>]>([
    [
      'topics/orders',
      (client) => client.eventSubscriptions.listByResource(group, 'Microsoft.EventGrid', 'topics', 'orders'),
    ],
    [
      'domains/shop',
      (client) => client.eventSubscriptions.listByResource(group, 'Microsoft.EventGrid', 'domains', 'shop'),
    ],
    [
      'domains/shop/topics/north',
      (client) => client.eventSubscriptions.listByDomainTopic(group, 'shop', 'north'),
    ],
  ])('are extension resources of %s', async (path, list) => {
    const { client } = await withScopes();
    const { eventSubscriptions } = client;
    // With the leading slash the SDK doubles it.
    const scope = `${providerId}/${path}`;
    const made = await eventSubscriptions.beginCreateOrUpdateAndWait(scope, 'billing', {
      ...hook,
      labels: ['a'],
      filter: {
        includedEventTypes: ['order.created'],
        advancedFilters: [{ operatorType: 'NumberGreaterThan', key: 'data.amount', value: 100 }],
      },
      retryPolicy: { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 },
    });
    expect(made).toMatchObject({
      id: `${scope}/providers/Microsoft.EventGrid/eventSubscriptions/billing`,
      name: 'billing',
      type: 'Microsoft.EventGrid/eventSubscriptions',
      topic: scope,
      provisioningState: 'Succeeded',
      destination: { endpointType: 'WebHook', endpointBaseUrl: `${endpoint.url}/hook` },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
      labels: ['a'],
      retryPolicy: { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 },
    });
    expect(made.destination).not.toHaveProperty('endpointUrl');
    expect(await eventSubscriptions.get(scope, 'billing')).toEqual(made);
    expect(await eventSubscriptions.getFullUrl(scope, 'billing')).toEqual({
      endpointUrl: `${endpoint.url}/hook?code=secret`,
    });
    expect(await eventSubscriptions.getDeliveryAttributes(scope, 'billing')).toEqual({ value: [] });
    const updated = await eventSubscriptions.beginUpdateAndWait(scope, 'billing', {
      labels: ['b'],
      filter: { subjectBeginsWith: '/orders' },
    });
    expect(updated).toMatchObject({
      labels: ['b'],
      filter: { subjectBeginsWith: '/orders' },
      retryPolicy: { maxDeliveryAttempts: 5 },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    });
    expect(updated.filter?.advancedFilters).toBeUndefined();
    expect(await eventSubscriptions.getFullUrl(scope, 'billing')).toEqual({
      endpointUrl: `${endpoint.url}/hook?code=secret`,
    });
    expect(await all(list(client))).toEqual([updated]);
    await eventSubscriptions.beginDeleteAndWait(scope, 'billing');
    await expect(eventSubscriptions.get(scope, 'billing')).rejects.toMatchObject({
      statusCode: 404,
      code: 'ResourceNotFound',
    });
  });

  test('say how their events are pushed, and keep their secrets when something else is updated', async () => {
    const { client } = await withScopes();
    const { topicEventSubscriptions: of } = client;
    const secret = { name: 'Authorization', type: 'Static', value: 'Bearer hidden', isSecret: true } as const;
    const found = { name: 'X-Order', type: 'Dynamic', sourceField: 'data.order.id' } as const;
    const made = await of.beginCreateOrUpdateAndWait(group, 'orders', 'billing', {
      destination: {
        endpointType: 'WebHook',
        endpointUrl: endpoint.url,
        maxEventsPerBatch: 100,
        preferredBatchSizeInKilobytes: 128,
        deliveryAttributeMappings: [secret, found],
      },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    });
    expect(made.destination).toMatchObject({
      maxEventsPerBatch: 100,
      preferredBatchSizeInKilobytes: 128,
      deliveryAttributeMappings: [{ ...secret, value: null }, found],
    });
    await of.beginUpdateAndWait(group, 'orders', 'billing', { labels: ['b'] });
    expect((await of.getDeliveryAttributes(group, 'orders', 'billing')).value).toEqual([secret, found]);
    await expect(
      of.beginUpdateAndWait(group, 'orders', 'billing', { eventDeliverySchema: 'CustomInputSchema' }),
    ).rejects.toMatchObject({ statusCode: 400, code: 'InvalidResource' });
  });

  test('deliver to functions by Azure’s ids of them', async () => {
    const functionApps = new Map([['shop', { url: endpoint.url, key: 'hidden-key' }]]);
    const { client } = await withScopes({ functionApps });
    const { topicEventSubscriptions: of } = client;
    const resourceId = `/subscriptions/${subscriptionId}/resourceGroups/${group}/providers/Microsoft.Web/sites/shop/functions/billing`;
    const made = await of.beginCreateOrUpdateAndWait(group, 'orders', 'billing', {
      destination: { endpointType: 'AzureFunction', resourceId },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    });
    expect(made).toMatchObject({
      provisioningState: 'Succeeded',
      destination: {
        endpointType: 'AzureFunction',
        resourceId,
        maxEventsPerBatch: 1,
        preferredBatchSizeInKilobytes: 64,
      },
    });
    expect(endpoint.received[0]).toMatchObject({
      method: 'OPTIONS',
      path: '/runtime/webhooks/eventgrid?functionName=billing',
      headers: { 'x-functions-key': 'hidden-key' },
    });
    await of.beginUpdateAndWait(group, 'orders', 'billing', { labels: ['b'] });
    expect((await of.get(group, 'orders', 'billing')).destination).toEqual(made.destination);
  });

  test('are children of a topic', async () => {
    const { client } = await withScopes();
    const { topicEventSubscriptions: of } = client;
    const made = await of.beginCreateOrUpdateAndWait(group, 'orders', 'billing', hook);
    expect(made).toMatchObject({
      id: `${providerId}/topics/orders/eventSubscriptions/billing`,
      type: 'Microsoft.EventGrid/topics/eventSubscriptions',
      topic: `${providerId}/topics/orders`,
    });
    expect(await of.get(group, 'orders', 'billing')).toEqual(made);
    expect((await of.getFullUrl(group, 'orders', 'billing')).endpointUrl).toContain('code=secret');
    expect((await of.getDeliveryAttributes(group, 'orders', 'billing')).value).toEqual([]);
    await of.beginUpdateAndWait(group, 'orders', 'billing', { labels: ['b'] });
    expect((await all(of.list(group, 'orders'))).map(({ labels }) => labels)).toEqual([['b']]);
    await of.beginDeleteAndWait(group, 'orders', 'billing');
    expect(await all(of.list(group, 'orders'))).toEqual([]);
  });

  test('are children of a domain', async () => {
    const { client } = await withScopes();
    const { domainEventSubscriptions: of } = client;
    const made = await of.beginCreateOrUpdateAndWait(group, 'shop', 'billing', hook);
    expect(made).toMatchObject({
      id: `${providerId}/domains/shop/eventSubscriptions/billing`,
      type: 'Microsoft.EventGrid/domains/eventSubscriptions',
      topic: `${providerId}/domains/shop`,
    });
    expect(await of.get(group, 'shop', 'billing')).toEqual(made);
    expect((await of.getFullUrl(group, 'shop', 'billing')).endpointUrl).toContain('code=secret');
    expect((await of.getDeliveryAttributes(group, 'shop', 'billing')).value).toEqual([]);
    await of.beginUpdateAndWait(group, 'shop', 'billing', { labels: ['b'] });
    expect((await all(of.list(group, 'shop'))).map(({ labels }) => labels)).toEqual([['b']]);
    await of.beginDeleteAndWait(group, 'shop', 'billing');
    expect(await all(of.list(group, 'shop'))).toEqual([]);
  });

  test('are children of a topic in a domain', async () => {
    const { client } = await withScopes();
    const { domainTopicEventSubscriptions: of } = client;
    const made = await of.beginCreateOrUpdateAndWait(group, 'shop', 'west', 'billing', hook);
    expect(made).toMatchObject({
      id: `${providerId}/domains/shop/topics/west/eventSubscriptions/billing`,
      type: 'Microsoft.EventGrid/domains/topics/eventSubscriptions',
      topic: `${providerId}/domains/shop/topics/west`,
    });
    expect(await of.get(group, 'shop', 'west', 'billing')).toEqual(made);
    expect((await of.getFullUrl(group, 'shop', 'west', 'billing')).endpointUrl).toContain('code=secret');
    expect((await of.getDeliveryAttributes(group, 'shop', 'west', 'billing')).value).toEqual([]);
    await of.beginUpdateAndWait(group, 'shop', 'west', 'billing', { labels: ['b'] });
    expect((await all(of.list(group, 'shop', 'west'))).map(({ labels }) => labels)).toEqual([['b']]);
    await of.beginDeleteAndWait(group, 'shop', 'west', 'billing');
    // The topic came with its first subscription, and went with its last.
    await expect(client.domainTopics.get(group, 'shop', 'west')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('are listed page by page', async () => {
    const { client } = await withScopes();
    const names = ['billing', 'mailing', 'parcels'];
    for (const name of names)
      await client.topicEventSubscriptions.beginCreateOrUpdateAndWait(group, 'orders', name, hook);
    const listed = await all(client.topicEventSubscriptions.list(group, 'orders', { top: 1 }));
    expect(listed.map(({ name }) => name)).toEqual(names);
  });
});

test('a wrong token is refused with a code that the client reads', async () => {
  const { client } = await manage(`${adminKey}x`);
  await expect(client.topics.get(group, 'orders')).rejects.toMatchObject({
    name: 'RestError',
    statusCode: 401,
    code: 'Unauthorized',
  });
});
