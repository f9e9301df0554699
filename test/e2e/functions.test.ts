/**
 * Functions of an unmodified app on `@azure/functions` as endpoints of whole servers: asked by both handshakes, called in
 * both schemas, named by address or by Azure's id. Their key is nowhere to be found.
 */
import { describe, expect, test } from '@jest/globals';
import { Api, expectStatus, subscriptionPath } from '../support/api.js';
import { describeStores, embedded } from '../support/deployment.js';
import { type FunctionHost, startFunctionHost } from '../support/function-host.js';
import { until } from '../support/waiting.js';

const adminKey = 'an-admin-key-of-some-length';
const key = 'the-system-key-of-the-host';
const topic = 'orders';
const idOf = (functionName: string): string =>
  `/subscriptions/8f6b6269-84f2-4d09-9e31-1127efcd1e40/resourceGroups/examplerg/providers/Microsoft.Web/sites/Shop/functions/${functionName}`;

interface View {
  readonly provisioningState: string;
  readonly handshake?: { readonly reason?: string };
}

async function put(
  api: Api,
  name: string,
  destination: object,
  eventDeliverySchema = 'EventGridSchema',
): Promise<void> {
  const answer = await api.send('PUT', subscriptionPath(topic, name), {
    destination: { endpointType: 'AzureFunction', properties: destination },
    eventDeliverySchema,
    retryPolicy: { delaysInSeconds: [1] },
  });
  expectStatus(answer, 200, 201);
}

const reaches = (api: Api, name: string, state: string): Promise<View> =>
  until(`${name} is ${state}`, async () => {
    const answer = await api.send('GET', subscriptionPath(topic, name));
    expectStatus(answer, 200);
    const { properties } = answer.json<{ properties: View }>();
    return properties.provisioningState === state && properties;
  });

const publish = async (api: Api, id: string): Promise<void> => {
  const event = { id, subject: '/orders/1', eventType: 'order.created', dataVersion: '1', data: { id } };
  const body = [{ ...event, eventTime: '2026-01-31T12:00:00Z' }];
  expectStatus(await api.send('POST', `/topics/${topic}/api/events`, body), 200);
};

const byAddress = ({ url }: FunctionHost, functionName: string): object => ({
  endpointUrl: url,
  functionName,
  key,
});

describeStores('a function', (topology) => {
  test('is called in both schemas, by its address and by its id', async () => {
    const host = await startFunctionHost(key);
    const deployment = await topology.start(undefined, {
      GRIDPOST_ADMIN_KEY: adminKey,
      GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
      GRIDPOST_FUNCTION_APPS: JSON.stringify({ shop: { url: host.url, key } }),
      GRIDPOST_LOG_LEVEL: 'debug',
    });
    const api = new Api(deployment.gateways[0]!.url, adminKey);
    expectStatus(await api.send('PUT', `/topics/${topic}`, { inputSchema: 'EventGridSchema' }), 201);
    await put(api, 'by-address', byAddress(host, 'orders'));
    await put(api, 'by-id', { resourceId: idOf('orders') }, 'CloudEventSchemaV1_0');
    await publish(api, '1');
    const invocations = await host.invoked('orders', 2);
    const grid = invocations.find(({ event }) => 'eventType' in event)!.event;
    expect(grid).toMatchObject({
      ...{ id: '1', subject: '/orders/1', eventType: 'order.created', topic: '/topics/orders' },
      data: { id: '1' },
    });
    const cloud = invocations.find(({ event }) => 'specversion' in event)!.event;
    expect(cloud).toMatchObject({ id: '1', type: 'order.created', data: { id: '1' } });
    for (const name of ['by-address', 'by-id']) await reaches(api, name, 'Succeeded');

    const seen = await Promise.all([
      api.send('GET', `/topics/${topic}/eventsubscriptions`),
      ...['by-address', 'by-id'].flatMap((name) => [
        api.send('GET', subscriptionPath(topic, name)),
        api.send('POST', `${subscriptionPath(topic, name)}:getFullUrl`),
      ]),
      ...deployment.servers.map(({ url }) => new Api(url, adminKey).send('GET', '/metrics')),
    ]);
    for (const answer of seen) {
      expectStatus(answer, 200);
      expect(answer.body.toString()).not.toContain(key);
    }
    for (const { log } of deployment.servers) expect(log.join('\n')).not.toContain(key);
  });
});

describe('a function that cannot be called', () => {
  async function serve() {
    const host = await startFunctionHost(key);
    const deployment = await embedded.start(undefined, {
      GRIDPOST_ADMIN_KEY: adminKey,
      GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
    });
    const api = new Api(deployment.gateways[0]!.url, adminKey);
    expectStatus(await api.send('PUT', `/topics/${topic}`, { inputSchema: 'EventGridSchema' }), 201);
    return { host, api, deployment };
  }

  test.each([
    ['with a wrong key', { key: 'another-key' }, 401],
    ['without its key', { key: null }, 401],
    ['that does not exist', { functionName: 'nothing' }, 404],
    ['that has another trigger', { functionName: 'other' }, 404],
  ])('%s has not agreed', async (_, difference, status) => {
    const { host, api } = await serve();
    await put(api, 'hook', { ...byAddress(host, 'orders'), ...difference });
    const { handshake } = await reaches(api, 'hook', 'Failed');
    expect(handshake!.reason).toBe(`the endpoint answered ${status}, expected 200`);
  });

  test('because it fails is called again', async () => {
    const { host, api, deployment } = await serve();
    await put(api, 'hook', byAddress(host, 'failing'));
    await publish(api, '1');
    await host.invoked('failing', 2);
    await deployment.counted('gridpost_delivery_attempts_total', 1, { outcome: 'retryable' });
  });

  test('on an app that the deployment no longer knows keeps its events', async () => {
    const host = await startFunctionHost(key);
    const ground = await embedded.prepare();
    const apps = { GRIDPOST_FUNCTION_APPS: JSON.stringify({ shop: { url: host.url, key } }) };
    const closed = { GRIDPOST_ADMIN_KEY: adminKey, GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8' };
    const first = await embedded.start(ground, { ...closed, ...apps });
    const api = new Api(first.gateways[0]!.url, adminKey);
    expectStatus(await api.send('PUT', `/topics/${topic}`, { inputSchema: 'EventGridSchema' }), 201);
    await put(api, 'hook', { resourceId: idOf('orders') });
    await reaches(api, 'hook', 'Succeeded');
    await first.stopServers();

    const second = await embedded.start(ground, closed);
    const later = new Api(second.gateways[0]!.url, adminKey);
    await publish(later, '1');
    await second.counted('gridpost_delivery_attempts_total', 1, { outcome: 'retryable' });
    const { log } = second.servers[0]!;
    for (const text of [
      'InvalidAzureFunctionDestination',
      'the function app is not among those of this deployment',
    ])
      await until(`the log says ${text}`, () => log.some((line) => line.includes(text)));
    expect((await later.send('POST', `${subscriptionPath(topic, 'hook')}:getFullUrl`)).status).toBe(409);
  });
});
