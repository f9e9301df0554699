/**
 * A whole journey with Azure's own clients and nothing else, on every topology: the management client makes topics and
 * subscriptions over HTTPS, the publishing client sends to them, and what arrives is read with its deserializer.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EventSubscription, EventGridManagementClient } from '@azure/arm-eventgrid';
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridDeserializer,
  EventGridPublisherClient,
  generateSharedAccessSignature,
} from '@azure/eventgrid';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeCertificate } from '@gridpost/model/testing';
import { type Deployment, describeTopologies } from '../support/deployment.js';
import { type Receipt, type Sink, startSink } from '../support/sink.js';
import { temporaryDirectory } from '../support/teardown.js';

const adminKey = 'an-admin-key-of-some-length';
const group = 'any-group';
const deserializer = new EventGridDeserializer();

const isNotification = ({ headers }: Receipt): boolean => headers['aeg-event-type'] === 'Notification';

describeTopologies('Azure’s clients', (topology) => {
  let deployment: Deployment;
  let sink: Sink;
  let client: EventGridManagementClient;
  let options: { tlsOptions: { ca: string }; retryOptions: { maxRetries: number } };

  beforeAll(async () => {
    const certificate = makeCertificate();
    const directory = temporaryDirectory();
    const paths = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
    for (const part of ['cert', 'key'] as const) writeFileSync(paths[part], certificate[part]);
    deployment = await topology.start(undefined, {
      GRIDPOST_TLS_CERT: paths.cert,
      GRIDPOST_TLS_KEY: paths.key,
      GRIDPOST_ADMIN_KEY: adminKey,
      GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
    });
    sink = await startSink();
    options = { tlsOptions: { ca: certificate.cert }, retryOptions: { maxRetries: 0 } };
    const credential = {
      getToken: async () => ({ token: adminKey, expiresOnTimestamp: Date.now() + 3_600_000 }),
    };
    client = new EventGridManagementClient(credential, '8f6b6269-84f2-4d09-9e31-1127efcd1e40', {
      ...options,
      endpoint: deployment.api.url,
    });
  });
  afterAll(() => deployment?.stop());

  /** A topic with a subscription to everything, both made by the management client. */
  async function setup(topic: string, inputSchema: string, subscription: EventSubscription = {}) {
    const { endpoint } = await client.topics.beginCreateOrUpdateAndWait(group, topic, {
      location: 'westeurope',
      inputSchema,
    });
    const destination = { endpointType: 'WebHook' as const, endpointUrl: sink.url(`/${topic}?code=secret`) };
    const made = await client.topicEventSubscriptions.beginCreateOrUpdateAndWait(group, topic, 'all', {
      destination,
      ...subscription,
    });
    expect(made.provisioningState).toBe('Succeeded');
    const { key1 } = await client.topics.listSharedAccessKeys(group, topic);
    const delivered = async (): Promise<Receipt> => {
      const here = (receipt: Receipt) => isNotification(receipt) && receipt.path.startsWith(`/${topic}?`);
      return (await sink.received(here))[0]!;
    };
    return { endpoint: endpoint!, key: new AzureKeyCredential(key1!), delivered };
  }

  test('an event of Event Grid’s schema', async () => {
    const { endpoint, key, delivered } = await setup('grid', 'EventGridSchema');
    const sent = { id: '1', subject: '/orders/1', eventType: 'order.created', dataVersion: '2' };
    const event = { ...sent, eventTime: new Date('2026-01-02T03:04:05Z'), data: { order: 1 } };
    await new EventGridPublisherClient(endpoint, 'EventGrid', key, options).send([event]);
    const receipt = await delivered();
    expect(receipt.path).toBe('/grid?code=secret');
    const [read] = await deserializer.deserializeEventGridEvents(receipt.body.toString());
    expect(read).toMatchObject({ ...event, topic: '/topics/grid' });
  });

  test('the same event, delivered as a CloudEvent', async () => {
    const { endpoint, key, delivered } = await setup('converted', 'EventGridSchema', {
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    });
    const sent = { id: '1', subject: '/orders/1', eventType: 'order.created', dataVersion: '2' };
    await new EventGridPublisherClient(endpoint, 'EventGrid', key, options).send([
      { ...sent, data: { order: 1 } },
    ]);
    const [read] = await deserializer.deserializeCloudEvents((await delivered()).body.toString());
    expect(read).toMatchObject({ id: '1', source: '/topics/converted', type: 'order.created' });
    expect(read).toMatchObject({ subject: '/orders/1', data: { order: 1 } });
  });

  test('a CloudEvent, with a signature', async () => {
    const { endpoint, key, delivered } = await setup('cloud', 'CloudEventSchemaV1_0');
    const signature = await generateSharedAccessSignature(endpoint, key, new Date(Date.now() + 600_000));
    const event = { id: '1', source: '/shop', type: 'order.created', data: { order: 1 } };
    const publisher = new EventGridPublisherClient(
      endpoint,
      'CloudEvent',
      new AzureSASCredential(signature),
      options,
    );
    await publisher.send([{ ...event, extensionAttributes: { tenant: 'a' } }]);
    const [read] = await deserializer.deserializeCloudEvents((await delivered()).body.toString());
    expect(read).toMatchObject({ ...event, extensionAttributes: { tenant: 'a' } });
  });

  test('an object of a schema of one’s own', async () => {
    const { endpoint, key, delivered } = await setup('custom', 'CustomEventSchema');
    await new EventGridPublisherClient(endpoint, 'Custom', key, options).send([{ anything: ['goes', 1] }]);
    expect(JSON.parse((await delivered()).body.toString())).toEqual([{ anything: ['goes', 1] }]);
  });

  test('what is wrong is told in their own error', async () => {
    const { endpoint } = await setup('wrong', 'EventGridSchema');
    const stranger = new EventGridPublisherClient(
      endpoint,
      'EventGrid',
      new AzureKeyCredential('bm8='),
      options,
    );
    await expect(
      stranger.send([{ id: '1', subject: '/s', eventType: 't', dataVersion: '1', data: {} }]),
    ).rejects.toMatchObject({ name: 'RestError', statusCode: 401, code: 'Unauthorized' });
    await expect(client.topics.get(group, 'nowhere')).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 404, code: 'ResourceNotFound' },
    });
    const eventDeliverySchema = 'CustomInputSchema';
    await expect(setup('wrong', 'EventGridSchema', { eventDeliverySchema })).rejects.toMatchObject({
      name: 'RestError',
      statusCode: 400,
      code: 'InvalidResource',
    });
  });
});
