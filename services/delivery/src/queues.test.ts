/** Subscriptions whose events are received by consumers: what a worker does for them. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Subscription } from '@gridpost/model';
import { Endpoint } from '@gridpost/model/testing';
import { calm, Rig } from './testing/rig.js';

let rig: Rig;
beforeEach(async () => {
  rig = await new Rig().prepare();
});
afterEach(async () => {
  expect(await rig.close()).toBe(0);
});

const receive = ({ incarnation }: Subscription, max = 10) =>
  rig.store.receive(0, { subscription: incarnation, max, leaseMs: 60_000, token: 'c.' });

async function waiting(subscription: Subscription, count: number): Promise<void> {
  await rig.watched.until(
    async () => (await rig.usage(subscription)).deferred === count && (await rig.logEntries()) === 0,
  );
}

test('events are left to consumers at once, and consumers are told', async () => {
  const subscription = await rig.subscribeQueue('queue');
  const told = new Promise<number>((resolve) => rig.store.onDeferred(subscription.incarnation, resolve));
  await rig.work();
  await rig.publish(['a', 'b']);
  expect(await told).toBe(0);
  await waiting(subscription, 2);
  const { deliveries } = await receive(subscription);
  expect(deliveries.map(({ state }) => state.attempts)).toEqual([1, 1]);
});

test('what was given back, redriven or has waited long is not taken up by the worker', async () => {
  const subscription = await rig.subscribeQueue('queue');
  await rig.work(calm);
  await rig.publish(['a']);
  await waiting(subscription, 1);
  const [leased] = (await receive(subscription)).deliveries;
  const { entry, index } = leased!.place;
  const state = { ...leased!.state, attempts: 0 };
  await rig.store.conclude(0, [
    {
      ...{ entry, index, subscription: subscription.incarnation, token: leased!.token },
      disposition: { kind: 'deferred', dueInMs: 0, state },
    },
  ]);
  await rig.clock.skip(600_000);
  const [again] = (await receive(subscription)).deliveries;
  expect(again).toMatchObject({ leaseExpired: false, state: { attempts: 1 } });
});

test('events that nobody receives in time become dead letters', async () => {
  const subscription = await rig.subscribeQueue('queue', { eventTimeToLive: 'PT5M' });
  const { metrics } = await rig.work(calm);
  await rig.publish(['a', 'b']);
  await waiting(subscription, 2);
  await rig.clock.skip(290_000);
  expect((await rig.usage(subscription)).deferred).toBe(2);
  await rig.clock.skip(21_000);
  expect(await rig.usage(subscription)).toMatchObject({ deferred: 0, deadLettered: 2 });
  expect(metrics.deadLettered.with('orders', 'queue', 'TimeToLiveExceeded').value).toBe(2);
});

test('a subscription that is pushed to from now on gets what waited', async () => {
  const endpoint = await new Endpoint().listen();
  const subscription = await rig.subscribeQueue('queue');
  await rig.work();
  const [id] = await rig.publish(rig.ids(1));
  await waiting(subscription, 1);
  const { queue: _, ...properties } = subscription.properties;
  await rig.put({
    ...subscription,
    properties: {
      ...properties,
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: endpoint.url, contentMode: 'structured', attemptTimeoutInSeconds: 30 },
      },
    },
  });
  await endpoint.until(() => endpoint.ids().includes(id!));
  await rig.settled();
  await endpoint.close();
});
