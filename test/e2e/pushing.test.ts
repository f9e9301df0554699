/**
 * How events are pushed, on every topology, read by the SDKs that receivers use: each schema and content mode, batches,
 * and headers of a subscription's own.
 */
import { AzureKeyCredential, EventGridDeserializer, EventGridPublisherClient } from '@azure/eventgrid';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CloudEvent, HTTP } from 'cloudevents';
import { expectStatus, subscriptionBody, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores } from '../support/deployment.js';
import { type Receipt, type Sink, startSink } from '../support/sink.js';

interface Wish {
  readonly schema?: string;
  readonly push?: object;
}

const grid = (id: string) => ({
  id,
  subject: '/orders/1',
  eventType: 'order.created',
  eventTime: new Date('2026-01-31T12:00:00.000Z'),
  dataVersion: '2',
  data: { order: { id: 17, note: 'größer' } },
});

/** What a receiver makes of a request with the SDK of CloudEvents. */
function toEvents({ headers, body }: Receipt): CloudEvent<unknown>[] {
  return [HTTP.toEvent({ headers, body: body.toString() })].flat() as CloudEvent<unknown>[];
}

describeStores('pushing', (topology) => {
  let deployment: Deployment;
  let sink: Sink;
  let topics = 0;

  beforeAll(async () => {
    deployment = await topology.start();
    sink = await startSink();
  });
  afterAll(() => deployment?.stop());

  /** A topic with one subscription for each wish, at a path of its own. */
  async function setup(inputSchema: string, wishes: Readonly<Record<string, Wish>>) {
    const { api } = deployment;
    const topic = `p-${++topics}`;
    await api.putTopic(topic, { inputSchema });
    for (const [name, { schema, push }] of Object.entries(wishes)) {
      const body = subscriptionBody({
        url: sink.url(`/${topic}/${name}`),
        ...(schema === undefined ? {} : { properties: { eventDeliverySchema: schema } }),
      }) as { properties: { destination: { properties: object } } };
      Object.assign(body.properties.destination.properties, push);
      expectStatus(await api.send('PUT', subscriptionPath(topic, name), body), 201);
    }
    const { key1 } = (await api.send('GET', `/topics/${topic}/keys`)).json<{ key1: string }>();
    const client = new EventGridPublisherClient(
      `${api.url}/topics/${topic}/api/events`,
      inputSchema === 'EventGridSchema' ? 'EventGrid' : 'Custom',
      new AzureKeyCredential(key1),
      { allowInsecureConnection: true },
    );
    const received = (name: string, count?: number): Promise<Receipt[]> =>
      sink.received(`/${topic}/${name}`, count);
    return { api, topic, client, received };
  }

  test('an event of Event Grid is read by its SDK in either schema, and by that of CloudEvents in either mode', async () => {
    const { topic, client, received } = await setup('EventGridSchema', {
      grid: { schema: 'EventGridSchema' },
      cloud: { schema: 'CloudEventSchemaV1_0' },
      binary: { push: { contentMode: 'binary' } },
    });
    await client.send([grid('1')]);
    const reader = new EventGridDeserializer();
    const [inGrid, inCloud, inBinary] = await Promise.all(
      ['grid', 'cloud', 'binary'].map(async (name) => (await received(name))[0]!),
    );
    expect(inGrid!.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(await reader.deserializeEventGridEvents(inGrid!.body.toString())).toEqual([
      { ...grid('1'), topic: `/topics/${topic}`, metadataVersion: '1' },
    ]);
    const expected = { id: '1', source: `/topics/${topic}`, type: 'order.created', subject: '/orders/1' };
    expect(inCloud!.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
    expect(await reader.deserializeCloudEvents(inCloud!.body.toString())).toMatchObject([
      { ...expected, time: grid('1').eventTime, data: grid('1').data },
    ]);
    for (const receipt of [inCloud!, inBinary!])
      expect(toEvents(receipt)).toMatchObject([{ ...expected, dataversion: '2', data: grid('1').data }]);
  });

  test('an event of a topic with its own schema arrives as it was published, or as one of Event Grid or CloudEvents', async () => {
    const { client, received } = await setup('CustomEventSchema', {
      own: { schema: 'CustomInputSchema' },
      grid: { schema: 'EventGridSchema' },
      cloud: {},
    });
    const own = { key: 'k', lines: [1, { a: null }] };
    await client.send([own]);
    expect(JSON.parse((await received('own'))[0]!.body.toString())).toEqual([own]);
    const reader = new EventGridDeserializer();
    const [inGrid] = await received('grid');
    expect(await reader.deserializeEventGridEvents(inGrid!.body.toString())).toMatchObject([{ data: own }]);
    expect(toEvents((await received('cloud'))[0]!)).toMatchObject([{ data: own }]);
  });

  test.each(['EventGridSchema', 'CloudEventSchemaV1_0'])(
    'a thousand events in batches of at most a hundred, in %s, arrive once each',
    async (schema) => {
      const { topic, client } = await setup('EventGridSchema', {
        batches: { schema, push: { maxEventsPerBatch: 100, preferredBatchSizeInKilobytes: 1_024 } },
      });
      const ids: string[] = [];
      const reader = new EventGridDeserializer();
      const read = async (receipt: Receipt): Promise<{ readonly id: string }[]> =>
        schema === 'EventGridSchema'
          ? reader.deserializeEventGridEvents(receipt.body.toString())
          : (toEvents(receipt) as { id: string }[]);
      const path = `/${topic}/batches`;
      for (let at = 0; at < 1_000; at += 100) {
        const events = Array.from({ length: 100 }, (_, i) => grid(`${at + i}`));
        ids.push(...events.map(({ id }) => id));
        await client.send(events);
      }
      let arrived = 0;
      await sink.received((receipt) => {
        if (receipt.path === path) arrived += (JSON.parse(receipt.body.toString()) as unknown[]).length;
        return arrived >= ids.length;
      });
      const batches = await Promise.all(sink.on(path).map(read));
      expect(batches.flatMap((events) => events.map(({ id }) => id)).sort()).toEqual(ids.sort());
      expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(100);
      expect(batches.length).toBeLessThan(200);
    },
  );

  test('headers of the subscription are on its deliveries, and a secret one is told to nobody who does not ask for it', async () => {
    const deliveryAttributeMappings = [
      { name: 'Authorization', type: 'Static', properties: { value: 'Bearer hidden', isSecret: true } },
      { name: 'X-Order', type: 'Dynamic', properties: { sourceField: 'data.order.id' } },
      { name: 'X-Note', type: 'Dynamic', properties: { sourceField: '$.data.order.note' } },
      { name: 'X-None', type: 'Dynamic', properties: { sourceField: 'data.none' } },
    ];
    const { api, topic, client, received } = await setup('EventGridSchema', {
      hook: { schema: 'EventGridSchema', push: { deliveryAttributeMappings } },
    });
    await client.send([grid('1')]);
    const [{ headers }] = (await received('hook')) as [Receipt];
    expect(headers).toMatchObject({
      authorization: 'Bearer hidden',
      'x-order': '17',
      'x-note': 'gr%C3%B6%C3%9Fer',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'hook',
      'aeg-delivery-count': '0',
      'aeg-data-version': '2',
      'aeg-metadata-version': '1',
      'aeg-output-event-id': '1',
    });
    expect(headers).not.toHaveProperty('x-none');
    const one = subscriptionPath(topic, 'hook');
    expect((await api.send('GET', one)).body.toString()).not.toContain('hidden');
    expect((await api.send('POST', `${one}:getDeliveryAttributes`)).json()).toEqual({
      value: deliveryAttributeMappings,
    });
  });
});
