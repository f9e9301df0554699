/** Endpoints that take nothing: how often they are tried, and what becomes of what waits for them. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { answer, Endpoint } from './testing/endpoint.js';
import { calm, Rig } from './testing/rig.js';

const count = 300;
let rig: Rig;
let endpoint: Endpoint;
beforeEach(async () => {
  rig = await new Rig().prepare();
  endpoint = await new Endpoint().listen();
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await endpoint.close();
  expect(left).toBe(0);
});

/** Lets time pass in steps, so that answers arrive on the way. */
async function pass(ms: number): Promise<void> {
  const stepMs = 50;
  for (let passed = 0; passed < ms; passed += stepMs) {
    await rig.clock.skip(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('new events are tried at once, retries come ten a second, and all at once when one is taken', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { metrics, lines } = await rig.work(calm);
  for (let i = 0; i < count / 10; i++) await rig.publish(rig.ids(10));
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === count);
  // Those that found the lane full wait in the queue untried.
  expect(endpoint.received.length).toBeGreaterThan(count / 2);
  const first = endpoint.received.length;
  const told = (text: string): number => lines.filter(({ message }) => message.startsWith(text)).length;
  expect(told('endpoint fails')).toBe(1);

  await pass(12_000);
  const after12 = endpoint.received.length;
  expect(after12).toBeGreaterThan(first);
  await pass(10_000);
  const perSecond = (endpoint.received.length - after12) / 10;
  expect(perSecond).toBeGreaterThan(5);
  expect(perSecond).toBeLessThanOrEqual(11);
  expect(told('endpoint works')).toBe(0);

  endpoint.reply(answer(200));
  const { value: before } = metrics.deliveryAttempts.with('orders', 'hook', 'success');
  await pass(1_600);
  const { value: after } = metrics.deliveryAttempts.with('orders', 'hook', 'success');
  expect(after - before).toBeGreaterThan(count / 2);
  expect(told('endpoint works')).toBe(1);
  // Those tried a second time have half a minute to wait.
  await pass(35_000);
  await rig.settled();
});

test('a refusal of one event tells nothing about the endpoint', async () => {
  endpoint.reply((request, response) => answer(request.id!.endsWith('0') ? 400 : 500)(request, response));
  await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { lines } = await rig.work(calm);
  for (const id of rig.ids(60)) {
    await rig.publish([id]);
    await endpoint.until(() => endpoint.ids('/hook').includes(id));
  }
  expect(lines.filter(({ message }) => message.startsWith('endpoint fails'))).toEqual([]);
});

test('what is past its time to live is given up without waiting for its turn', async () => {
  endpoint.reply(answer(500));
  const retryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1 };
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`, { retryPolicy });
  await rig.work(calm);
  for (let i = 0; i < count / 10; i++) await rig.publish(rig.ids(10));
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === count);
  await pass(60_000);
  expect((await rig.usage(subscription)).deferred).toBeGreaterThan(count / 2);
  // At ten a second it would take as many seconds as there are tens.
  await pass(5_000);
  await rig.watched.until(async () => (await rig.usage(subscription)).deadLettered > count / 2);
});
