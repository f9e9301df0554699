/** Topics with a quota, as publishers and Azure's clients see them. */
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import {
  AzureKeyCredential as NamespacesKeyCredential,
  EventGridSenderClient,
} from '@azure/eventgrid-namespaces';
import { describe, expect, test } from '@jest/globals';
import { limits, type Subscription, subscriptionPath } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { Registry } from '@gridpost/registry';
import { type LeasedDelivery, MemoryStore } from '@gridpost/store';
import { adminKey, type Answer, eventOf, serve, type Served, storedIds } from '../testing/serve.js';

const batch = { 'content-type': 'application/cloudevents-batch+json' };
const eventsOf = (count: number) => Array.from({ length: count }, (_, index) => eventOf({ id: `${index}` }));
const ends = ({ status, headers, text }: Answer) => [
  status,
  headers['retry-after'],
  status === 200 ? undefined : JSON.parse(text).error.details[0].code,
];

/** A subscription that asks no endpoint. */
const queue = { deliveryConfiguration: { deliveryMode: 'Queue' } };

interface Quoted extends Served {
  readonly clock: FakeClock;
  send(count: number): Promise<Answer>;
}

async function serveQuoted(
  publishQuota: object | null,
  options: Parameters<typeof serve>[0] & { readonly clock?: FakeClock } = {},
): Promise<Quoted> {
  const { clock = new FakeClock() } = options;
  const store = options.store ?? new MemoryStore({ clock });
  const served = await serve({ ...options, clock, store });
  await served.admin('PUT', '/topics/orders', { publishQuota });
  return { ...served, clock, send: (count) => served.publish('orders', eventsOf(count), batch) };
}

describe('events a second', () => {
  test('are taken up to the quota, and more when it says', async () => {
    const { send, clock, store, metrics } = await serveQuoted({ eventsPerSecond: 5 });
    expect(ends(await send(5))).toEqual([200, undefined, undefined]);
    const refused = await send(1);
    expect(ends(refused)).toEqual([429, '1', 'PublishRateExceeded']);
    expect(refused.json.error).toEqual({
      code: 'TooManyRequests',
      message: expect.stringMatching(
        /^the topic is over its quota: it takes 5 events a second; nothing was stored\. Report/,
      ),
      details: [{ code: 'PublishRateExceeded', message: refused.json.error.message }],
    });
    await clock.advance(199);
    expect((await send(1)).status).toBe(429);
    await clock.advance(1);
    expect((await send(1)).status).toBe(200);
    expect(await storedIds(store)).toHaveLength(6);
    expect(metrics.publishThrottled.with('orders', 'events').value).toBe(2);
    expect(metrics.eventsPublished.with('orders', 'refused').value).toBe(2);
  });

  test('refuse a batch whole, or take it whole, also one that is larger than a second’s', async () => {
    const { send, clock, store } = await serveQuoted({ eventsPerSecond: 5 });
    await send(3);
    expect(ends(await send(4))).toEqual([429, '1', 'PublishRateExceeded']);
    expect(await storedIds(store)).toHaveLength(3);
    expect((await send(2)).status).toBe(200);
    await clock.advance(1_000);
    expect((await send(50)).status).toBe(200);
    expect(await storedIds(store)).toHaveLength(55);
    expect(ends(await send(1))).toEqual([429, '10', 'PublishRateExceeded']);
  });

  test('are counted for each topic by itself', async () => {
    const { admin, publish, send } = await serveQuoted({ eventsPerSecond: 1 });
    await admin('PUT', '/topics/others', { publishQuota: { eventsPerSecond: 1 } });
    await admin('PUT', '/topics/free');
    for (const topic of ['orders', 'others']) expect((await publish(topic, eventOf())).status).toBe(200);
    for (let i = 0; i < 10; i++) expect((await publish('free', eventOf())).status).toBe(200);
    expect((await send(1)).status).toBe(429);
  });

  test('are refused before the body is asked for', async () => {
    const { send, connect } = await serveQuoted({ eventsPerSecond: 1 });
    await send(1);
    const { socket, closed } = connect();
    const lines = [
      'POST /topics/orders:publish HTTP/1.1',
      'Host: gridpost',
      `Authorization: Bearer ${adminKey}`,
    ];
    socket.write(`${[...lines, 'Content-Length: 100', 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`);
    const answer = await closed;
    expect(answer).toMatch(/^HTTP\/1\.1 429 /);
    expect(answer).not.toContain('100 Continue');
  });
});

test('bytes a second are those of request bodies', async () => {
  const { publish, clock, store, metrics } = await serveQuoted({ bytesPerSecond: 1_000 });
  const event = (bytes: number) => {
    const bare = JSON.stringify(eventOf({ data: '' })).length;
    return JSON.stringify(eventOf({ data: 'x'.repeat(bytes - bare) }));
  };
  expect((await publish('orders', event(600))).status).toBe(200);
  expect(ends(await publish('orders', event(401)))).toEqual([429, '1', 'PublishRateExceeded']);
  expect((await publish('orders', event(400))).status).toBe(200);
  await clock.advance(500);
  expect((await publish('orders', event(501))).status).toBe(429);
  expect((await publish('orders', event(500))).status).toBe(200);
  expect(await storedIds(store)).toHaveLength(3);
  expect(metrics.publishThrottled.with('orders', 'bytes').value).toBe(2);
});

test('a request that one quota refuses is not counted against the other', async () => {
  const { publish, send, clock } = await serveQuoted({ eventsPerSecond: 10, bytesPerSecond: 3_000 });
  await publish('orders', eventOf({ data: 'x'.repeat(2_900) }));
  for (let i = 0; i < 5; i++) expect((await send(9)).status).toBe(429);
  await clock.advance(700);
  expect((await send(9)).status).toBe(200);
});

test('a request that two quotas refuse is told the longer wait', async () => {
  const { publish, metrics } = await serveQuoted({ eventsPerSecond: 1, bytesPerSecond: 100 });
  await publish('orders', eventOf({ data: 'x'.repeat(1_000) }));
  const refused = await publish('orders', eventOf());
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(10);
  expect(metrics.publishThrottled.with('orders', 'bytes').value).toBe(1);
});

test('on Event Grid’s addresses, of topics and of domains, the refusal is the same', async () => {
  const { admin } = await serve({ clock: new FakeClock() });
  const event = {
    id: '1',
    subject: '/s',
    eventType: 't',
    eventTime: '2024-01-01T00:00:00Z',
    dataVersion: '1',
  };
  for (const holder of ['/topics/orders', '/domains/shop']) {
    await admin('PUT', holder, { inputSchema: 'EventGridSchema', publishQuota: { eventsPerSecond: 1 } });
    const topic = holder.startsWith('/domains') ? { topic: 'north' } : {};
    const send = () => admin('POST', `${holder}/api/events`, [{ ...event, ...topic }]);
    expect((await send()).status).toBe(200);
    const refused = await send();
    expect(ends(refused)).toEqual([429, '1', 'PublishRateExceeded']);
    expect(refused.headers['api-supported-versions']).toBe('2018-01-01');
  }
});

describe('Event Grid’s clients wait as they are told, and try again by themselves', () => {
  const insecure = { allowInsecureConnection: true };
  async function setup(inputSchema: string) {
    const clock = new FakeClock();
    const { admin, store, metrics, url } = await serve({ clock });
    await admin('PUT', '/topics/orders', { inputSchema, publishQuota: { eventsPerSecond: 2 } });
    const { key1 } = (await admin('GET', '/topics/orders/keys')).json;
    const { endpoint } = (await admin('GET', '/topics/orders')).json.properties;
    const refused = () => metrics.publishThrottled.with('orders', 'events').value;
    /** The second passes as soon as a client has been refused, which waits for it by itself. */
    const waited = async (sending: Promise<unknown>): Promise<void> => {
      while (refused() === 0) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(1_000);
      await sending;
    };
    return { store, url, endpoint, key: key1 as string, refused, waited };
  }

  test('for custom topics', async () => {
    const { store, endpoint, key, refused, waited } = await setup('EventGridSchema');
    const client = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key), insecure);
    const event = (id: string) => ({ id, subject: '/s', eventType: 't', dataVersion: '1', data: {} });
    await client.send([event('1'), event('2')]);
    await waited(client.send([event('3')]));
    expect([await storedIds(store), refused()]).toEqual([['1', '2', '3'], 1]);
  });

  test('for topics of namespaces', async () => {
    const { store, url, key, refused, waited } = await setup('CloudEventSchemaV1_0');
    const client = new EventGridSenderClient(url, new NamespacesKeyCredential(key), 'orders', insecure);
    const event = (id: string) => ({ id, source: '/s', type: 't', specversion: '1.0', data: {} });
    await client.sendEvents([event('1'), event('2')]);
    await waited(client.sendEvents(event('3')));
    expect([await storedIds(store), refused()]).toEqual([['1', '2', '3'], 1]);
  });
});

describe('several gateways', () => {
  const second = ({ store, clock }: Served & { readonly clock: FakeClock }) =>
    serve({ store, clock, registry: new Registry(store, clock) });

  test('share a quota evenly, and it is whole again for the one that is left', async () => {
    const first = await serveQuoted({ eventsPerSecond: 10 });
    const { clock, send } = first;
    const other = await second(first);
    await clock.advance(3_000);
    expect((await send(5)).status).toBe(200);
    expect((await send(1)).status).toBe(429);
    expect((await other.publish('orders', eventsOf(5), batch)).status).toBe(200);
    expect((await other.publish('orders', eventOf())).status).toBe(429);
    await other.gateway.drain();
    await clock.advance(3_000);
    expect((await send(10)).status).toBe(200);
    expect((await send(1)).status).toBe(429);
  });

  test('that die are counted for ten seconds more', async () => {
    const first = await serveQuoted({ eventsPerSecond: 10 });
    const { clock, send, store } = first;
    await store.announce('dead', 10_000, 'gateway');
    await clock.advance(9_000);
    expect((await send(6)).status).toBe(200);
    expect(ends(await send(1))).toEqual([429, '1', 'PublishRateExceeded']);
    await clock.advance(3_000);
    expect((await send(10)).status).toBe(200);
    expect((await send(1)).status).toBe(429);
  });

  test('whose store does not answer go by what they knew', async () => {
    const { clock, send, store } = await serveQuoted({ eventsPerSecond: 10 });
    await store.announce('another', 60_000, 'gateway');
    await clock.advance(3_000);
    store.announce = () => Promise.reject(new Error('no answer'));
    await clock.advance(6_000);
    await send(5);
    expect((await send(1)).status).toBe(429);
  });
});

describe('what the topic’s subscriptions hold', () => {
  /** A topic whose subscription holds `bytes` more with each call. */
  async function setup(publishQuota: object | null, options: Parameters<typeof serveQuoted>[1] = {}) {
    const served = await serveQuoted(publishQuota, options);
    const { admin, store, registry } = served;
    await admin('PUT', '/topics/orders/eventsubscriptions/billing', queue);
    const found = await store.resources.get(subscriptionPath('orders', 'billing'));
    const { incarnation } = found!.value as Subscription;
    const { epoch } = (await store.claim(0, 'w1', 3_600_000, 0))!;
    const hold = async (bytes: number): Promise<void> => {
      const { topic } = registry.topic('orders')!;
      await store.append(0, [{ topic: topic.incarnation, frame: Buffer.alloc(bytes) }]);
      const { entries } = await store.read(0, epoch, undefined, { entriesMax: 100, bytesMax: 2 ** 30 });
      const { id, acceptedAt, events } = entries.at(-1)!;
      const state = { attempts: 0, liveFrom: acceptedAt };
      const disposition = { kind: 'deferred', dueInMs: 0, state } as const;
      const deferrals = [{ index: 0, subscription: incarnation, disposition }];
      const outcome = { id, acceptedAt, deferrals, events: new Map([[0, events[0]!]]) };
      await store.settle(0, epoch, { entries: [outcome], outcomes: [] });
    };
    const release = async (): Promise<void> => {
      const ask = { subscription: incarnation, max: 100, leaseMs: 60_000, token: 'c1-' };
      const { deliveries } = await store.receive(0, ask);
      const finished = ({ place: { entry, index }, subscription, token }: LeasedDelivery) => ({
        ...{ entry, index, subscription, token },
        disposition: { kind: 'finished' } as const,
      });
      await store.conclude(0, deliveries.map(finished));
    };
    return { ...served, hold, release };
  }

  test('may be bounded: over it publishers are refused, until less is held', async () => {
    const { clock, send, hold, release, metrics } = await setup({ deferredBytesMax: 10_256 });
    await hold(10_000);
    await clock.advance(5_000);
    expect((await send(1)).status).toBe(200);
    await hold(1);
    await clock.advance(5_000);
    const refused = await send(1);
    expect(ends(refused)).toEqual([429, '5', 'TooMuchDeferred']);
    expect(refused.json.error.code).toBe('TooManyRequests');
    expect(metrics.publishThrottled.with('orders', 'deferred').value).toBe(1);
    await release();
    await clock.advance(5_000);
    expect((await send(1)).status).toBe(200);
  });

  test('is not looked at while no topic bounds it', async () => {
    const { clock, admin, send, hold, store } = await setup(null);
    await hold(10_000);
    const { usage } = store;
    let looks = 0;
    store.usage = (partition) => {
      looks++;
      return usage.call(store, partition);
    };
    await clock.advance(60_000);
    expect([looks, (await send(1)).status]).toEqual([0, 200]);
    await admin('PUT', '/topics/orders', { publishQuota: { deferredBytesMax: 1_000 } });
    await clock.advance(5_000);
    expect([looks, (await send(1)).status]).toEqual([1, 429]);
  });

  test('is bounded by the deployment’s default as well', async () => {
    const { clock, send, hold } = await setup(null, { publishQuota: { deferredBytesMax: 1_000 } });
    await hold(10_000);
    await clock.advance(5_000);
    expect(ends(await send(1))).toEqual([429, '5', 'TooMuchDeferred']);
  });
});

describe('the quota of a topic', () => {
  test('stands in place of the deployment’s defaults, one by one', async () => {
    const publishQuota = { eventsPerSecond: 2, bytesPerSecond: 1_000_000 };
    const { admin, send, clock } = await serveQuoted(null, { publishQuota });
    await send(2);
    expect((await send(1)).status).toBe(429);
    await admin('PUT', '/topics/orders', { publishQuota: { eventsPerSecond: 10, bytesPerSecond: null } });
    await clock.advance(1_000);
    expect((await send(10)).status).toBe(200);
    await clock.advance(1_000);
    await admin('PUT', '/topics/orders', { publishQuota: { bytesPerSecond: 5_000_000 } });
    expect((await send(2)).status).toBe(200);
    expect((await send(1)).status).toBe(429);
  });

  test('survives other changes of the topic, and ends with it', async () => {
    const { admin, send } = await serveQuoted({ eventsPerSecond: 2 });
    await send(2);
    await admin('PUT', '/topics/orders', { eventRetentionInDays: 1, publishQuota: { eventsPerSecond: 2 } });
    expect((await send(1)).status).toBe(429);
    await admin('DELETE', '/topics/orders');
    await admin('PUT', '/topics/orders', { publishQuota: { eventsPerSecond: 2 } });
    expect((await send(2)).status).toBe(200);
  });

  const ranges = [
    ['eventsPerSecond', limits.publishEventsPerSecond],
    ['bytesPerSecond', limits.publishBytesPerSecond],
    ['deferredBytesMax', limits.publishDeferredBytesMax],
  ] as const;
  test.each(ranges)('has a range for %s', async (name, { min, max }) => {
    const { admin } = await serve();
    for (const holder of ['/topics/orders', '/domains/shop']) {
      for (const value of [min, max]) {
        const { status, json } = await admin('PUT', holder, { publishQuota: { [name]: value } });
        expect([status < 300, json.properties.publishQuota]).toEqual([true, { [name]: value }]);
      }
      for (const value of [min - 1, max + 1, 1.5, '1']) {
        const { status, json } = await admin('PUT', holder, { publishQuota: { [name]: value } });
        expect([status, json.errors[0].pointer]).toEqual([400, `/publishQuota/${name}`]);
      }
    }
  });
});

test('limits on resources are settings', async () => {
  const resourceLimits = { topicsMax: 2, subscriptionsPerTopicMax: 1 };
  const { admin } = await serve({ resourceLimits });
  const put = async (path: string, what?: object) => {
    const { status, json } = await admin('PUT', path, what);
    return status < 300 ? status : [status, json.code];
  };
  expect(await put('/topics/one')).toBe(201);
  expect(await put('/domains/two')).toBe(201);
  expect(await put('/topics/three')).toEqual([409, 'TooManyResources']);
  expect(await put('/topics/one')).toBe(200);
  expect(await put('/topics/one/eventsubscriptions/first', queue)).toBe(201);
  expect(await put('/topics/one/eventsubscriptions/second', queue)).toEqual([409, 'TooManyResources']);
  expect(await put('/topics/one/eventsubscriptions/first', queue)).toBe(200);
});
