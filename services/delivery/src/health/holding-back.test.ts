/** Endpoints that take nothing: how they are tried, by whom, and what becomes of what waits for them. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { HealthState, Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { calm, Rig, type Running } from '../testing/rig.js';
import { turn } from '../turn.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

const paced = { ...calm, settleWindowMs: 1_000 };

/** Lets time pass in steps, so that answers arrive on the way, until the condition holds; returns how long it took. */
async function passUntil(
  condition: () => boolean | Promise<boolean>,
  { stepMs = 100, within = 400_000 } = {},
): Promise<number> {
  let passed = 0;
  for (; !(await condition()); passed += stepMs) {
    if (passed > within) throw new Error(`not within ${within} ms`);
    await rig.clock.skip(stepMs);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  return passed;
}

async function pass(ms: number): Promise<void> {
  const until = rig.clock.elapsed() + ms;
  await passUntil(() => rig.clock.elapsed() >= until);
}

const isIn = (subscription: Subscription, state: HealthState) => async (): Promise<boolean> =>
  (await rig.health(subscription))?.state === state;

/** Resolves when all of so many events were answered and wait for their next attempt. */
async function failed(subscription: Subscription, count: number): Promise<void> {
  await rig.watched.until(async () => (await rig.usage(subscription)).deferred === count);
}

/** Publishes events one after the other until the endpoint is held back; returns how many. */
async function failUntilHeld(subscription: Subscription): Promise<number> {
  let count = 0;
  while (!(await isIn(subscription, 'Probation')())) {
    const [id] = await rig.publish(rig.ids(1));
    count++;
    await endpoint.until(() => endpoint.ids().includes(id!));
    await failed(subscription, count);
    await pass(300);
    if (count > 100) throw new Error('not held back');
  }
  return count;
}

test('ten failures in a row hold an endpoint back; probes get rarer, one event each; what waited follows a success', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { metrics, lines } = await rig.work(paced);
  expect(await failUntilHeld(subscription)).toBe(10);
  const health = (await rig.health(subscription))!;
  expect(health).toMatchObject({
    incarnation: subscription.incarnation,
    failures: { ServerError: 10 },
    lastFailure: { outcome: 'ServerError', status: 500 },
    probes: 0,
  });
  expect(health).not.toHaveProperty('lastSuccessAt');
  expect(health.nextProbeAt! - health.since).toBeLessThanOrEqual(5_000);
  expect(metrics.healthTransitions.with('orders', 'hook', 'Probation').value).toBe(1);
  expect(lines.filter(({ message }) => message === 'endpoint fails and is held back')).toHaveLength(1);

  await rig.publish(rig.ids(100));
  await failed(subscription, 110);
  expect(endpoint.received).toHaveLength(10);
  expect(metrics.deliveriesDeferred.with('orders', 'hook', 'probation').value).toBe(100);
  // 5, 15, 30 and 60 s, each up to a fifth sooner, or later by a second or two; the next comes 96 s after these at the soonest.
  await pass(125_000);
  expect(endpoint.received).toHaveLength(14);
  expect(await rig.health(subscription)).toMatchObject({ probes: 4, failures: { ServerError: 14 } });

  endpoint.reply(answer(200));
  await passUntil(isIn(subscription, 'Recovering'));
  await passUntil(isIn(subscription, 'Healthy'));
  await rig.settled();
  expect(new Set(endpoint.ids()).size).toBe(110);
  const recovered = (await rig.health(subscription))!;
  expect(recovered).toMatchObject({
    failures: { ServerError: 14 },
    probes: 0,
    lastSuccessAt: expect.any(Number),
  });
  expect(recovered).not.toHaveProperty('nextProbeAt');
});

test('a success in between begins the count anew, and an answer that is final for one event is one', async () => {
  const statuses = [
    ...new Array(9).fill(500),
    200,
    ...new Array(9).fill(500),
    400,
    ...new Array(9).fill(500),
  ];
  endpoint.reply((request, response) =>
    answer(statuses[endpoint.received.length - 1] ?? 200)(request, response),
  );
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.work(paced);
  for (const _ of statuses) {
    const [id] = await rig.publish(rig.ids(1));
    await endpoint.until(() => endpoint.ids().includes(id!));
    await pass(300);
    if (endpoint.received.length >= statuses.length) break;
  }
  expect(await rig.health(subscription)).toBeUndefined();
});

test('a subscription has its own number of failures, and none with 0', async () => {
  endpoint.reply(answer(500));
  const two = await rig.subscribe('two', `${endpoint.url}/two`, { probation: { maxFailures: 2 } });
  const none = await rig.subscribe('none', `${endpoint.url}/none`, { probation: { maxFailures: 0 } });
  await rig.work(paced);
  for (let i = 0; i < 15; i++) {
    const [id] = await rig.publish(rig.ids(1));
    await endpoint.until(() => endpoint.ids('/none').includes(id!));
    await pass(300);
  }
  expect((await rig.health(two))?.state).toBe('Probation');
  expect(await rig.health(none)).toBeUndefined();
  // Those of the first five seconds, and perhaps a probe.
  expect(endpoint.ids('/two').length).toBeLessThanOrEqual(4);
});

test('what is past its time to live is given up while its endpoint is held back', async () => {
  endpoint.reply(answer(500));
  const retryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1 };
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`, { retryPolicy });
  await rig.work(paced);
  const failed = await failUntilHeld(subscription);
  await rig.publish(rig.ids(200));
  await passUntil(async () => (await rig.usage(subscription)).deferred === failed + 200);
  await pass(80_000);
  expect((await rig.health(subscription))?.state).toBe('Probation');
  expect((await rig.usage(subscription)).deadLettered).toBeGreaterThan(195);
});

test('a worker that starts anew holds back what was held back', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const first = await rig.work(paced);
  const failed = await failUntilHeld(subscription);
  await passUntil(() => endpoint.received.length === failed + 2);
  await pass(1_000);
  await first.delivery.drain();
  await first.delivery.close();
  const before = (await rig.health(subscription))!;
  await rig.work(paced);
  await rig.publish(rig.ids(50));
  await pass(before.nextProbeAt! - rig.clock.now() - 1_000);
  expect(endpoint.received).toHaveLength(failed + 2);
  await passUntil(() => endpoint.received.length === failed + 3, { within: 5_000 });
  expect(await rig.health(subscription)).toMatchObject({ since: before.since, probes: 3 });
});

test('a worker that stops gives back the right to a probe, and writes what became of the last', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { delivery } = await rig.work(paced);
  const failed = await failUntilHeld(subscription);
  let drained: Promise<unknown> | undefined;
  endpoint.reply((request, response) => {
    drained = delivery.drain();
    answer(500)(request, response);
  });
  await passUntil(() => endpoint.received.length === failed + 1);
  const probedAt = rig.clock.now();
  await drained;
  const health = (await rig.health(subscription))!;
  expect(health).toMatchObject({ probes: 1, failures: { ServerError: failed + 1 } });
  // Not the time that the probe might have taken as well.
  expect(health.nextProbeAt! - probedAt).toBeLessThanOrEqual(16_000);
});

test('an endpoint that answers a probe with 410 has its subscription disabled', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { registry } = await rig.work(paced);
  const failed = await failUntilHeld(subscription);
  await rig.publish(rig.ids(20));
  endpoint.reply(answer(410));
  const status = () => registry.subscription(subscription.incarnation)!.subscription.status.state;
  await passUntil(() => status() === 'Disabled');
  const attempts = endpoint.received.length;
  expect(attempts - failed).toBeLessThanOrEqual(2);
  await pass(60_000);
  expect(endpoint.received).toHaveLength(attempts);
  await passUntil(async () => (await rig.usage(subscription)).deferred === failed + 20);
});

test('an endpoint that never answers is probed no sooner than its probe is over', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`, { timeoutSeconds: 20 });
  const { metrics } = await rig.work(paced);
  const failed = await failUntilHeld(subscription);
  await rig.publish(rig.ids(20));
  endpoint.reply(() => {});
  let most = 0;
  await passUntil(() => {
    most = Math.max(most, metrics.attemptsInFlight.with().value);
    return endpoint.received.length === failed + 3;
  });
  expect(most).toBe(1);
  expect(await rig.health(subscription)).toMatchObject({ failures: { ServerError: failed, TimedOut: 2 } });
});

test('a subscription whose health is forgotten gets at once what has waited', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.work(paced);
  await failUntilHeld(subscription);
  await rig.publish(rig.ids(200));
  await passUntil(async () => (await rig.usage(subscription)).deferred === 210);
  endpoint.reply(answer(200));
  await rig.store.resources.remove(`topics/orders/eventsubscriptions/hook/health`);
  await passUntil(() => new Set(endpoint.ids()).size === 210, { within: 3_000 });
  await rig.settled();
  expect(await rig.health(subscription)).toBeUndefined();
});

test('a paused subscription keeps its events, and gets them when it is resumed', async () => {
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.put({ ...subscription, status: { state: 'Paused', at: rig.clock.now() } });
  const { metrics } = await rig.work(paced);
  await rig.publish(rig.ids(100));
  await passUntil(async () => (await rig.usage(subscription)).deferred === 100);
  await pass(60_000);
  expect(endpoint.received).toEqual([]);
  expect(metrics.deliveriesDeferred.with('orders', 'hook', 'paused').value).toBe(100);
  expect(metrics.subscriptionState.with('orders', 'hook', 'Paused').value).toBe(1);
  await rig.put(subscription);
  await passUntil(() => new Set(endpoint.ids()).size === 100, { within: 2_000 });
  await rig.settled();
  await passUntil(() => metrics.subscriptionState.with('orders', 'hook', 'Paused').value === 0);
});

test('an endpoint is stopped although the store does not take its health, and that is written later', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { lines } = await rig.work(paced);
  rig.watched.fails = (name) => (name === 'put' ? 'before' : undefined);
  for (let i = 0; i < 20; i++) {
    await rig.publish(rig.ids(1));
    await failed(subscription, i + 1);
    await pass(300);
  }
  expect(endpoint.received).toHaveLength(10);
  expect(await rig.health(subscription)).toBeUndefined();
  // Nobody has the right to a probe while nobody can be told.
  await pass(20_000);
  expect(endpoint.received).toHaveLength(10);
  rig.watched.fails = () => undefined;
  await passUntil(() => endpoint.received.length === 11, { within: 10_000 });
  expect(await rig.health(subscription)).toMatchObject({ state: 'Probation', probes: 1 });
  expect(lines.filter(({ message }) => message.startsWith("writing endpoints' health"))).toHaveLength(2);
});

test('what has waited follows at a pace that grows', async () => {
  endpoint.reply(answer(500));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.work(paced);
  await failUntilHeld(subscription);
  await rig.publish(rig.ids(400));
  await passUntil(async () => (await rig.usage(subscription)).deferred === 410);
  let running = 0;
  const most: number[] = [];
  let since: number | undefined;
  endpoint.reply((request, response) => {
    running++;
    since ??= rig.clock.elapsed();
    const step = Math.floor((rig.clock.elapsed() - since) / 500);
    most[step] = Math.max(most[step] ?? 0, running);
    const timer = rig.clock.after(100, () => {
      running--;
      answer(200)(request, response);
    });
    response.on('close', () => timer.cancel());
  });
  await passUntil(() => new Set(endpoint.ids()).size === 410, { stepMs: 50 });
  await passUntil(() => running === 0, { stepMs: 50 });
  await rig.settled();
  // Steps of this worker's ramp are up to a fifth shorter than half a second.
  for (const [step, count] of most.entries())
    expect([step, count <= 2 ** (step * 1.3 + 1)]).toEqual([step, true]);
  expect(Math.max(...most)).toBeGreaterThanOrEqual(8);
});

describe('over several partitions', () => {
  beforeEach(async () => {
    await rig.close();
    rig = await new Rig({ partitions: 4 }).prepare();
  });
  afterEach(async () => {
    expect(await rig.close()).toBe(0);
  });

  test('what a probe is made with is sought in one after the other, and taken from one', async () => {
    endpoint.reply(answer(500));
    const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`, {
      probation: { maxFailures: 1 },
    });
    await rig.work(paced);
    // Answers take a while, so that asks overlap.
    const { memory } = rig.watched;
    const due = memory.due.bind(memory);
    let leased = 0;
    memory.due = async (...ask) => {
      const result = await due(...ask);
      leased += result.deliveries.length;
      await turn();
      return result;
    };
    await rig.publish(rig.ids(1));
    await passUntil(isIn(subscription, 'Probation'));
    for (let partition = 1; partition < 4; partition++) await rig.publish(rig.ids(2), { partition });
    await failed(subscription, 7);
    for (let probes = 1; probes <= 3; probes++) {
      await passUntil(() => endpoint.received.length > probes);
      expect(leased).toBe(probes);
    }
    // Where the first holds nothing more that is due, the others are asked.
    endpoint.reply(answer(200));
    await passUntil(isIn(subscription, 'Healthy'));
    await rig.settled();
    expect(new Set(endpoint.ids()).size).toBe(7);
  });

  test('several workers make one probe each time, whichever of them has something due', async () => {
    endpoint.reply(answer(503));
    const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
    const workers: Running[] = [];
    for (let i = 0; i < 3; i++) workers.push(await rig.work(paced));
    await passUntil(() => workers.every(({ metrics }) => metrics.partitionsOwned.with().value > 0));
    for (let i = 0; !(await isIn(subscription, 'Probation')()); i++) {
      await rig.publish(rig.ids(5), { partition: i % 4 });
      await pass(300);
    }
    // Attempts that were under way when another worker had it written.
    await pass(2_000);
    for (let partition = 0; partition < 4; partition++) await rig.publish(rig.ids(20), { partition });
    const { probes: before } = (await rig.health(subscription))!;
    const already = endpoint.received.length;
    await pass(120_000);
    const { probes } = (await rig.health(subscription))!;
    expect(probes - before).toBeGreaterThanOrEqual(3);
    expect(endpoint.received.length - already).toBe(probes - before);

    endpoint.reply(answer(200));
    await passUntil(isIn(subscription, 'Healthy'));
    await rig.settled();
    const told = (state: HealthState): number =>
      workers.reduce(
        (sum, { metrics }) => sum + metrics.healthTransitions.with('orders', 'hook', state).value,
        0,
      );
    expect([told('Probation'), told('Recovering'), told('Healthy')]).toEqual([1, 1, 1]);
  });

  test('go on when the one that has the right to a probe is gone', async () => {
    endpoint.reply(answer(503));
    const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
    const workers = [await rig.work(paced), await rig.work(paced)];
    await passUntil(() => workers.every(({ metrics }) => metrics.partitionsOwned.with().value > 0));
    for (let i = 0; !(await isIn(subscription, 'Probation')()); i++) {
      await rig.publish(rig.ids(5), { partition: i % 4 });
      await pass(300);
    }
    for (let partition = 0; partition < 4; partition++) await rig.publish(rig.ids(20), { partition });
    const at = endpoint.received.length;
    endpoint.reply(() => {});
    await passUntil(() => endpoint.received.length > at);
    const prober = workers.find(({ metrics }) => metrics.attemptsInFlight.with().value > 0)!;
    await prober.delivery.close();
    endpoint.reply(answer(200));
    await passUntil(isIn(subscription, 'Recovering'), { within: 30_000 + 60_000 });
    await rig.settled();
  });

  describe('when one of them is answered with Retry-After', () => {
    let subscription: Subscription;
    let workers: Running[];

    /** Has one event answered so, and then publishes to all partitions; returns what is held. */
    async function ask(seconds: number): Promise<number> {
      endpoint.reply(answer(503, { 'retry-after': `${seconds}` }));
      subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
      workers = [await rig.work(paced), await rig.work(paced)];
      await passUntil(() => workers.every(({ metrics }) => metrics.partitionsOwned.with().value > 0));
      await rig.publish(rig.ids(1));
      await passUntil(async () => (await rig.health(subscription)) !== undefined);
      endpoint.reply(answer(200));
      await passUntil(() => workers.every(({ registry }) => registry.healthOf(subscription.incarnation)));
      for (let partition = 0; partition < 4; partition++) await rig.publish(rig.ids(10), { partition });
      await passUntil(async () => (await rig.usage(subscription)).deferred === 41);
      return 41;
    }

    test('all of them leave the endpoint alone for so long, and nothing counts as a failure', async () => {
      const held = await ask(60);
      const { retryAfter, ...health } = (await rig.health(subscription))!;
      expect(health).toMatchObject({ state: 'Healthy', failures: {}, lastFailure: { outcome: 'Busy' } });
      expect([retryAfter!.status, retryAfter!.until - retryAfter!.at]).toEqual([503, 60_000]);
      const leftMs = retryAfter!.until - rig.clock.now();
      await pass(leftMs - 500);
      expect(endpoint.received).toHaveLength(1);
      await passUntil(() => new Set(endpoint.ids()).size === held, { within: 10_000 });
      await rig.settled();
      // What is over is written by nobody.
      expect((await rig.health(subscription))!.retryAfter).toEqual(retryAfter);
      for (const { metrics } of workers)
        expect(metrics.deliveriesDeferred.with('orders', 'hook', 'held').value).toBeGreaterThan(0);
    });

    test('a worker that starts meanwhile keeps to it', async () => {
      const held = await ask(120);
      for (const { delivery } of workers) {
        await delivery.drain();
        await delivery.close();
      }
      await rig.work(paced);
      await rig.publish(rig.ids(10));
      await pass(60_000);
      expect(endpoint.received).toHaveLength(1);
      await passUntil(() => new Set(endpoint.ids()).size === held + 10, { within: 70_000 });
      await rig.settled();
    });

    test('what is forgotten of it is forgotten by all, and what has waited follows at once', async () => {
      const held = await ask(300);
      await rig.store.resources.remove(`topics/orders/eventsubscriptions/hook/health`);
      await passUntil(() => new Set(endpoint.ids()).size === held, { within: 3_000 });
      await rig.settled();
      expect(await rig.health(subscription)).toBeUndefined();
    });

    test('and that for some seconds only, the others are not told', async () => {
      endpoint.reply(answer(429, { 'retry-after': '5' }));
      subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
      await rig.work(paced);
      await rig.publish(rig.ids(1));
      await passUntil(async () => (await rig.usage(subscription)).deferred === 1);
      await pass(2_000);
      expect(await rig.health(subscription)).toBeUndefined();
    });
  });
});
