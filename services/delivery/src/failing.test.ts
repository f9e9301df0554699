/** Endpoints that take nothing: how often they are tried, and what becomes of what waits for them. */
import { expect, test } from '@jest/globals';
import type { Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from './testing/fixture.js';
import { calm, type Rig } from './testing/rig.js';

const count = 300;
let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

/** Lets time pass in steps, so that answers arrive on the way. */
async function pass(ms: number, stepMs = 50): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await rig.clock.skip(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Publishes events one by one as they are tried, and resolves when all have failed. */
async function publishTried(subscription: Subscription): Promise<void> {
  const step = 10;
  for (let tried = step; tried <= count; tried += step) {
    await rig.publish(rig.ids(step));
    await endpoint.until(() => new Set(endpoint.ids()).size === tried);
  }
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === count);
}

test('new events are tried at once, retries come ten a second, and all at once when one is taken', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { metrics, lines } = await rig.work({ ...calm, settleWindowMs: 1_000 });
  await publishTried(subscription);
  const first = endpoint.received.length;
  const told = (text: string): number => lines.filter(({ message }) => message.startsWith(text)).length;
  expect(told('endpoint fails')).toBe(1);

  await pass(12_000);
  const after12 = endpoint.received.length;
  expect(after12).toBeGreaterThan(first);
  const began = rig.clock.elapsed();
  await pass(10_000);
  // A second's worth may have been left over, and as much be under way.
  const most = 10 * ((rig.clock.elapsed() - began) / 1_000 + 2);
  expect(endpoint.received.length - after12).toBeLessThanOrEqual(most);
  expect(endpoint.received.length - after12).toBeGreaterThan(20);
  expect(told('endpoint works')).toBe(0);

  endpoint.reply(answer(200));
  await pass(1_600);
  // At ten a second it would be sixteen by now.
  await rig.watched.until(() => metrics.deliveryAttempts.with('orders', 'hook', 'success').value > count / 4);
  expect(told('endpoint works')).toBe(1);
  // Those tried a second time have half a minute to wait.
  await pass(35_000);
  await rig.settled();
});

test('a refusal of one event tells nothing about the endpoint', async () => {
  endpoint.reply((request, response) => answer(request.id!.endsWith('0') ? 400 : 500)(request, response));
  await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { lines } = await rig.work({ ...calm, settleWindowMs: 1_000 });
  for (const id of rig.ids(60)) {
    await rig.publish([id]);
    await endpoint.until(() => endpoint.ids('/hook').includes(id));
  }
  expect(lines.filter(({ message }) => message.startsWith('endpoint fails'))).toEqual([]);
});

test('what is past its time to live is given up without waiting for its turn', async () => {
  // Due again only when their time is over.
  endpoint.reply((_request, response) => {
    response.writeHead(500, { 'retry-after': '70' });
    response.end();
  });
  const retryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1 };
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`, { retryPolicy });
  await rig.work({ ...calm, settleWindowMs: 1_000 });
  await publishTried(subscription);
  await pass(60_000, 500);
  expect((await rig.usage(subscription)).deferred).toBe(count);
  // At ten a second it would take another minute and a half.
  await pass(25_000, 100);
  await rig.watched.until(async () => (await rig.usage(subscription)).deadLettered > (count * 3) / 4);
});
