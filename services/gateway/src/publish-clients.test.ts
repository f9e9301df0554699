/** The clients that publishers have, unmodified, against the gateway: what they send is stored, what it answers they take. */
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridPublisherClient,
  generateSharedAccessSignature,
} from '@azure/eventgrid';
import {
  AzureKeyCredential as NamespacesKeyCredential,
  EventGridSenderClient,
} from '@azure/eventgrid-namespaces';
import { describe, expect, test } from '@jest/globals';
import type { InputSchema } from '@gridpost/model';
import { CloudEvent, emitterFor, httpTransport, Mode } from 'cloudevents';
import { serveSecurely } from './testing/azure.js';
import { startIssuer } from './testing/issuer.js';
import { serve, storedEvents, storedIds } from './testing/serve.js';

const insecure = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
const schemas = {
  EventGrid: 'EventGridSchema',
  CloudEvent: 'CloudEventSchemaV1_0',
  Custom: 'CustomEventSchema',
} as const satisfies Record<string, InputSchema>;
type Schema = keyof typeof schemas;

const domainMapping = {
  inputSchemaMappingType: 'Json',
  properties: { id: { sourceField: 'id' }, topic: { sourceField: 'topic' } },
};
/** An event as the client wants it in each schema. */
const sent = {
  EventGrid: (id: string, topic?: string) => ({
    ...{ id, subject: '/s', eventType: 't', dataVersion: '1', data: { n: 1 } },
    ...(topic === undefined ? {} : { topic }),
  }),
  CloudEvent: (id: string, source = '/s') => ({ id, source, type: 't', data: { n: 1 } }),
  Custom: (id: string, topic?: string) => ({ id, topic, n: 1 }),
};

async function setup(schema: Schema, path = '/topics/orders') {
  const served = await serve();
  const { admin } = served;
  const inputSchema = schemas[schema];
  await admin('PUT', path, {
    inputSchema,
    ...(schema === 'Custom' ? { inputSchemaMapping: domainMapping } : {}),
  });
  const { key1 } = (await admin('GET', `${path}/keys`)).json;
  const shown: string = (await admin('GET', path)).json.properties.endpoint;
  const endpoint = shown.replace(':publish', '/api/events');
  return { ...served, endpoint, key: key1 as string };
}

describe.each(Object.keys(schemas) as Schema[])('@azure/eventgrid in the schema %s', (schema) => {
  test('publishes with a key', async () => {
    const { endpoint, key, store } = await setup(schema);
    const client = new EventGridPublisherClient(endpoint, schema, new AzureKeyCredential(key), insecure);
    await client.send([sent[schema]('1'), sent[schema]('2')] as never);
    await client.send([sent[schema]('3')] as never);
    expect(await storedIds(store)).toEqual(['1', '2', '3']);
  });

  test('publishes with a signature, until it expires', async () => {
    const { endpoint, key, store } = await setup(schema);
    const send = async (expiresOn: Date) => {
      const signature = await generateSharedAccessSignature(endpoint, new AzureKeyCredential(key), expiresOn);
      const credential = new AzureSASCredential(signature);
      const client = new EventGridPublisherClient(endpoint, schema, credential, insecure);
      await client.send([sent[schema]('1')] as never);
    };
    await send(new Date(Date.now() + 3_600_000));
    await expect(send(new Date(Date.now() - 1_000))).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 401, code: 'Unauthorized' },
    });
    expect(await storedIds(store)).toEqual(['1']);
  });

  test('publishes to a domain', async () => {
    const { endpoint, key, store, registry, admin } = await setup(schema, '/domains/shop');
    for (const topic of ['north', 'south']) {
      await admin('PUT', `/domains/shop/topics/${topic}/eventsubscriptions/in-${topic}`, {
        destination: {
          endpointType: 'WebHook',
          properties: { endpointUrl: 'https://example.com/', validation: 'none' },
        },
      });
    }
    const client = new EventGridPublisherClient(endpoint, schema, new AzureKeyCredential(key), insecure);
    await client.send([sent[schema]('1', 'north'), sent[schema]('2', 'south')] as never);
    const { index } = registry.topic('domains/shop')!;
    const wanted = (await storedEvents(store)).map((event) => [
      event.id,
      index.match(event).map(({ subscription }) => subscription.name),
    ]);
    expect(wanted).toEqual([
      ['1', ['in-north']],
      ['2', ['in-south']],
    ]);
    await expect(client.send([sent[schema]('3', 'a/b')] as never)).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 400, code: 'BadRequest' },
    });
  });

  test('is told what is wrong, in its own error', async () => {
    const { endpoint, key, store } = await setup(schema);
    const failure = (url: string, credential: string, events: unknown[]) =>
      expect(
        new EventGridPublisherClient(url, schema, new AzureKeyCredential(credential), insecure).send(
          events as never,
        ),
      ).rejects;
    const one = [sent[schema]('1')];
    await failure(endpoint, `A${key}`, one).toMatchObject({
      ...{ name: 'RestError', statusCode: 401, code: 'Unauthorized' },
    });
    await failure(endpoint.replace('orders', 'nowhere'), key, one).toMatchObject({
      ...{ name: 'RestError', statusCode: 404, code: 'NotFound' },
    });
    await failure(endpoint, key, []).toMatchObject({
      ...{ name: 'RestError', statusCode: 400, code: 'BadRequest' },
      message: expect.stringContaining('the array is empty'),
    });
    const large =
      schema === 'Custom'
        ? { id: '1', x: 'x'.repeat(1_048_576) }
        : { ...one[0], data: { x: 'x'.repeat(1_048_576) } };
    await failure(endpoint, key, [large]).toMatchObject({
      ...{ name: 'RestError', statusCode: 413, code: 'RequestEntityTooLarge' },
    });
    expect(await storedIds(store)).toEqual([]);
  });
});

test('@azure/eventgrid sends an event that names another topic, and is refused', async () => {
  const { endpoint, key } = await setup('EventGrid');
  const client = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key), insecure);
  await client.send([sent.EventGrid('1', '/topics/orders')]);
  await expect(client.send([sent.EventGrid('2', '/topics/other')])).rejects.toMatchObject({
    ...{ statusCode: 401, code: 'Unauthorized' },
  });
});

describe('@azure/eventgrid-namespaces', () => {
  const sender = ({ port, key }: { port: number; key: string }, topic = 'orders') =>
    new EventGridSenderClient(`http://127.0.0.1:${port}`, new NamespacesKeyCredential(key), topic, insecure);

  test('publishes one event and several', async () => {
    const served = await setup('CloudEvent');
    const client = sender(served);
    const event = { source: '/s', type: 't', data: { n: 1 } };
    await client.sendEvents({ ...event, id: '1' });
    await client.sendEvents([
      { ...event, id: '2' },
      { ...event, id: '3' },
    ]);
    expect(await storedIds(served.store)).toEqual(['1', '2', '3']);
  });

  test('is told what is wrong, in its own error', async () => {
    const served = await setup('CloudEvent');
    const event = { id: '1', source: '/s', type: 't', data: 1 };
    await expect(sender({ ...served, key: 'wrong' }).sendEvents(event)).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 401, code: 'Unauthorized' },
    });
    await expect(sender(served, 'nowhere').sendEvents(event)).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 404, code: 'NotFound' },
    });
    const grid = await setup('EventGrid');
    await expect(sender(grid).sendEvents(event)).rejects.toMatchObject({
      ...{ name: 'RestError', statusCode: 400, code: 'BadRequest' },
      message: expect.stringContaining('/topics/orders/api/events'),
    });
  });
});

test('tokens of the issuer publish through both of Azure’s clients, which send them over HTTPS alone', async () => {
  const issuer = await startIssuer();
  const { sign } = await issuer.makeKey('RS256');
  const claims = { iss: issuer.url, aud: 'gridpost', exp: Math.ceil(Date.now() / 1_000) + 3_600 };
  const served = await serveSecurely({ oidc: { issuer: issuer.url, audience: 'gridpost' } });
  const { admin, url, tlsOptions, credential, store } = served;
  await admin('PUT', '/topics/orders', {});
  const options = { tlsOptions, retryOptions: { maxRetries: 0 } };
  const topic = `${url}/topics/orders/api/events`;
  const right = credential(await sign(claims));
  await new EventGridPublisherClient(topic, 'CloudEvent', right, options).send([sent.CloudEvent('1')]);
  await new EventGridSenderClient(url, right, 'orders', options).sendEvents({
    ...{ id: '2', source: '/s', type: 't', data: { n: 1 } },
  });
  const foreign = credential(await sign({ ...claims, aud: 'others' }));
  await expect(
    new EventGridPublisherClient(topic, 'CloudEvent', foreign, options).send([sent.CloudEvent('3')]),
  ).rejects.toMatchObject({ name: 'RestError', statusCode: 401, code: 'Unauthorized' });
  await expect(
    new EventGridPublisherClient(topic.replace('https', 'http'), 'CloudEvent', right, options).send([]),
  ).rejects.toThrow('https');
  expect(await storedIds(store)).toEqual(['1', '2']);
});

describe('cloudevents', () => {
  test.each([
    ['/topics/orders:publish', Mode.BINARY],
    ['/topics/orders:publish', Mode.STRUCTURED],
    ['/topics/orders/api/events', Mode.BINARY],
    ['/topics/orders/api/events', Mode.STRUCTURED],
  ])('publishes to %s in %s mode', async (path, mode) => {
    const { port, key, store } = await setup('CloudEvent');
    const emit = emitterFor(httpTransport(`http://127.0.0.1:${port}${path}`), { mode });
    const event = new CloudEvent({
      id: '1',
      source: '/s',
      type: 't',
      subject: '/s/1',
      data: { n: 1 },
      trace: 'a',
    });
    const answer = (await emit(event, { headers: { 'aeg-sas-key': key } })) as { body: string };
    expect(answer.body).toBe(path.endsWith(':publish') ? '{}' : '');
    const [found] = await storedEvents(store);
    expect([found!.id, found!.subject, found!.attribute('trace'), found!.parsedData()]).toEqual([
      ...['1', '/s/1', 'a'],
      { n: 1 },
    ]);
  });
});
