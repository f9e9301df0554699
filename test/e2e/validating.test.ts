/**
 * Endpoints that are asked before they get events, with whole servers on every topology: one that agrees, one that
 * refuses, one that calls back, one that takes another's place, and one that is asked by a gateway that dies.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { canSpawnRedis } from '@gridpost/store-redis/testing';
import { Api, eventOf, expectStatus, subscriptionBody, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores, embedded, redis } from '../support/deployment.js';
import { call } from '../support/http.js';
import { describeWithRedis } from '../support/redis.js';
import { agreement, type Receipt, type Sink, startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

const adminKey = 'an-admin-key-of-some-length';
const closed = {
  GRIDPOST_ADMIN_KEY: adminKey,
  GRIDPOST_EGRESS_ALLOW: '127.0.0.0/8',
  GRIDPOST_PUBLIC_URL: 'https://events.example.com',
};
const topic = 'asked';

interface View {
  readonly provisioningState: string;
  readonly handshake?: { readonly reason?: string; readonly tries?: number };
}

const isAsking = ({ method, headers }: Receipt): boolean =>
  method === 'OPTIONS' || headers['aeg-event-type'] === 'SubscriptionValidation';

/** The same gateway, with the admin key. */
const apiOf = ({ gateways }: Deployment, which = 0): Api => new Api(gateways[which]!.url, adminKey);

async function view(api: Api, name: string): Promise<View> {
  const answer = await api.send('GET', subscriptionPath(topic, name));
  expectStatus(answer, 200);
  return answer.json<{ properties: View }>().properties;
}

const reaches = (api: Api, name: string, state: string, withinMs?: number): Promise<View> =>
  until(
    `${name} is ${state}`,
    async () => {
      const seen = await view(api, name);
      return seen.provisioningState === state && seen;
    },
    withinMs === undefined ? {} : { withinMs },
  );

async function put(
  api: Api,
  name: string,
  sink: Sink,
  properties: Record<string, unknown> = {},
): Promise<View> {
  const answer = await api.send(
    'PUT',
    subscriptionPath(topic, name),
    subscriptionBody({ url: sink.url(`/${name}`), properties }),
  );
  expectStatus(answer, 200, 201);
  return answer.json<{ properties: View }>().properties;
}

/** Agrees to what it is asked, and takes everything else. */
const agree = (receipt: Receipt) => agreement(receipt) ?? { status: 200 };

describeStores('an endpoint', (topology) => {
  test.each(['CloudEventSchemaV1_0', 'EventGridSchema'])('of %s that agrees gets events', async (schema) => {
    const deployment = await topology.start(undefined, closed);
    const api = apiOf(deployment);
    const sink = await startSink({ agrees: false });
    sink.reply(agree);
    await api.putTopic(topic, { inputSchema: 'CustomEventSchema' });
    await put(api, 'hook', sink, { eventDeliverySchema: schema });
    // Published at once, whether the endpoint has answered yet or not.
    expectStatus(await api.send('POST', `/topics/${topic}/api/events`, [{ n: 1 }]), 200);
    const [asked, delivered] = await sink.received('/hook', 2);
    expect([asked!, delivered!].map(isAsking)).toEqual([true, false]);
    expect((await reaches(api, 'hook', 'Succeeded')).handshake).not.toHaveProperty('reason');
    if (schema === 'CloudEventSchemaV1_0') {
      expect(asked!.headers['webhook-request-origin']).toBe('events.example.com');
      expect(delivered!.headers).toMatchObject({
        'webhook-request-origin': 'events.example.com',
        origin: 'events.example.com',
      });
    }
    // Counted a moment after it is written.
    await deployment.counted('gridpost_handshakes_total', 1, { state: 'Succeeded' });
    expect(await deployment.metric('gridpost_handshakes_total', { state: 'Succeeded' })).toBe(1);
    await deployment.stop();
  });

  test('that refuses gets nothing, and what it would have got when it is asked again', async () => {
    const deployment = await topology.start(undefined, closed);
    const api = apiOf(deployment);
    const sink = await startSink({ agrees: false });
    sink.reply({ status: 200, headers: { 'webhook-allowed-origin': 'example.org' } });
    await api.putTopic(topic);
    await put(api, 'hook', sink);
    expect((await reaches(api, 'hook', 'Failed')).handshake?.reason).toBe(
      'the endpoint allows another origin than events.example.com',
    );
    await api.accept(topic, eventOf({ id: 'kept' }));
    await deployment.counted('gridpost_deliveries_deferred_total', 1, { reason: 'unproven' });
    expect(sink.receipts.filter((receipt) => !isAsking(receipt))).toEqual([]);
    sink.reply(agree);
    expectStatus(await api.send('POST', `${subscriptionPath(topic, 'hook')}:revalidate`), 202);
    const [delivered] = await sink.received((receipt) => !isAsking(receipt));
    expect(delivered!.event.attributes.id).toBe('kept');
    await deployment.stop();
  });

  test('that takes the place of another gets all events from then on, once it has agreed', async () => {
    const deployment = await topology.start(undefined, closed);
    const api = apiOf(deployment);
    const [old, fresh] = [await startSink(), await startSink({ agrees: false })];
    fresh.reply({ status: 200 });
    await api.putTopic(topic);
    await put(api, 'hook', old);
    await api.accept(topic, eventOf({ id: 'before' }));
    await old.received('/hook');
    expect((await put(api, 'hook', fresh)).provisioningState).toBe('Updating');
    await reaches(api, 'hook', 'AwaitingManualAction');
    for (const id of ['1', '2', '3']) await api.accept(topic, eventOf({ id }));
    await deployment.counted('gridpost_deliveries_deferred_total', 3, { reason: 'unproven' });
    const callback = new URL(String(fresh.receipts[0]!.headers['webhook-request-callback']));
    // Any gateway takes the callback.
    const gateway = deployment.gateways.at(-1)!;
    const granted = await call(`${gateway.url}${callback.pathname}${callback.search}`, { method: 'GET' });
    expect(granted.status).toBe(200);
    const delivered = await fresh.received((receipt) => !isAsking(receipt), 3);
    expect(delivered.map(({ event }) => event.attributes.id).sort()).toEqual(['1', '2', '3']);
    expect(old.receipts).toHaveLength(1);
    await deployment.stop();
  });
});

describe('a gateway that dies while an endpoint is asked', () => {
  test('embedded: the next process asks again at once', async () => {
    const ground = await embedded.prepare();
    const first = await embedded.start(ground, closed);
    const sink = await startSink({ agrees: false });
    sink.reply('silence');
    await apiOf(first).putTopic(topic);
    await put(apiOf(first), 'hook', sink);
    await sink.received('/hook');
    first.gateways[0]!.kill();
    await first.gateways[0]!.exited;
    sink.reply(agree);
    const second = await embedded.start(ground, closed);
    await sink.received('/hook', 2);
    await reaches(apiOf(second), 'hook', 'Succeeded');
  });
});

/** Before all other tests, since it takes half a minute until the try must have ended. */
let bereaved: Deployment | undefined;
beforeAll(async () => {
  if (!canSpawnRedis()) return;
  bereaved = await redis.start(undefined, closed);
  const sink = await startSink({ agrees: false });
  sink.reply('silence');
  await apiOf(bereaved).putTopic(topic);
  await put(apiOf(bereaved), 'hook', sink);
  await sink.received('/hook');
  sink.reply(agree);
  // The one that was written to: it asks at once.
  bereaved.gateways[0]!.kill();
  await bereaved.gateways[0]!.exited;
});

describeWithRedis('a gateway that dies while an endpoint is asked', () => {
  test('redis: another goes on when the try must have ended', async () => {
    await reaches(apiOf(bereaved!, 1), 'hook', 'Succeeded', 100_000);
  });
});
