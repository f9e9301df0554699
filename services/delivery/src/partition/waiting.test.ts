/** Endpoints that take long or never answer: what becomes of their deliveries, and of everybody else's. */
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import type { SettleBatch } from '@gridpost/store';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import type { Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
/** Answers that the endpoint still owes. */
let owed: ServerResponse[];
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
  owed = [];
  endpoint.reply((request, response) => {
    if (request.path.startsWith('/slow')) owed.push(response);
    else answer(200)(request, response);
  });
});

function pay(status = 200): void {
  for (const response of owed.splice(0)) {
    response.writeHead(status);
    response.end();
  }
}

const settles = (): SettleBatch[] => rig.watched.named('settle').map(({ args }) => args[2] as SettleBatch);
const logEmpty = async (): Promise<boolean> => (await rig.logEntries()) === 0;

describe('an attempt that outlives the settle window', () => {
  test('is leased, so that its entry can go, and its success ends the lease', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    const { metrics } = await rig.work();
    await rig.publish(['a']);
    await rig.watched.until(logEmpty);
    const [{ deferrals }] = settles()[0]!.entries as [SettleBatch['entries'][0]];
    expect(deferrals).toMatchObject([{ index: 0, disposition: { kind: 'leased', state: { attempts: 1 } } }]);
    const { disposition } = deferrals[0]!;
    // What is left of the attempt's thirty seconds, and five to write its outcome.
    if (disposition.kind !== 'leased') throw new Error(disposition.kind);
    expect(disposition.leaseMs).toBeGreaterThan(30_000);
    expect(disposition.leaseMs).toBeLessThan(35_000);
    pay();
    await rig.settled();
    expect(endpoint.received).toHaveLength(1);
    expect(metrics.redeliveries.with('lease').value).toBe(0);
    expect(metrics.deliveriesDeferred.with('orders', 'slow', 'running').value).toBe(1);
  });

  test('and fails is repeated like any other', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.work();
    await rig.publish(['a']);
    await rig.watched.until(logEmpty);
    pay(500);
    await rig.watched.until(() => settles().some(({ outcomes }) => outcomes.length > 0));
    expect(settles().at(-1)!.outcomes).toMatchObject([
      { disposition: { kind: 'deferred', state: { attempts: 1, lastStatus: 500 } } },
    ]);
    await rig.clock.skip(11_500);
    await endpoint.until((received) => received.length === 2);
    pay();
    await rig.settled();
    expect(endpoint.received[1]!.headers['aeg-delivery-count']).toBe('1');
  });

  test('and ends at its deadline is repeated, and its connection closed', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`, { timeoutSeconds: 2 });
    const { metrics } = await rig.work();
    await rig.publish(['a']);
    await rig.watched.until(logEmpty);
    await rig.clock.skip(2_200);
    await endpoint.until(() => endpoint.connections === 0);
    expect(metrics.deliveryAttempts.with('orders', 'slow', 'timeout').value).toBe(1);
    expect(metrics.redeliveries.with('lease').value).toBe(0);
    endpoint.reply(answer(200));
    await rig.clock.skip(12_000);
    await rig.settled();
    expect(endpoint.received).toHaveLength(2);
  });
});

test('a lease that ends without an outcome brings the delivery back, counted', async () => {
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  const { memory } = rig.watched;
  const { epoch } = (await memory.claim(0, 'dead', 1, 10))!;
  await rig.settleBefore(epoch, subscription, 'a', (liveFrom) => ({
    kind: 'leased',
    leaseMs: 1_000,
    token: 'dead',
    state: { attempts: 1, liveFrom },
  }));
  await rig.clock.skip(10);
  const { metrics } = await rig.work();
  await rig.clock.skip(1_500);
  await rig.settled();
  expect(endpoint.received).toMatchObject([{ id: 'a', headers: { 'aeg-delivery-count': '1' } }]);
  expect(metrics.redeliveries.with('lease').value).toBe(1);
});

describe('an endpoint that does not answer', () => {
  test('delays nobody else, and takes no more than its share', async () => {
    const slow = await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.subscribe('quick', `${endpoint.url}/quick`);
    await rig.work({ concurrency: 4, lineEventsMax: 4, unsettledEventsMax: 16 });
    for (let round = 0; round < 10; round++) {
      await rig.publish(rig.ids(10));
      await endpoint.until(() => endpoint.ids('/quick').length === (round + 1) * 10);
    }
    expect(owed).toHaveLength(4);
    await rig.watched.until(logEmpty);
    expect((await rig.usage(slow)).deferred).toBe(100);
    expect(endpoint.ids('/quick')).toHaveLength(100);
    // It comes back, and gets all of it.
    endpoint.reply(answer(200));
    pay();
    await rig.clock.skip(6_000);
    await rig.settled();
    expect(new Set(endpoint.ids('/slow')).size).toBe(100);
    expect(endpoint.ids('/slow')).toHaveLength(100);
  });

  test('has its backlog worked off in order of time, half of the room being for it', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.work({ concurrency: 2, lineEventsMax: 2 });
    await rig.publish(rig.ids(20));
    await rig.watched.until(logEmpty);
    endpoint.reply(answer(200));
    pay();
    await rig.publish(['new']);
    await rig.clock.skip(3_000);
    await rig.settled();
    const ids = endpoint.ids('/slow');
    expect(ids).toHaveLength(21);
    expect(new Set(ids).size).toBe(21);
  });
});

describe('reading', () => {
  test('waits for a lane that moves on instead of deferring what it cannot take', async () => {
    const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
    const { metrics } = await rig.work({ concurrency: 4, lineEventsMax: 4 });
    for (let i = 0; i < 50; i++) await rig.publish(rig.ids(4));
    await rig.settled();
    expect(endpoint.received).toHaveLength(200);
    expect(metrics.deliveriesDeferred.with('orders', 'hook', 'busy').value).toBe(0);
    expect(await rig.usage(subscription)).toEqual({ deferred: 0, deadLettered: 0 });
  });

  test('stops at the cap on unsettled events and goes on below it', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.work({ unsettledEventsMax: 5, settleWindowMs: 60_000 });
    for (const id of rig.ids(20)) await rig.publish([id]);
    await endpoint.until((received) => received.length === 5);
    await rig.clock.skip(1_000);
    expect(endpoint.received).toHaveLength(5);
    endpoint.reply(answer(200));
    pay();
    await rig.settled();
    expect(endpoint.received).toHaveLength(20);
  });

  test('stops at the cap on unsettled bytes', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.work({ unsettledBytesMax: 300, settleWindowMs: 60_000 });
    for (const id of rig.ids(5)) await rig.publish([id]);
    await endpoint.until((received) => received.length === 2);
    await rig.clock.skip(1_000);
    expect(endpoint.received).toHaveLength(2);
    endpoint.reply(answer(200));
    pay();
    await rig.settled();
  });

  test('keeps the configuration confirmed while it waits', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    const { registry } = await rig.work({ unsettledEventsMax: 1, settleWindowMs: 60_000 });
    await rig.publish(['a']);
    await rig.publish(['b']);
    await endpoint.until((received) => received.length === 1);
    await rig.clock.skip(5_000);
    expect(rig.clock.elapsed() - registry.confirmedAt).toBeLessThan(1_000);
    endpoint.reply(answer(200));
    pay();
    await rig.settled();
  });
});
