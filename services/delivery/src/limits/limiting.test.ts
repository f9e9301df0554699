/** Limits of subscriptions and wishes of endpoints: what starts, what waits for it, and that nobody else does. */
import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
/** Answers that the endpoint still owes. */
let owed: ServerResponse[];
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
  owed = [];
});

/** Lets time pass in steps, so that answers arrive on the way. */
async function pass(ms: number, stepMs = 10): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await rig.clock.skip(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
const owe = (): void => endpoint.reply((_, response) => void owed.push(response));
function pay(status = 200, headers: Record<string, string> = {}): void {
  for (const response of owed.splice(0)) answer(status, headers)(undefined as never, response);
}

test('no more attempts run at once than the subscription wants, fresh or from the queue', async () => {
  owe();
  const subscription = await rig.subscribe('hook', endpoint.url, { push: { maxConcurrency: 3 } });
  await rig.work();
  await rig.publish(rig.ids(20));
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 20);
  expect(owed).toHaveLength(3);
  const most = 20;
  for (let taken = 3; taken < most; taken += 3) {
    pay();
    await endpoint.until((received) => received.length === Math.min(most, taken + 3));
    expect(owed.length).toBeLessThanOrEqual(3);
  }
  pay();
  await rig.settled();
});

test('attempts start at the rate that the subscription wants, and what waits for it holds nobody up', async () => {
  const rate = 20;
  await rig.subscribe('hook', `${endpoint.url}/hook`, { push: { maxRatePerSecond: rate } });
  await rig.subscribe('other', `${endpoint.url}/other`);
  await rig.work({ ...calm, lineEventsMax: 16, settleWindowMs: 1_000 });
  const began = rig.clock.elapsed();
  for (let i = 0; i < 10; i++) await rig.publish(rig.ids(20));
  await endpoint.until(() => endpoint.ids('/other').length === 200);
  const soon = rig.clock.elapsed();
  expect(endpoint.ids('/hook').length).toBeLessThanOrEqual(3 + (rate * (soon - began)) / 1_000);
  await pass(6_000);
  const seconds = (rig.clock.elapsed() - began) / 1_000;
  const count = endpoint.ids('/hook').length;
  expect(count).toBeLessThanOrEqual(3 + rate * seconds);
  // The queues are asked a second later at worst. Where the machine is slow, all of them have had their time.
  expect(count).toBeGreaterThanOrEqual(Math.min(200, rate * (seconds - 2)));
  await pass(8_000);
  await rig.settled();
  expect(new Set(endpoint.ids('/hook')).size).toBe(200);
});

test('a rate that the endpoint allowed when it was asked is kept to', async () => {
  const subscription = await rig.subscribe('hook', endpoint.url);
  const provisioning = { state: 'Succeeded', at: 0, kind: 'Options', origin: 'x', allowedRate: 60 } as const;
  await rig.put({ ...subscription, provisioning });
  await rig.work({ ...calm, settleWindowMs: 1_000 });
  const began = rig.clock.elapsed();
  await rig.publish(rig.ids(5));
  await pass(2_000);
  expect(endpoint.received.length).toBeLessThanOrEqual(2 + (rig.clock.elapsed() - began) / 1_000);
  await pass(4_000);
  await rig.settled();
});

test('a limit that is written later counts from then on', async () => {
  owe();
  const subscription = await rig.subscribe('hook', endpoint.url, { push: { maxConcurrency: 1 } });
  const { registry } = await rig.work({ settleWindowMs: 60_000 });
  await rig.publish(rig.ids(6));
  await endpoint.until((received) => received.length === 1);
  const { destination } = subscription.properties;
  const properties = { ...destination!.properties, maxConcurrency: 4 };
  await rig.put({
    ...subscription,
    properties: { ...subscription.properties, destination: { ...destination!, properties } },
  } as never);
  await registry.refresh();
  await endpoint.until((received) => received.length === 4);
  expect(owed).toHaveLength(4);
  endpoint.reply(answer(200));
  pay();
  await rig.settled();
});

test.each([429, 503])(
  '%i with Retry-After holds the whole endpoint, and no attempt is counted for it',
  async (status) => {
    const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
    await rig.subscribe('other', `${endpoint.url}/other`);
    endpoint.reply((request, response) => {
      const busy = request.path === '/hook' && endpoint.ids('/hook').length === 1;
      answer(busy ? status : 200, busy ? { 'retry-after': '100' } : {})(request, response);
    });
    const { metrics, lines } = await rig.work({ ...calm, settleWindowMs: 1_000 });
    const [first] = await rig.publish(rig.ids(1));
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 1);
    expect(
      lines.filter(({ message }) => message.startsWith('endpoint wants to be left alone')),
    ).toMatchObject([{ fields: { subscription: 'hook', holdMs: 100_000 } }]);
    await rig.publish(rig.ids(30));
    await endpoint.until(() => endpoint.ids('/other').length === 31);
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 31);
    await pass(80_000, 500);
    expect(endpoint.ids('/hook')).toEqual([first]);
    expect(metrics.concurrencyLimit.with('orders', 'hook').value).toBe(32);
    expect(metrics.heldSeconds.with('orders', 'hook').value).toBeGreaterThan(1);
    expect(metrics.heldSeconds.with('orders', 'hook').value).toBeLessThan(30);
    await pass(40_000, 500);
    await rig.settled();
    expect(endpoint.ids('/hook')).toHaveLength(32);
    // Of those that were held none had an attempt before.
    const counts = endpoint.received
      .filter(({ path }) => path === '/hook')
      .map(({ headers }) => headers['aeg-delivery-count']);
    expect(counts.filter((count) => count === '1')).toHaveLength(1);
    expect(counts.filter((count) => count === '0')).toHaveLength(31);
    expect(metrics.deliveriesDeferred.with('orders', 'hook', 'held').value).toBe(30);
  },
);

test('an endpoint that wants to be left alone for long is asked again after five minutes, the delivery later', async () => {
  const subscription = await rig.subscribe('hook', endpoint.url);
  endpoint.reply(answer(503, { 'retry-after': '3600' }));
  await rig.work({ ...calm, settleWindowMs: 1_000 });
  const [first] = await rig.publish(rig.ids(1));
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 1);
  const [second] = await rig.publish(rig.ids(1));
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 2);
  endpoint.reply(answer(200));
  await pass(290_000, 1_000);
  expect(endpoint.ids()).toEqual([first]);
  await pass(20_000, 1_000);
  expect(endpoint.ids()).toEqual([first, second]);
  await pass(3_700_000, 10_000);
  await rig.settled();
  expect(endpoint.ids()).toEqual([first, second, first]);
});

test('timeouts halve what an endpoint gets at once', async () => {
  owe();
  await rig.subscribe('hook', endpoint.url, { timeoutSeconds: 1 });
  const { metrics } = await rig.work({ ...calm, settleWindowMs: 60_000, concurrency: 8 });
  await rig.publish(rig.ids(16));
  await endpoint.until((received) => received.length === 8);
  await pass(1_100);
  await endpoint.until((received) => received.length === 12);
  await pass(1_100);
  // The others had waited in line for long, and come from their queue.
  while (endpoint.received.length < 14) await pass(100);
  endpoint.reply(answer(200));
  await pass(60_000, 100);
  await rig.settled();
  expect(metrics.deliveryAttempts.with('orders', 'hook', 'timeout').value).toBeLessThanOrEqual(14);
});
