/** Pull delivery over HTTP, by hand and with Event Grid's own client. */
import { AzureKeyCredential } from '@azure/core-auth';
import { EventGridReceiverClient, EventGridSenderClient } from '@azure/eventgrid-namespaces';
import { afterEach, describe, expect, test } from '@jest/globals';
import { decodeRequest } from '@gridpost/codec';
import { directed, Event, type Subscription } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { eventOf, type Served, serve } from '../testing/serve.js';

const path = '/topics/orders/eventsubscriptions/queue';

interface Pulled extends Served {
  readonly clock: FakeClock;
  /** Of the subscription. */
  readonly key: string;
  readonly subscription: Subscription;
  /** Publishes, and puts into the queue what a worker would. */
  deliver(...events: object[]): Promise<void>;
  receive(query?: string): ReturnType<Served['admin']>;
  conclude(operation: string, lockTokens: unknown): ReturnType<Served['admin']>;
}

const clocks: FakeClock[] = [];
afterEach(() => {
  for (const clock of clocks.splice(0)) expect(clock.pending).toBe(0);
});

async function setup(queue: object = {}, properties: object = {}): Promise<Pulled> {
  const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
  const store = new MemoryStore({ clock });
  const served = await serve({ clock, store });
  const { admin } = served;
  await admin('PUT', '/topics/orders');
  const created = await admin('PUT', path, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue }, ...properties },
  });
  expect(created.status).toBe(201);
  const { epoch } = (await store.claim(0, 'w', 1e12, 0))!;
  const subscription = (await store.resources.get(path.slice(1)))!.value as Subscription;
  return {
    ...served,
    clock,
    key: (await admin('GET', `${path}/keys`)).json.key1,
    subscription,
    async deliver(...events) {
      const { status } = await served.publish('orders', events, {
        'content-type': 'application/cloudevents-batch+json',
      });
      expect(status).toBe(200);
      const { entries } = await store.read(0, epoch, undefined, { entriesMax: 100, bytesMax: 1e9 });
      const state = { attempts: 0, liveFrom: clock.now() };
      await store.settle(0, epoch, {
        entries: entries.map(({ id, acceptedAt, events: logged }) => ({
          id,
          acceptedAt,
          events: new Map(logged.entries()),
          deferrals: logged.map((_, index) => ({
            index,
            subscription: subscription.incarnation,
            disposition: { kind: 'deferred', dueInMs: 0, state },
          })),
        })),
        outcomes: [],
        announced: new Set([subscription.incarnation]),
      });
    },
    receive: (query = '') => admin('POST', `${path}:receive${query}`),
    conclude: (operation, lockTokens) => admin('POST', `${path}:${operation}`, { lockTokens }),
  };
}

const tokensIn = (answer: Awaited<ReturnType<Served['admin']>>): string[] =>
  answer.json.value.map(({ brokerProperties }: { brokerProperties: { lockToken: string } }) => {
    return brokerProperties.lockToken;
  });

const failed = (lockToken: string, code: string) => ({
  lockToken,
  error: { code, message: expect.any(String) },
  errorCode: code,
  errorDescription: expect.any(String),
});

describe('receive', () => {
  test('gives events byte for byte with what is known of their delivery', async () => {
    const { deliver, receive, publish } = await setup();
    const event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1.0,"n":2}}';
    expect((await publish('orders', event)).status).toBe(200);
    await deliver(eventOf({ id: '2' }));
    const { status, headers, text, json } = await receive('?maxEvents=10&api-version=2024-06-01');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(json.value).toHaveLength(2);
    expect(json.value[0].brokerProperties).toEqual({ lockToken: expect.any(String), deliveryCount: 1 });
    expect(text).toContain(`"event":${event}}`);
  });

  test('says which job sends an event again', async () => {
    const { deliver, receive, store, subscription } = await setup();
    const { topicIncarnation: topic, incarnation: only } = subscription;
    const headers = ['content-type', 'application/cloudevents+json'];
    const [event] = decodeRequest(headers, Buffer.from(JSON.stringify(eventOf({ id: 'again' })))).events;
    await store.append(0, [
      { topic, frame: directed(event!, { only, cause: 'replayed', job: 'the-job' }).frame },
    ]);
    await deliver();
    const [item] = (await receive()).json.value;
    expect(item).toMatchObject({ brokerProperties: { replay: 'the-job' }, event: { id: 'again' } });
  });

  test('gives one by default', async () => {
    const { deliver, receive } = await setup();
    await deliver(eventOf(), eventOf());
    expect((await receive()).json.value).toHaveLength(1);
    expect((await receive()).json.value).toHaveLength(1);
  });

  test('waits for the first, and answers nothing when the time is over', async () => {
    const { deliver, receive, clock, store } = await setup();
    const listening = store.onDeferred.bind(store);
    const waiting = receive('?maxWaitTime=10');
    const started = new Promise<void>((resolve) => {
      store.onDeferred = (...args) => {
        resolve();
        return listening(...args);
      };
    });
    await started;
    await clock.advance(10_000);
    expect(await waiting).toMatchObject({ status: 200, text: '{"value":[]}' });
    const again = receive('?maxWaitTime=120');
    await deliver(eventOf({ id: 'late' }));
    expect((await again).json.value[0].event.id).toBe('late');
  });

  test.each([
    ['maxEvents=0'],
    ['maxEvents=101'],
    ['maxEvents=x'],
    ['maxEvents=1&maxEvents=2'],
    ['maxWaitTime=9'],
    ['maxWaitTime=121'],
    ['maxWaitTime=10.5'],
  ])('refuses %s', async (query) => {
    const { receive } = await setup();
    const { status, json } = await receive(`?${query}`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({
      code: 'InvalidParameter',
      message: expect.stringContaining('expected'),
    });
  });

  test.each(['maxEvents=1', 'maxEvents=100', 'maxWaitTime=10', 'maxWaitTime=120'])(
    'takes %s',
    async (query) => {
      const { deliver, receive } = await setup();
      await deliver(eventOf());
      expect((await receive(`?${query}`)).status).toBe(200);
    },
  );

  test('is not for subscriptions that are pushed to, nor for what is not there', async () => {
    const { admin } = await setup();
    const hook = {
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: 'https://example.com/', validation: 'none' },
      },
    };
    await admin('PUT', '/topics/orders/eventsubscriptions/hook', hook);
    const pushed = await admin('POST', '/topics/orders/eventsubscriptions/hook:receive');
    expect([pushed.status, pushed.json.error.details[0].code]).toEqual([400, 'WrongDeliveryMode']);
    const missing = await admin('POST', '/topics/orders/eventsubscriptions/none:receive');
    expect([missing.status, missing.json.error.code]).toEqual([404, 'SubscriptionNotFound']);
    expect((await admin('POST', '/topics/nowhere/eventsubscriptions/none:receive')).status).toBe(404);
  });

  test('is asked for by POST, with nothing or with JSON, from no page of another origin', async () => {
    const { call, key } = await setup();
    const ask = (method: string, headers: Record<string, string>, body?: string) =>
      call(method, `${path}:receive`, { headers: { 'aeg-sas-key': key, ...headers }, body });
    const got = await ask('GET', {});
    expect([got.status, got.headers.allow, got.json.error.code]).toEqual([405, 'POST', 'MethodNotAllowed']);
    expect((await call('GET', `${path}:receive`)).status).toBe(401);
    const text = await ask('POST', { 'content-type': 'text/plain' }, 'x');
    expect([text.status, text.json.error.code]).toEqual([415, 'UnsupportedMediaType']);
    const foreign = await ask('POST', { origin: 'https://elsewhere.example' });
    expect([foreign.status, foreign.json.error.code]).toEqual([403, 'Forbidden']);
    for (const { headers } of [got, text, foreign])
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-ms-request-id': expect.any(String),
      });
  });

  test('lets those who wait go when the process ends', async () => {
    const { receive, gateway, store } = await setup();
    const listening = new Promise<void>((resolve) => {
      const { onDeferred } = MemoryStore.prototype;
      store.onDeferred = (...args) => {
        resolve();
        return onDeferred.apply(store, args);
      };
    });
    const waiting = receive();
    await listening;
    await gateway.drain();
    expect((await waiting).json).toEqual({ value: [] });
  });

  test('of somebody who left is for the next', async () => {
    const { deliver, receive, connect, store, key } = await setup();
    const listening = new Promise<void>((resolve) => {
      const { onDeferred } = MemoryStore.prototype;
      store.onDeferred = (...args) => {
        resolve();
        return onDeferred.apply(store, args);
      };
    });
    const { socket, closed } = connect();
    socket.write(
      `POST ${path}:receive HTTP/1.1\r\nhost: x\r\naeg-sas-key: ${key}\r\ncontent-length: 0\r\n\r\n`,
    );
    await listening;
    socket.destroy();
    await closed;
    // The gateway learns of it at the latest with its own answer.
    const next = receive();
    await deliver(eventOf({ id: 'a' }), eventOf({ id: 'b' }));
    const value = [...(await next).json.value, ...(await receive('?maxEvents=10')).json.value];
    expect(value.map(({ event }: { event: { id: string } }) => event.id).sort()).toEqual(['a', 'b']);
    for (const { brokerProperties } of value) expect(brokerProperties.deliveryCount).toBe(1);
  });
});

describe('what was received', () => {
  test('is acknowledged once', async () => {
    const { deliver, receive, conclude, store } = await setup();
    await deliver(eventOf(), eventOf());
    const [first, second] = tokensIn(await receive('?maxEvents=2'));
    expect((await conclude('acknowledge', [first, second])).json).toEqual({
      succeededLockTokens: [first, second],
      failedLockTokens: [],
    });
    const again = await conclude('acknowledge', [first]);
    expect(again.status).toBe(200);
    expect(again.json).toEqual({ succeededLockTokens: [], failedLockTokens: [failed(first!, 'TokenLost')] });
    expect((await store.usage(0)).subscriptions).toEqual([]);
  });

  test('is released at once, or after a delay, and counted when it comes again', async () => {
    const { deliver, receive, conclude, clock } = await setup();
    await deliver(eventOf());
    const released = await conclude('release', tokensIn(await receive()));
    expect(released.json.succeededLockTokens).toHaveLength(1);
    const second = await receive();
    expect(second.json.value[0].brokerProperties.deliveryCount).toBe(2);
    await conclude('release?releaseDelayInSeconds=60', tokensIn(second));
    await clock.advance(59_000);
    const third = receive();
    await clock.advance(1_000);
    expect((await third).json.value[0].brokerProperties.deliveryCount).toBe(3);
  });

  test.each([1, 9, 59, 3_601, -1])('is not released after %i seconds', async (seconds) => {
    const { deliver, receive, conclude } = await setup();
    await deliver(eventOf());
    const answer = await conclude(`release?releaseDelayInSeconds=${seconds}`, tokensIn(await receive()));
    expect([answer.status, answer.json.error.code]).toEqual([400, 'InvalidParameter']);
  });

  test('is rejected into the dead letters, or dropped where none are wanted', async () => {
    const { deliver, receive, conclude, admin } = await setup();
    await deliver(eventOf({ id: 'bad' }));
    await conclude('reject', tokensIn(await receive()));
    expect((await admin('GET', `${path}/deadletters`)).json.value).toMatchObject([
      { deadLetterReason: 'Rejected', attempts: 1, event: { id: 'bad' } },
    ]);
    const other = await setup({}, { deadLettering: false });
    await other.deliver(eventOf());
    await other.conclude('reject', tokensIn(await other.receive()));
    expect((await other.store.usage(0)).subscriptions).toEqual([]);
  });

  test('is lost when its lock has run out, unless that was renewed', async () => {
    const { deliver, receive, conclude, clock } = await setup({ receiveLockDurationInSeconds: 60 });
    await deliver(eventOf({ id: 'renewed' }), eventOf({ id: 'lost' }));
    const [renewed, lost] = tokensIn(await receive('?maxEvents=2'));
    await clock.advance(59_000);
    expect((await conclude('renewLock', [renewed])).json.succeededLockTokens).toEqual([renewed]);
    await clock.advance(1_000);
    expect((await conclude('acknowledge', [renewed, lost])).json).toEqual({
      succeededLockTokens: [renewed],
      failedLockTokens: [failed(lost!, 'TokenLost')],
    });
    expect((await receive()).json.value[0]).toMatchObject({
      brokerProperties: { deliveryCount: 2 },
      event: { id: 'lost' },
    });
  });

  test('can be kept for an hour at most', async () => {
    const { deliver, receive, conclude, clock } = await setup({ receiveLockDurationInSeconds: 300 });
    await deliver(eventOf());
    const tokens = tokensIn(await receive());
    for (let minutes = 4; minutes < 60; minutes += 4) {
      await clock.advance(240_000);
      expect((await conclude('renewLock', tokens)).json.succeededLockTokens).toEqual(tokens);
    }
    await clock.advance(240_000);
    expect((await conclude('renewLock', tokens)).json.failedLockTokens).toEqual([
      failed(tokens[0]!, 'TokenLost'),
    ]);
  });

  test('is given up when it has been received as often as it may be', async () => {
    const { deliver, receive, conclude, admin, clock } = await setup({ maxDeliveryCount: 2 });
    await deliver(eventOf({ id: 'released' }));
    await conclude('release', tokensIn(await receive()));
    await conclude('release', tokensIn(await receive()));
    await deliver(eventOf({ id: 'lost' }));
    await receive();
    await clock.advance(60_000);
    await receive();
    await clock.advance(60_000);
    const nothing = receive('?maxWaitTime=10');
    await clock.advance(0);
    await deliver(eventOf({ id: 'next' }));
    expect((await nothing).json.value[0].event.id).toBe('next');
    expect((await admin('GET', `${path}/deadletters`)).json.value).toMatchObject([
      { deadLetterReason: 'MaxDeliveryAttemptsExceeded', attempts: 2, event: { id: 'released' } },
      { deadLetterReason: 'MaxDeliveryAttemptsExceeded', attempts: 2, event: { id: 'lost' } },
    ]);
  });

  test('is given up when it is received too late', async () => {
    const { deliver, receive, admin, clock } = await setup({ eventTimeToLive: 'PT1M' });
    await deliver(eventOf({ id: 'old' }));
    await clock.advance(60_000);
    await deliver(eventOf({ id: 'young' }));
    expect((await receive('?maxEvents=5')).json.value).toMatchObject([{ event: { id: 'young' } }]);
    expect((await admin('GET', `${path}/deadletters`)).json.value).toMatchObject([
      { deadLetterReason: 'TimeToLiveExceeded', attempts: 0, event: { id: 'old' } },
    ]);
  });

  test('is named by tokens of this subscription only', async () => {
    const { deliver, receive, conclude, admin } = await setup();
    await admin('PUT', '/topics/orders/eventsubscriptions/other', {
      deliveryConfiguration: { deliveryMode: 'Queue' },
    });
    await deliver(eventOf());
    const [token] = tokensIn(await receive());
    const other = await admin('POST', '/topics/orders/eventsubscriptions/other:acknowledge', {
      lockTokens: [token, 'x'],
    });
    expect(other.json).toEqual({
      succeededLockTokens: [],
      failedLockTokens: [failed(token!, 'BadToken'), failed('x', 'BadToken')],
    });
    expect((await conclude('acknowledge', [token, token])).json).toEqual({
      succeededLockTokens: [token],
      failedLockTokens: [failed(token!, 'TokenLost')],
    });
  });

  test.each([
    ['no tokens', []],
    ['too many tokens', new Array(101).fill('x')],
    ['no list', 'x'],
    ['an empty token', ['']],
    ['a number', [1]],
  ])('is not named by %s', async (_, tokens) => {
    const { conclude } = await setup();
    for (const operation of ['acknowledge', 'release', 'reject', 'renewLock']) {
      const { status, json } = await conclude(operation, tokens);
      expect([status, json.error.code]).toEqual([400, 'InvalidResource']);
    }
  });

  test('may be named by a hundred tokens', async () => {
    const { conclude } = await setup();
    expect((await conclude('acknowledge', new Array(100).fill('x'))).json.failedLockTokens).toHaveLength(100);
  });
});

describe('a subscription whose events are received', () => {
  test('is shown as it was written, with its defaults', async () => {
    const { admin } = await setup({ maxDeliveryCount: 3 });
    const { json } = await admin('GET', path);
    expect(json.properties.deliveryConfiguration).toEqual({
      deliveryMode: 'Queue',
      queue: { receiveLockDurationInSeconds: 60, maxDeliveryCount: 3, eventTimeToLive: 'P7D' },
    });
    expect(json.properties).not.toHaveProperty('destination');
    expect(json.properties).not.toHaveProperty('retryPolicy');
    expect((await admin('PUT', path, json)).status).toBe(200);
    const url = await admin('POST', `${path}:getFullUrl`);
    expect([url.status, url.json.code]).toEqual([400, 'WrongDeliveryMode']);
  });

  const queue = (members: object) => ({ deliveryConfiguration: { deliveryMode: 'Queue', queue: members } });
  const hook = {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  };
  test.each<[object, string]>([
    [{}, ''],
    [{ ...queue({}), destination: hook }, ''],
    [{ deliveryConfiguration: { deliveryMode: 'Push' } }, '/deliveryConfiguration/deliveryMode'],
    [
      queue({ receiveLockDurationInSeconds: 59 }),
      '/deliveryConfiguration/queue/receiveLockDurationInSeconds',
    ],
    [
      queue({ receiveLockDurationInSeconds: 301 }),
      '/deliveryConfiguration/queue/receiveLockDurationInSeconds',
    ],
    [queue({ maxDeliveryCount: 0 }), '/deliveryConfiguration/queue/maxDeliveryCount'],
    [queue({ maxDeliveryCount: 11 }), '/deliveryConfiguration/queue/maxDeliveryCount'],
    [queue({ eventTimeToLive: 'PT59S' }), '/deliveryConfiguration/queue/eventTimeToLive'],
    [queue({ eventTimeToLive: 'P7DT1S' }), '/deliveryConfiguration/queue/eventTimeToLive'],
    [queue({ eventTimeToLive: '1 day' }), '/deliveryConfiguration/queue/eventTimeToLive'],
    [{ ...queue({}), retryPolicy: { maxDeliveryAttempts: 3 } }, '/retryPolicy'],
  ])('is refused as %j', async (properties, pointer) => {
    const { admin } = await setup();
    const { status, json } = await admin('PUT', `${path}2`, { properties });
    expect(status).toBe(400);
    expect(json.errors.map((error: { pointer: string }) => error.pointer)).toEqual([`/properties${pointer}`]);
    expect((await admin('GET', `${path}2`)).status).toBe(404);
  });

  test.each([
    { receiveLockDurationInSeconds: 60, maxDeliveryCount: 1, eventTimeToLive: 'PT1M' },
    { receiveLockDurationInSeconds: 300, maxDeliveryCount: 10, eventTimeToLive: 'P7D' },
  ])('is taken as %j', async (members) => {
    const { admin } = await setup();
    expect((await admin('PUT', `${path}2`, { properties: queue(members) })).status).toBe(201);
  });
});

/** The client's types see another build of the same class. */
const credentialOf = (key: string): never => new AzureKeyCredential(key) as never;

describe('@azure/eventgrid-namespaces', () => {
  test('sends, receives, acknowledges, releases, rejects and renews', async () => {
    const { port, key, deliver, admin } = await setup();
    const endpoint = `http://127.0.0.1:${port}`;
    const options = { allowInsecureConnection: true };
    const topicKey = (await admin('GET', '/topics/orders/keys')).json.key1;
    const sender = new EventGridSenderClient(endpoint, credentialOf(topicKey), 'orders', options);
    const receiver = new EventGridReceiverClient(endpoint, credentialOf(key), 'orders', 'queue', options);
    for (const id of ['1', '2', '3', '4'])
      await sender.sendEvents({ id, source: '/s', type: 't', data: { n: Number(id) } });
    await deliver();
    const { details } = await receiver.receiveEvents({ maxEvents: 10, maxWaitTime: 10 });
    expect(details.map(({ event }) => event.id)).toEqual(['1', '2', '3', '4']);
    expect(details[0]!.event.data).toEqual({ n: 1 });
    const [a, b, c, d] = details.map(({ brokerProperties }) => brokerProperties.lockToken);
    expect((await receiver.renewEventLocks([a!])).succeededLockTokens).toEqual([a]);
    expect((await receiver.acknowledgeEvents([a!])).succeededLockTokens).toEqual([a]);
    expect((await receiver.releaseEvents([b!])).succeededLockTokens).toEqual([b]);
    expect((await receiver.releaseEvents([c!], { releaseDelay: '3600' })).succeededLockTokens).toEqual([c]);
    expect((await receiver.rejectEvents([d!])).succeededLockTokens).toEqual([d]);
    const lost = await receiver.acknowledgeEvents([a!, 'nonsense']);
    expect(lost.succeededLockTokens).toEqual([]);
    expect(lost.failedLockTokens.map(({ error }) => error.code)).toEqual(['TokenLost', 'BadToken']);
    const again = await receiver.receiveEvents({ maxEvents: 10 });
    expect(
      again.details.map(({ event, brokerProperties }) => [event.id, brokerProperties.deliveryCount]),
    ).toEqual([['2', 2]]);
    expect((await admin('GET', `${path}/deadletters`)).json.value).toHaveLength(1);
  });

  test('learns why it is refused', async () => {
    const { port, key } = await setup();
    const options = { allowInsecureConnection: true };
    const endpoint = `http://127.0.0.1:${port}`;
    const of = (credential: string, name = 'queue') =>
      new EventGridReceiverClient(endpoint, credentialOf(credential), 'orders', name, options);
    await expect(of('wrong').receiveEvents()).rejects.toMatchObject({
      statusCode: 401,
      code: 'Unauthorized',
    });
    await expect(of(key, 'none').receiveEvents()).rejects.toMatchObject({
      statusCode: 403,
      code: 'Forbidden',
    });
  });
});

test('what stands in the store is an event that can be decoded', async () => {
  const { deliver, store, subscription } = await setup();
  await deliver(eventOf({ id: 'x' }));
  const ask = { subscription: subscription.incarnation, max: 1, leaseMs: 1, token: 't.' };
  const [leased] = (await store.receive(0, ask)).deliveries;
  expect(new Event(leased!.frame).id).toBe('x');
});
