/** Event Grid's own SDK, unmodified, as publisher and as reader of what is delivered. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AzureKeyCredential, EventGridDeserializer, EventGridPublisherClient } from '@azure/eventgrid';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DeliverySchema, Event } from '@gridpost/model';
import {
  decodeCustom,
  decodeEventGrid,
  decodeRequest,
  encodeBatch,
  encodeDelivery,
  encodeOne,
} from './index.js';

const topic = '/topics/orders';
const eventTime = new Date('2024-05-01T12:00:00.123Z');
const key = new AzureKeyCredential('a2V5');
const insecure = { allowInsecureConnection: true };

interface Received {
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** Takes what publishers send, and answers as Event Grid does. */
let server: Server;
let url: string;
let received: Received[] = [];

beforeAll(async () => {
  server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      received.push({ rawHeaders: req.rawHeaders, body: Buffer.concat(chunks) });
      res.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/topics/orders/api/events`;
});

afterAll(async () => {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
});

/** The one request that `send` makes. */
async function sentBy(send: () => Promise<void>): Promise<Received> {
  received = [];
  await send();
  expect(received).toHaveLength(1);
  return received[0]!;
}

const reader = new EventGridDeserializer();
const batchText = (events: readonly Event[], schema: DeliverySchema): string =>
  encodeBatch(
    events.map((event) => encodeOne(event, schema)),
    schema,
  ).body!.toString();

describe('an event sent in Event Grid’s schema', () => {
  const sent = [
    {
      id: 'a',
      subject: 's/é',
      eventType: 't',
      eventTime,
      dataVersion: '1.0',
      data: { n: 1.5, list: [1, null] },
    },
    { id: 'b', topic, subject: '€', eventType: 't', eventTime, dataVersion: '', data: {} },
    { id: 'c', subject: 's', eventType: 't', eventTime, dataVersion: '2', data: { deep: { n: 0, s: '' } } },
  ];
  const publish = async () => {
    const client = new EventGridPublisherClient(url, 'EventGrid', key, insecure);
    const { body } = await sentBy(() => client.send(sent));
    return decodeEventGrid(body, { topic });
  };

  test('is read in Event Grid’s schema', async () => {
    const read = await reader.deserializeEventGridEvents(batchText(await publish(), 'EventGridSchema'));
    expect(read).toEqual(sent.map((event) => ({ ...event, topic, metadataVersion: '1' })));
  });

  test('is read as a CloudEvent', async () => {
    const read = await reader.deserializeCloudEvents(batchText(await publish(), 'CloudEventSchemaV1_0'));
    expect(read).toEqual(
      sent.map(({ id, subject, dataVersion, data }) => ({
        specversion: '1.0',
        id,
        source: topic,
        type: 't',
        subject,
        time: eventTime,
        data,
        ...(dataVersion === '' ? {} : { extensionAttributes: { dataversion: dataVersion } }),
      })),
    );
  });

  test('is read alone as well', async () => {
    const [event] = await publish();
    const alone = encodeDelivery(event!, 'structured').body!.toString();
    expect(await reader.deserializeCloudEvents(alone)).toMatchObject([
      { id: 'a', source: topic, data: { n: 1.5 } },
    ]);
  });
});

describe('an object sent in a topic’s own schema', () => {
  const sent = [{ kind: 'order.created', order: { id: 7 }, list: [1.5, 'é'] }];
  const mapping = {
    inputSchemaMappingType: 'Json',
    properties: { eventType: { sourceField: 'kind' }, id: { sourceField: 'order.id' } },
  } as const;
  const publish = async () => {
    const client = new EventGridPublisherClient(url, 'Custom', key, insecure);
    const { body } = await sentBy(() => client.send(sent));
    const options = { topic, now: eventTime.getTime(), newId: () => 'unused' };
    return { body, events: decodeCustom(body, mapping, options) };
  };

  test('is read in Event Grid’s schema', async () => {
    const { events } = await publish();
    const read = await reader.deserializeEventGridEvents(batchText(events, 'EventGridSchema'));
    expect(read).toEqual([
      {
        ...{ id: '7', topic, subject: '', eventType: 'order.created', eventTime },
        ...{ dataVersion: '', metadataVersion: '1', data: sent[0] },
      },
    ]);
  });

  test('is read as a CloudEvent', async () => {
    const { events } = await publish();
    const read = await reader.deserializeCloudEvents(batchText(events, 'CloudEventSchemaV1_0'));
    expect(read).toEqual([
      { specversion: '1.0', id: '7', source: topic, type: 'order.created', time: eventTime, data: sent[0] },
    ]);
  });

  test('is delivered as it was sent', async () => {
    const { body, events } = await publish();
    expect(JSON.parse(body.toString())).toEqual(sent);
    expect(batchText(events, 'CustomInputSchema')).toBe(body.toString());
  });
});

describe('a CloudEvent', () => {
  const sent = [
    { id: 'a', source: '/s', type: 't', time: eventTime, subject: 'é', data: { n: 1 } },
    { id: 'b', source: '/s', type: 't', time: eventTime, extensionAttributes: { x: 'y' }, data: {} },
    {
      id: 'c',
      source: '/s',
      type: 't',
      time: eventTime,
      datacontenttype: 'image/png',
      data: Uint8Array.of(0, 255),
    },
  ];

  test('sent is read again, also in a batch', async () => {
    const client = new EventGridPublisherClient(url, 'CloudEvent', key, insecure);
    const { rawHeaders, body } = await sentBy(() => client.send(sent));
    const { mode, events } = decodeRequest(rawHeaders, body);
    expect(mode).toBe('batch');
    const read = await reader.deserializeCloudEvents(batchText(events, 'CloudEventSchemaV1_0'));
    expect(read).toEqual(
      sent.map((event) => ({ specversion: '1.0', datacontenttype: 'application/json', ...event })),
    );
  });
});

test('an event published without data is read, where the SDK would refuse one that has none', async () => {
  const least = { id: '1', subject: 's', eventType: 't', eventTime: eventTime.toISOString() };
  const events = decodeEventGrid(Buffer.from(JSON.stringify([least])), { topic });
  const delivered = batchText(events, 'EventGridSchema');
  expect(await reader.deserializeEventGridEvents(delivered)).toMatchObject([{ id: '1', data: null }]);
  const [{ data: _, ...without }] = JSON.parse(delivered) as [Record<string, unknown>];
  await expect(reader.deserializeEventGridEvents(JSON.stringify([without]))).rejects.toThrow("'data'");
});
