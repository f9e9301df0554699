/** Handing partitions over: by draining, by another worker's coming, and by losing them. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ownersOf } from './rendezvous.js';
import { answer, Endpoint } from '@gridpost/model/testing';
import { calm, Rig, type Running } from './testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
let owed: ServerResponse[];
beforeEach(async () => {
  endpoint = await new Endpoint().listen();
  owed = [];
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await endpoint.close();
  expect(left).toBe(0);
});

const hold = (): void =>
  endpoint.reply((_, response) => {
    owed.push(response);
  });
function pay(): void {
  for (const response of owed.splice(0)) answer(200)(undefined as never, response);
}
const ownedBy = ({ metrics }: Running): number => metrics.partitionsOwned.with().value;

describe('a drain', () => {
  test('lets attempts end, gives back what waits, and hands over', async () => {
    rig = await new Rig().prepare();
    const subscription = await rig.subscribe('hook', endpoint.url);
    hold();
    const first = await rig.work({ concurrency: 2, settleWindowMs: 60_000 });
    await rig.publish(rig.ids(6));
    await endpoint.until((received) => received.length === 2);
    const drained = first.delivery.drain();
    expect(first.delivery.drain()).toBe(drained);
    expect(first.delivery.status().ok).toBe(false);
    await rig.publish(['late']);
    pay();
    expect(await drained).toEqual({ cut: 0 });
    expect(ownedBy(first)).toBe(0);
    expect(await rig.usage(subscription)).toEqual({ deferred: 4, deadLettered: 0 });
    expect(first.metrics.deliveriesDeferred.with('orders', 'hook', 'drain').value).toBe(4);
    endpoint.reply(answer(200));
    const second = await rig.work();
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual(['e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'late']);
    expect(second.metrics.redeliveries.with('crash').value).toBe(0);
  });

  test('cuts what has not ended at its deadline, and it is due again at once, counted as possibly seen', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    hold();
    const first = await rig.work();
    await rig.publish(['a', 'b']);
    await endpoint.until((received) => received.length === 2);
    const drained = first.delivery.drain(5_000);
    await rig.clock.skip(5_100);
    expect(await drained).toEqual({ cut: 2 });
    endpoint.reply(answer(200));
    const second = await rig.work();
    await rig.settled();
    expect(endpoint.ids().slice(2).sort()).toEqual(['a', 'b']);
    expect(endpoint.received[2]!.headers['aeg-delivery-count']).toBe('0');
    expect(second.metrics.redeliveries.with('drain').value).toBe(2);
  });

  test('can be told to hurry', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    hold();
    const { delivery } = await rig.work();
    await rig.publish(['a']);
    await endpoint.until((received) => received.length === 1);
    const drained = delivery.drain();
    await rig.clock.skip(1_000);
    void delivery.drain(0);
    expect(await drained).toEqual({ cut: 1 });
  });

  test('gives up on a store that does not come back', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    const { delivery } = await rig.work();
    await rig.publish(['a']);
    rig.watched.fails = (name) => (name === 'settle' ? 'before' : undefined);
    await endpoint.until((received) => received.length === 1);
    const drained = delivery.drain(1_000);
    await rig.clock.skip(6_500);
    expect(await drained).toEqual({ cut: 0 });
  });

  test('of a worker that never started ends at once, and so does one after the end', async () => {
    rig = await new Rig().prepare();
    const { delivery } = await rig.work();
    await delivery.close();
    expect(await delivery.drain(0)).toEqual({ cut: 0 });
    await delivery.close();
    delivery.start();
  });
});

describe('two workers', () => {
  test('share the partitions, and hand over without losing or repeating anything', async () => {
    rig = await new Rig({ partitions: 8 }).prepare();
    await rig.subscribe('hook', endpoint.url);
    endpoint.reply((request, response) => setImmediate(() => answer(200)(request, response)));
    const first = await rig.work();
    await rig.watched.until(() => ownedBy(first) === 8);
    const published: string[] = [];
    let publishing = true;
    const publisher = (async () => {
      while (publishing) {
        const ids = rig.ids(3);
        await rig.publish(ids, { partition: published.length % 8 });
        published.push(...ids);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const second = await rig.work();
    await rig.watched.until(
      () => ownedBy(first) > 0 && ownedBy(second) > 0 && ownedBy(first) + ownedBy(second) === 8,
    );
    await first.delivery.drain();
    await rig.watched.until(() => ownedBy(second) === 8);
    const third = await rig.work();
    await rig.watched.until(() => ownedBy(third) > 0 && ownedBy(second) + ownedBy(third) === 8);
    publishing = false;
    await publisher;
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual(published.sort());
    for (const { metrics } of rig.workers) expect(metrics.redeliveries.with('crash').value).toBe(0);
  });
});

describe('a subscription younger than what the next owner knows', () => {
  /** A worker that knows nothing newer than its start, and then a delivery that the owner before it had deferred. */
  async function handOver(): Promise<Running> {
    rig = await new Rig().prepare();
    const { memory } = rig.watched;
    const { epoch } = (await memory.claim(0, 'before', 60_000, 10))!;
    const next = await rig.work(calm);
    // Its reading, by which it learns what is new, comes later than its asking for what is due.
    rig.watched.fails = (name) => (name === 'read' ? 'before' : undefined);
    const subscription = await rig.subscribe('hook', endpoint.url);
    await rig.settleBefore(epoch, subscription, 'a', (liveFrom) => ({
      kind: 'deferred',
      dueInMs: 0,
      state: { attempts: 0, liveFrom },
    }));
    await memory.release(0, 'before', epoch);
    return next;
  }

  test('is not taken for one that is gone', async () => {
    const { registry } = await handOver();
    await rig.clock.skip(500);
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a']);
    expect([...registry.subscriptions()]).toHaveLength(1);
  });

  test('is waited for while the store does not tell', async () => {
    const next = await handOver();
    const { fails } = rig.watched;
    rig.watched.fails = (name, args) => (name === 'changes' ? 'before' : fails(name, args));
    await rig.clock.skip(500);
    await rig.watched.until(() => rig.watched.named('due').length > 0);
    rig.watched.fails = fails;
    await rig.clock.skip(2_000);
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a']);
    expect(next.metrics.redeliveries.with('lease').value).toBe(0);
  });
});

test('a partition that another worker is to have goes on being read while a slow attempt of it runs', async () => {
  rig = await new Rig().prepare();
  await rig.subscribe('slow', `${endpoint.url}/slow`);
  await rig.subscribe('quick', `${endpoint.url}/quick`);
  endpoint.reply((request, response) => {
    if (request.path === '/slow') owed.push(response);
    else answer(200)(request, response);
  });
  // Of these two, the second is to own partition 0.
  const [loser, winner] = ownersOf(1, ['w1', 'w2'])[0] === 'w2' ? ['w1', 'w2'] : ['w2', 'w1'];
  const first = await rig.work({}, { name: loser! });
  await rig.publish(['a']);
  await rig.watched.until(async () => (await rig.logEntries()) === 0);
  const second = await rig.work({}, { name: winner! });
  await rig.watched.until(() => first.delivery.status().detail.startsWith('owns'));
  await rig.clock.skip(1_000);
  for (let i = 1; i <= 5; i++) {
    await rig.publish(rig.ids(1));
    await endpoint.until(() => endpoint.ids('/quick').length === 1 + i);
  }
  expect(ownedBy(first)).toBe(1);
  expect(owed).toHaveLength(1);
  // The slow one answers, and what was left of it goes to the next owner.
  pay();
  await rig.watched.until(() => ownedBy(second) === 1);
  endpoint.reply(answer(200));
  await rig.settled();
  expect(endpoint.ids('/slow').sort()).toEqual(['a', 'e1', 'e2', 'e3', 'e4', 'e5']);
  expect(endpoint.ids('/quick')).toHaveLength(6);
  expect(second.metrics.redeliveries.with('crash').value).toBe(0);
  expect(second.metrics.redeliveries.with('lease').value).toBe(0);
});

describe('a worker that lost a partition', () => {
  test('drops its lines, and settles nothing of it', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    hold();
    const { metrics, delivery } = await rig.work({ concurrency: 1, settleWindowMs: 60_000 });
    await rig.publish(['a', 'b']);
    await endpoint.until((received) => received.length === 1);
    const { memory } = rig.watched;
    await rig.clock.skip(1);
    // Somebody else, although the lease still runs: what a paused worker finds when it goes on.
    rig.watched.fails = (name) => (name === 'claim' ? 'before' : undefined);
    await memory.release(0, 'w1', 1);
    const claim = (await memory.claim(0, 'other', 60_000, 10))!;
    await rig.watched.until(() => metrics.partitionsOwned.with().value === 0);
    pay();
    await rig.clock.skip(1_000);
    expect(endpoint.received).toHaveLength(1);
    expect(await rig.logEntries()).toBe(1);
    expect(
      (await memory.read(0, claim.epoch, undefined, { entriesMax: 9, bytesMax: 9 })).entries,
    ).toHaveLength(1);
    expect(delivery.status()).toEqual({ ok: true, detail: 'owns 0 of 1 partitions' });
  });

  test('takes it back when it is free again, and repeats what was unsettled, counted', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    const { metrics } = await rig.work();
    await rig.watched.until(() => metrics.partitionsOwned.with().value === 1);
    const { memory } = rig.watched;
    rig.watched.fails = (name) => (name === 'settle' ? 'before' : undefined);
    await rig.publish(['a']);
    await endpoint.until((received) => received.length === 1);
    // The same worker claims again: a new epoch, which fences the old one's settle.
    await memory.claim(0, 'w1', 10_000, 10);
    rig.watched.fails = () => undefined;
    await rig.clock.skip(3_000);
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a', 'a']);
    expect(metrics.redeliveries.with('crash').value).toBe(1);
  });

  test('while it was stopped starts nothing of what it had, when it goes on', async () => {
    rig = await new Rig().prepare();
    await rig.subscribe('hook', endpoint.url);
    hold();
    const { metrics } = await rig.work({ concurrency: 1, settleWindowMs: 60_000 });
    await rig.publish(['a', 'b']);
    await endpoint.until((received) => received.length === 1);
    rig.clock.leap(11_000);
    await rig.watched.memory.claim(0, 'other', 60_000, 10);
    pay();
    await rig.watched.until(() => metrics.partitionsOwned.with().value === 0);
    await rig.clock.skip(1_000);
    expect(endpoint.ids()).toEqual(['a']);
  });
});
