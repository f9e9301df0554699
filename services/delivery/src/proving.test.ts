/** What becomes of events while their endpoint has not agreed to get any. */
import { describe, expect, test } from '@jest/globals';
import type { Handshake, Provisioning, Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import type { DueAsk } from '@gridpost/store';
import { eachTest } from './testing/fixture.js';
import { calm, type Rig } from './testing/rig.js';

const handshake: Handshake = {
  ...{ id: 'h', kind: 'Options', tries: 1 },
  ...{ phase: 'waiting', until: Number.MAX_SAFE_INTEGER, endsAt: Number.MAX_SAFE_INTEGER },
};
const succeeded: Provisioning = { state: 'Succeeded', at: 0, kind: 'Options', origin: 'events.example.com' };
const unproven: [Provisioning['state'], Provisioning][] = [
  ['Creating', { state: 'Creating', handshake }],
  ['Updating', { state: 'Updating', handshake, reason: 'x' }],
  ['AwaitingManualAction', { state: 'AwaitingManualAction', handshake }],
  ['Failed', { state: 'Failed', at: 0, reason: 'x' }],
];

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

const provisioned = async (provisioning: Provisioning, minutes = 1440): Promise<Subscription> => {
  const retryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: minutes };
  const subscription = {
    ...(await rig.subscribe('hook', endpoint.url, { retryPolicy })),
    provisioning,
  };
  await rig.put(subscription);
  return subscription;
};

test.each(unproven)('in state %s they are kept, and sent at once when it has agreed', async (_, state) => {
  const subscription = await provisioned(state);
  const { metrics } = await rig.work(calm);
  await rig.publish(['a', 'b']);
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 2);
  await rig.clock.skip(65_000);
  expect(endpoint.received).toEqual([]);
  expect(metrics.deliveriesDeferred.with('orders', 'hook', 'unproven').value).toBe(2);
  await rig.put({ ...subscription, provisioning: succeeded });
  await rig.clock.skip(2_000);
  await rig.settled();
  expect(endpoint.ids().sort()).toEqual(['a', 'b']);
});

test('they are sent at once also where they were put off in an entry that is not settled yet', async () => {
  const subscription = await provisioned({ state: 'Creating', handshake });
  await rig.subscribe('slow', `${endpoint.url}/slow`);
  let owed: (() => void) | undefined;
  endpoint.reply((request, response) => {
    if (request.path !== '/slow') answer(200)(request, response);
    else owed = () => answer(200)(request, response);
  });
  const { metrics } = await rig.work({ ...calm, settleWindowMs: 60_000 });
  await rig.publish(['a']);
  await endpoint.until((received) => received.length === 1);
  expect(metrics.deliveriesDeferred.with('orders', 'hook', 'unproven').value).toBe(1);
  await rig.put({ ...subscription, provisioning: succeeded });
  // A worker learns of it within a beat.
  await rig.clock.skip(2_000);
  owed!();
  await rig.clock.skip(1_000);
  await rig.settled();
  expect(endpoint.ids('/')).toEqual(['a']);
});

test('they are sent at once also where its worker has handed the partition over before it agreed', async () => {
  const subscription = await provisioned({ state: 'Creating', handshake });
  const first = await rig.work(calm);
  await rig.publish(['a', 'b']);
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 2);
  // The queue is looked at, and left alone.
  await rig.clock.skip(6_000);
  await first.delivery.drain();
  await first.delivery.close();
  await rig.put({ ...subscription, provisioning: succeeded });
  const at = rig.clock.elapsed();
  await rig.work(calm);
  await rig.clock.skip(2_000);
  await rig.settled();
  expect(endpoint.ids().sort()).toEqual(['a', 'b']);
  expect(rig.clock.elapsed() - at).toBeLessThan(10_000);
});

describe('the store', () => {
  const told = (incarnation: string): number =>
    rig.watched.named('due').filter(({ args }) => (args[2] as DueAsk).parked.has(incarnation)).length;

  test('is told once in a while to leave their queue alone, not with every ask', async () => {
    const { incarnation } = await provisioned({ state: 'Creating', handshake });
    await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(() => told(incarnation) > 0);
    const asks = rig.watched.named('due').length;
    await rig.clock.skip(100_000);
    // Every thirty seconds, while it is asked every five.
    expect(rig.watched.named('due').length - asks).toBeGreaterThan(15);
    expect(told(incarnation)).toBeGreaterThan(3);
    expect(told(incarnation)).toBeLessThan(6);
    expect(endpoint.received).toEqual([]);
  });

  test('is told again where an ask failed, and when they have to wait again', async () => {
    const subscription = await provisioned({ state: 'Creating', handshake });
    const { incarnation } = subscription;
    await rig.work(calm);
    await rig.publish(['a']);
    let failed = 0;
    rig.watched.fails = (name) => (name === 'due' && failed++ === 3 ? 'before' : undefined);
    await rig.clock.skip(23_000);
    expect(failed).toBeGreaterThan(3);
    expect(told(incarnation)).toBe(2);
    await rig.put({ ...subscription, provisioning: succeeded });
    await endpoint.until((received) => received.length === 1);
    await rig.put(subscription);
    await rig.publish(['b']);
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 1);
    await rig.clock.skip(8_000);
    expect(told(incarnation)).toBe(3);
    expect(endpoint.ids()).toEqual(['a']);
  });
});

test('they name the origin that was allowed, and none where none was', async () => {
  const subscription = await provisioned(succeeded);
  await rig.work();
  await rig.publish(['a']);
  await rig.settled();
  await rig.put({ ...subscription, provisioning: { state: 'Succeeded', at: 0, kind: 'None' } });
  await rig.publish(['b']);
  await rig.settled();
  const [first, second] = endpoint.received.map(({ headers }) => headers);
  expect(first).toMatchObject({
    'webhook-request-origin': 'events.example.com',
    origin: 'events.example.com',
  });
  expect(second).not.toHaveProperty('origin');
  expect(second).not.toHaveProperty('webhook-request-origin');
});

describe('their time to live', () => {
  test('ends them as dead letters', async () => {
    const subscription = await provisioned({ state: 'Failed', at: 0, reason: 'x' }, 1);
    const { metrics } = await rig.work(calm);
    await rig.publish(['a']);
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 1);
    await rig.clock.skip(50_000);
    expect((await rig.usage(subscription)).deferred).toBe(1);
    await rig.clock.skip(60_000);
    await rig.settled();
    expect(await rig.deadLetters(subscription)).toMatchObject([
      { reason: 'TimeToLiveExceeded', state: { attempts: 0 } },
    ]);
    expect(metrics.deadLettered.with('orders', 'hook', 'TimeToLiveExceeded').value).toBe(1);
    expect(endpoint.received).toEqual([]);
  });
});
