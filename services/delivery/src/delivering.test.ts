import { describe, expect, test } from '@jest/globals';
import { subscriptionPath } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from './testing/fixture.js';
import { calm, type Rig } from './testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

const deferred = (count: number) => async (): Promise<boolean> => {
  const { subscriptions, logEntries } = await rig.watched.memory.usage(0);
  return logEntries === 0 && subscriptions.reduce((sum, usage) => sum + usage.deferred, 0) === count;
};

describe('a delivered event', () => {
  test('reaches every matching subscription, and leaves nothing behind', async () => {
    await rig.subscribe('all', `${endpoint.url}/all`);
    await rig.subscribe('paid', `${endpoint.url}/paid`, { filter: { includedEventTypes: ['order.paid'] } });
    const { metrics } = await rig.work();
    await rig.publish(['a', 'b']);
    await rig.publish(['c'], { type: 'order.paid' });
    await rig.publish(['d'], { type: 'order.lost' });
    await rig.settled();
    expect(endpoint.ids('/all').sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(endpoint.ids('/paid')).toEqual(['c']);
    expect(metrics.deliveryAttempts.with('orders', 'all', 'success').value).toBe(4);
    expect(metrics.deliveryLag.with('orders').count).toBe(5);
    expect(metrics.eventsMatched.with('orders', 'true').value).toBe(4);
    expect(metrics.attemptsInFlight.with().value).toBe(0);
  });

  test('carries what a receiver needs to know, and the bytes that were published', async () => {
    await rig.subscribe('hook', `${endpoint.url}/hook?key=1`);
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    const [{ path, headers, body }] = endpoint.received as [(typeof endpoint.received)[0]];
    expect(path).toBe('/hook?key=1');
    expect(JSON.parse(body)).toEqual({
      specversion: '1.0',
      id: 'a',
      source: '/shop',
      type: 'order.created',
      data: { id: 'a' },
    });
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'hook',
      'aeg-delivery-count': '0',
      'user-agent': 'gridpost-test',
    });
    expect(headers['webhook-id']).toMatch(/^msg_0_\w+_0_\w{16}$/);
  });

  test('arrives in binary mode where the subscription wants that', async () => {
    await rig.subscribe('hook', endpoint.url, { contentMode: 'binary' });
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    const [{ headers, body }] = endpoint.received as [(typeof endpoint.received)[0]];
    expect(headers).toMatchObject({
      'ce-id': 'a',
      'ce-type': 'order.created',
      'content-type': 'application/json',
    });
    expect(JSON.parse(body)).toEqual({ id: 'a' });
  });

  test('needs no timer on its way', async () => {
    await rig.subscribe('hook', `${endpoint.url}/hook`);
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    rig.clock.stop();
    for (const id of ['b', 'c']) {
      await rig.publish([id]);
      await rig.settled();
    }
    expect(endpoint.ids('/hook')).toEqual(['a', 'b', 'c']);
  });

  test('that nobody wants is settled at once', async () => {
    const { metrics } = await rig.work();
    await rig.publish(['a', 'b']);
    await rig.settled();
    expect(metrics.eventsMatched.with('orders', 'false').value).toBe(2);
  });

  test('of a topic that is gone is for nobody', async () => {
    await rig.subscribe('hook', endpoint.url);
    await rig.watched.memory.append(0, [{ ...rig.pending('a'), topic: 'of-another-life' }]);
    await rig.work();
    await rig.settled();
    expect(endpoint.received).toEqual([]);
  });

  test('is seen by a subscription made just before it was published', async () => {
    await rig.subscribe('first', `${endpoint.url}/first`);
    await rig.work();
    await rig.publish(['a']);
    await rig.settled();
    await rig.subscribe('second', `${endpoint.url}/second`);
    await rig.publish(['b']);
    await rig.settled();
    expect(endpoint.ids('/second')).toEqual(['b']);
  });

  test('costs a settle for many where there are many', async () => {
    await rig.subscribe('hook', endpoint.url);
    await rig.work({ settleWindowMs: 60_000 });
    for (const id of rig.ids(600)) await rig.publish([id]);
    await rig.settled();
    expect(endpoint.received).toHaveLength(600);
    expect(rig.watched.named('settle').length).toBeLessThan(200);
    expect(rig.watched.named('due').length).toBeLessThan(10);
  });
});

describe('a failed attempt', () => {
  test('is repeated after the schedule, under the same id and with its count', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply((request, response) =>
      answer(endpoint.received.length < 3 ? 500 : 200, {}, 'out\u0000of\norder')(request, response),
    );
    const { metrics, lines } = await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(deferred(1));
    await rig.clock.skip(9_000);
    expect(endpoint.received).toHaveLength(1);
    await rig.clock.skip(2_500);
    await endpoint.until((received) => received.length === 2);
    await rig.watched.until(deferred(1));
    await rig.clock.skip(34_000);
    await rig.settled();
    expect(endpoint.received.map(({ headers }) => headers['aeg-delivery-count'])).toEqual(['0', '1', '2']);
    expect(new Set(endpoint.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await rig.usage(subscription)).toEqual({ deferred: 0, deadLettered: 0 });
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'retryable').value).toBe(2);
    expect(metrics.deliveriesDeferred.with('orders', 'hook', 'failed').value).toBe(2);
    expect(lines.filter(({ message }) => message.startsWith('attempt failed'))[0]).toEqual({
      level: 'info',
      message: 'attempt failed, will be repeated',
      fields: {
        topic: 'orders',
        subscription: 'hook',
        eventId: 'a',
        source: '/shop',
        place: expect.stringMatching(/^0\/\w+\/0$/),
        attempt: 1,
        outcome: 'ServerError',
        status: 500,
        durationMs: expect.any(Number),
        error: 'out of order',
        nextInMs: expect.any(Number),
      },
    });
  });

  test('is the last when the allowed number is reached', async () => {
    const retryPolicy = { maxDeliveryAttempts: 2, eventTimeToLiveInMinutes: 1440 };
    const subscription = await rig.subscribe('hook', endpoint.url, { retryPolicy });
    endpoint.reply(answer(503, {}, 'busy'));
    const { metrics } = await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(deferred(1));
    await rig.clock.skip(34_000);
    await rig.settled();
    const [letter] = await rig.deadLetters(subscription);
    expect(letter).toMatchObject({
      reason: 'MaxDeliveryAttemptsExceeded',
      state: { attempts: 2, lastOutcome: 'Busy', lastStatus: 503, lastError: 'busy' },
    });
    expect(endpoint.received).toHaveLength(2);
    expect(metrics.deadLettered.with('orders', 'hook', 'MaxDeliveryAttemptsExceeded').value).toBe(1);
  });

  test.each([
    [400, 'UndeliverableDueToBadRequest'],
    [401, 'UndeliverableDueToUnauthorized'],
    [403, 'UndeliverableDueToForbidden'],
    [413, 'UndeliverableDueToPayloadTooLarge'],
  ])('with status %i is the last at once', async (status, reason) => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(status));
    const { metrics } = await rig.work(calm);
    await rig.publish(['a']);
    await rig.settled();
    expect(await rig.deadLetters(subscription)).toMatchObject([{ reason, state: { attempts: 1 } }]);
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'permanent').value).toBe(1);
  });

  test('leaves nothing, but is counted, where no dead letters are wanted', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, { deadLettering: false });
    endpoint.reply(answer(400));
    const { metrics } = await rig.work(calm);
    await rig.publish(['a']);
    await rig.settled();
    expect(await rig.usage(subscription)).toEqual({ deferred: 0, deadLettered: 0 });
    expect(metrics.dropped.with('orders', 'hook', 'DeadLetteringOff').value).toBe(1);
  });

  test('is repeated no earlier than the endpoint asks', async () => {
    await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(429, { 'retry-after': '120' }));
    await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(deferred(1));
    endpoint.reply(answer(200));
    await rig.clock.skip(119_000);
    expect(endpoint.received).toHaveLength(1);
    await rig.clock.skip(14_000);
    await rig.settled();
    expect(endpoint.received).toHaveLength(2);
  });

  test('of one subscription is no matter of another', async () => {
    await rig.subscribe('bad', `${endpoint.url}/bad`);
    await rig.subscribe('good', `${endpoint.url}/good`);
    endpoint.reply((request, response) => answer(request.path === '/bad' ? 500 : 200)(request, response));
    await rig.work(calm);
    await rig.publish(rig.ids(9));
    await rig.watched.until(deferred(9));
    expect(endpoint.ids('/good')).toHaveLength(9);
    await rig.clock.skip(11_500);
    // Some of them, after which it is held back.
    await endpoint.until(() => endpoint.ids('/bad').length > 9);
    expect(endpoint.ids('/good')).toHaveLength(9);
  });
});

describe('an endpoint that is gone', () => {
  test('disables its subscription, whose events are kept until it is enabled', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(410));
    const { metrics, registry } = await rig.work(calm);
    await rig.publish(['a', 'b']);
    await rig.watched.until(
      () => registry.subscription(subscription.incarnation)!.subscription.status.state === 'Disabled',
    );
    const { status } = registry.subscription(subscription.incarnation)!.subscription;
    expect(status).toMatchObject({ reason: 'the endpoint answered 410 Gone' });
    // Both were under way before the first was answered.
    await endpoint.until((received) => received.length === 2);
    const attempts = endpoint.received.length;
    await rig.publish(['c']);
    await rig.watched.until(deferred(3));
    await rig.clock.skip(95_000);
    expect(endpoint.received).toHaveLength(attempts);
    expect(metrics.deliveriesDeferred.with('orders', 'hook', 'disabled').value).toBeGreaterThanOrEqual(3);
    endpoint.reply(answer(200));
    await rig.put(subscription);
    await rig.watched.memory.hasten(0, subscription.incarnation);
    await rig.clock.skip(6_000);
    await rig.settled();
    expect(endpoint.ids().slice(attempts).sort()).toEqual(['a', 'b', 'c']);
  });

  test('is left alone when somebody changed the subscription meanwhile', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply((request, response) => {
      void rig.put({ ...subscription, updatedAt: 7 }).then(() => answer(410)(request, response));
    });
    await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(() => rig.watched.named('put').length === 1);
    const document = await rig.watched.memory.resources.get(subscriptionPath('orders', 'hook'));
    expect(document!.value).toMatchObject({ updatedAt: 7, status: { state: 'Active' } });
    endpoint.reply(answer(200));
    await rig.clock.skip(31_000);
    await rig.settled();
    expect(endpoint.received).toHaveLength(2);
  });
});

describe('a time to live', () => {
  const retryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1 };

  test('is tested before the first attempt', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, { retryPolicy });
    await rig.publish(['a']);
    await rig.clock.skip(61_000);
    await rig.work(calm);
    await rig.settled();
    expect(await rig.deadLetters(subscription)).toMatchObject([
      { reason: 'TimeToLiveExceeded', state: { attempts: 0 } },
    ]);
    expect(endpoint.received).toEqual([]);
  });

  test('is tested when the next attempt is due, and not before', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, { retryPolicy });
    endpoint.reply(answer(500));
    await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(deferred(1));
    await rig.clock.skip(11_500);
    await endpoint.until((received) => received.length === 2);
    await rig.watched.until(deferred(1));
    await rig.clock.skip(34_000);
    await endpoint.until((received) => received.length === 3);
    await rig.watched.until(deferred(1));
    // The third gap is about a minute: the end of the life lies within.
    await rig.clock.skip(30_000);
    expect(await rig.deadLetters(subscription)).toEqual([]);
    await rig.clock.skip(40_000);
    await rig.settled();
    expect(await rig.deadLetters(subscription)).toMatchObject([
      { reason: 'TimeToLiveExceeded', state: { attempts: 3, lastStatus: 500 } },
    ]);
  });

  test('begins anew with a redrive, whose event is attempted at once', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url, { retryPolicy });
    await rig.publish(['a']);
    await rig.clock.skip(61_000);
    await rig.work(calm);
    await rig.settled();
    const redrivenAt = rig.clock.elapsed();
    await rig.watched.memory.redrive(0, subscription.incarnation, { max: 10 });
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a']);
    // Not when the queues are asked anyway, once in five seconds.
    expect(rig.clock.elapsed() - redrivenAt).toBeLessThan(4_000);
  });
});

describe('a deleted subscription', () => {
  test('is attempted no more, neither from its queue nor from the log', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(500));
    const { metrics } = await rig.work(calm);
    await rig.publish(['a', 'b']);
    await rig.watched.until(deferred(2));
    await rig.unsubscribe(subscription);
    await rig.publish(['c']);
    await rig.clock.skip(12_000);
    await rig.settled();
    expect(endpoint.received).toHaveLength(2);
    expect(metrics.dropped.with('orders', 'hook', 'SubscriptionDeleted').value).toBe(2);
  });

  test('drops what its last attempts fail at', async () => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    let fail = (): void => {};
    endpoint.reply((request, response) => {
      fail = () => answer(500)(request, response);
    });
    const { registry, metrics } = await rig.work(calm);
    await rig.publish(['a']);
    await endpoint.until((received) => received.length === 1);
    await rig.unsubscribe(subscription);
    await rig.watched.until(() => registry.subscription(subscription.incarnation) === undefined);
    fail();
    await rig.settled();
    expect(metrics.dropped.with('orders', 'hook', 'SubscriptionDeleted').value).toBe(1);
  });
});

test('an expired subscription is attempted no more', async () => {
  const expirationTimeUtc = new Date(rig.clock.now() + 60_000).toISOString();
  await rig.subscribe('hook', endpoint.url, { expirationTimeUtc });
  const { metrics } = await rig.work(calm);
  await rig.publish(['a']);
  await rig.settled();
  await rig.clock.skip(60_000);
  await rig.publish(['b']);
  await rig.settled();
  expect(metrics.dropped.with('orders', 'hook', 'SubscriptionDeleted').value).toBe(1);
  expect(endpoint.ids()).toEqual(['a']);
});
