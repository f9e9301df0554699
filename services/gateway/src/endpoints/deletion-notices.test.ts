/** Endpoints are told that their subscription is no more; and the end of those that expire. */
import { describe, expect, test } from '@jest/globals';
import { agree, answer, type Received } from '@gridpost/model/testing';
import { type Asked, path, serveAsking } from '../testing/asked.js';

const schema = 'EventGridSchema';

const isNotice = ({ headers }: Received): boolean => headers['aeg-event-type'] === 'SubscriptionDeletion';
const noticesAt = ({ endpoint }: Asked): Received[] => endpoint.received.filter(isNotice);

async function subscribed(wish: Parameters<Asked['subscribe']>[0] = { schema }): Promise<Asked> {
  const asked = await serveAsking();
  asked.endpoint.reply(agree);
  await asked.subscribe(wish);
  await asked.reached('Succeeded');
  return asked;
}

test('an endpoint of Event Grid’s schema is told of the deletion', async () => {
  const asked = await subscribed();
  const { admin, endpoint, clock } = asked;
  expect((await admin('DELETE', path)).status).toBe(204);
  await endpoint.until((received) => received.some(isNotice));
  const [{ method, headers, body }] = noticesAt(asked) as [Received];
  expect(method).toBe('POST');
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'aeg-event-type': 'SubscriptionDeletion',
    'aeg-subscription-name': 'billing',
  });
  expect(JSON.parse(body)).toEqual([
    {
      id: headers['aeg-output-event-id'],
      topic: '/topics/orders',
      subject: '',
      eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent',
      eventTime: new Date(clock.now()).toISOString(),
      data: { eventSubscriptionId: '/topics/orders/eventsubscriptions/billing' },
      dataVersion: '2',
      metadataVersion: '1',
    },
  ]);
  await admin('DELETE', path);
  expect(noticesAt(asked)).toHaveLength(1);
});

test('the deletion does not wait for an endpoint that does not answer', async () => {
  const { admin, endpoint } = await subscribed();
  endpoint.reply(() => undefined);
  expect((await admin('DELETE', path)).status).toBe(204);
  await endpoint.until((received) => received.some(isNotice));
  expect((await admin('GET', path)).status).toBe(404);
});

test('one that fails is told once', async () => {
  const asked = await subscribed();
  const { admin, endpoint, clock, lines } = asked;
  endpoint.reply(answer(500));
  await admin('DELETE', path);
  await endpoint.until((received) => received.some(isNotice));
  await clock.advance(60_000);
  expect(noticesAt(asked)).toHaveLength(1);
  expect(lines.join()).not.toContain(endpoint.url);
});

describe('is not told', () => {
  test.each(['CloudEventSchemaV1_0', 'CustomInputSchema'] as const)('an endpoint of %s', async (other) => {
    const asked = await subscribed({ schema: other });
    await asked.admin('DELETE', path);
    // What is told after it comes after it.
    await asked.subscribe({ schema, url: `${asked.endpoint.url}/next` });
    await asked.reached('Succeeded');
    await asked.admin('DELETE', path);
    await asked.endpoint.until((received) => received.some(isNotice));
    expect(noticesAt(asked).map(({ path: at }) => at)).toEqual(['/next']);
  });

  test('an endpoint that has not agreed', async () => {
    const asked = await serveAsking();
    asked.endpoint.reply(answer(404));
    await asked.subscribe({ schema });
    await asked.reached('Failed');
    await asked.admin('DELETE', path);
    asked.endpoint.reply(agree);
    await asked.subscribe({ schema, url: `${asked.endpoint.url}/next` });
    await asked.reached('Succeeded');
    await asked.admin('DELETE', path);
    await asked.endpoint.until((received) => received.some(isNotice));
    expect(noticesAt(asked).map(({ path: at }) => at)).toEqual(['/next']);
  });
});

test.each([
  ['a topic', '/topics/goods', ''],
  ['a domain', '/domains/goods', ''],
  ['a topic in a domain', '/domains/goods', '/topics/north'],
])('with %s all its subscriptions go, and their endpoints are told', async (_, holder, below) => {
  const asked = await serveAsking();
  const { admin, endpoint } = asked;
  endpoint.reply(agree);
  await admin('PUT', holder, { inputSchema: schema });
  const names = ['billing', 'mailing'];
  for (const name of names)
    await admin('PUT', `${holder}${below}/eventsubscriptions/${name}`, {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: `${endpoint.url}/${name}` } },
      eventDeliverySchema: schema,
    });
  for (const name of names)
    while (
      (await admin('GET', `${holder}${below}/eventsubscriptions/${name}`)).json.properties
        .provisioningState !== 'Succeeded'
    );
  await admin('DELETE', holder + below);
  await endpoint.until((received) => received.filter(isNotice).length === 2);
  expect(
    noticesAt(asked)
      .map(({ path: at }) => at)
      .sort(),
  ).toEqual(['/billing', '/mailing']);
});

describe('a subscription that expires', () => {
  const expiring = async (): Promise<Asked> => {
    const asked = await subscribed();
    const { admin, endpoint, clock } = asked;
    await admin('PUT', path, {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: endpoint.url } },
      eventDeliverySchema: schema,
      expirationTimeUtc: new Date(clock.now() + 60_000).toISOString(),
    });
    return asked;
  };

  test('is removed then, and its endpoint is told', async () => {
    const asked = await expiring();
    const { admin, endpoint, clock } = asked;
    await clock.advance(59_999);
    expect((await admin('GET', path)).status).toBe(200);
    await clock.advance(1_001);
    await endpoint.until((received) => received.some(isNotice));
    expect((await admin('GET', path)).status).toBe(404);
    expect(noticesAt(asked)).toHaveLength(1);
  });

  test('is kept if it was given more time', async () => {
    const asked = await expiring();
    const { subscribe, admin, clock } = asked;
    await subscribe({ schema });
    await clock.advance(120_000);
    expect((await admin('GET', path)).status).toBe(200);
    expect(noticesAt(asked)).toEqual([]);
  });

  test('and was the last on a topic of a domain takes the topic with it', async () => {
    const { admin, clock } = await serveAsking();
    await admin('PUT', '/domains/shop');
    await admin('PUT', '/domains/shop/topics/north/eventsubscriptions/billing', {
      deliveryConfiguration: { deliveryMode: 'Queue' },
      expirationTimeUtc: new Date(clock.now() + 60_000).toISOString(),
    });
    expect((await admin('GET', '/domains/shop/topics/north')).status).toBe(200);
    await clock.advance(61_000);
    expect((await admin('GET', '/domains/shop/topics/north')).status).toBe(404);
  });
});
