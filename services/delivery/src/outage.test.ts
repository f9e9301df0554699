/** A store that cannot be reached for a while, in whole or in part: nothing is lost, nothing hangs, all recovers by itself. */
import { describe, expect, test } from '@jest/globals';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from './testing/fixture.js';
import { calm, type Rig } from './testing/rig.js';
import type { Failure } from './testing/watched-store.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

/** Resolves when so many settles were confirmed; what they were of is over then. */
const settles = (count: number): Promise<void> =>
  rig.watched.until(() => rig.watched.named('settle').length >= count);

const ownCalls = ['announce', 'claim', 'renew', 'read', 'settle', 'due', 'usage', 'histories', 'changes'];

test.each(['before', 'after'] as const)(
  'an outage in the middle of everything loses nothing and repeats nothing: calls fail %s they are done',
  async (failure: Failure) => {
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply((request, response) => {
      // One in five fails once.
      const again = endpoint.ids().filter((id) => id === request.id).length > 1;
      answer(!again && Number(request.id!.slice(1)) % 5 === 0 ? 500 : 200)(request, response);
    });
    const { lines } = await rig.work();
    const published: string[] = [];
    const publish = async (): Promise<void> => {
      const ids = rig.ids(10);
      published.push(...ids);
      await rig.publish(ids);
    };
    for (let i = 0; i < 10; i++) await publish();
    await endpoint.until((received) => received.length > 20);
    rig.watched.fails = (name) => (ownCalls.includes(name) ? failure : undefined);
    for (let i = 0; i < 10; i++) await publish();
    await rig.clock.skip(5_000);
    rig.watched.fails = () => undefined;
    for (let i = 0; i < 10; i++) await publish();
    await rig.clock.skip(30_000);
    await rig.settled();
    const failing = published.filter((id) => Number(id.slice(1)) % 5 === 0);
    expect(endpoint.ids().sort()).toEqual([...published, ...failing].sort());
    expect(await rig.usage(subscription)).toEqual({ deferred: 0, deadLettered: 0 });
    const warnings = lines.filter(({ level }) => level === 'warn' || level === 'error');
    // A line for each kind of call that began to fail, not one for each call.
    expect(warnings.length).toBeLessThan(12);
  },
);

test.each(ownCalls)('a store whose %s fails now and then slows things down and no more', async (name) => {
  await rig.subscribe('hook', endpoint.url);
  let calls = 0;
  rig.watched.fails = (called) => (called === name && calls++ % 2 === 0 ? 'after' : undefined);
  await rig.work();
  for (let i = 0; i < 5; i++) await rig.publish(rig.ids(5));
  await rig.clock.skip(15_000);
  await rig.settled();
  expect(new Set(endpoint.ids()).size).toBe(25);
});

describe('a store that comes back without its last writes', () => {
  test('has its log read again, what is found there is repeated and counted', async () => {
    await rig.subscribe('hook', endpoint.url);
    const { metrics, lines } = await rig.work();
    await rig.publish(['a', 'b']);
    await rig.settled();
    const before = rig.watched.named('settle').length;
    rig.watched.fails = (name) => (name === 'settle' ? 'lost' : undefined);
    await rig.publish(['c', 'd']);
    await settles(before + 1);
    rig.watched.fails = () => undefined;
    await rig.publish(['e']);
    await endpoint.until((received) => received.length === 5);
    expect(await rig.logEntries()).toBeGreaterThan(0);
    await rig.clock.skip(10_500);
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual(['a', 'b', 'c', 'c', 'd', 'd', 'e']);
    expect(metrics.redeliveries.with('crash').value).toBe(2);
    expect(lines.filter(({ message }) => message.includes('lost writes'))).toHaveLength(1);
  });

  test('is looked at as soon as it answers again', async () => {
    await rig.subscribe('hook', endpoint.url);
    await rig.work();
    rig.watched.fails = (name) => (name === 'settle' ? 'lost' : undefined);
    await rig.publish(['a']);
    await settles(1);
    rig.watched.fails = () => 'before';
    await rig.clock.skip(500);
    rig.watched.fails = () => undefined;
    await rig.clock.skip(3_000);
    await rig.settled();
    expect(endpoint.ids()).toEqual(['a', 'a']);
  });

  test('loses nothing of what is in hand meanwhile, and repeats nothing of it', async () => {
    await rig.subscribe('hook', endpoint.url);
    const { metrics } = await rig.work({ settleWindowMs: 60_000 });
    rig.watched.fails = (name) => (name === 'settle' ? 'lost' : undefined);
    await rig.publish(['a']);
    await settles(1);
    rig.watched.fails = () => undefined;
    const owed: (() => void)[] = [];
    endpoint.reply((request, response) => void owed.push(() => answer(200)(request, response)));
    for (const id of ['b', 'c', 'd']) await rig.publish([id]);
    await endpoint.until((received) => received.length === 4);
    await rig.clock.skip(10_500);
    await endpoint.until((received) => received.length === 5);
    for (const pay of owed) pay();
    await rig.settled();
    const [first, ...others] = endpoint.ids();
    expect([first, others.pop(), others.sort()]).toEqual(['a', 'a', ['b', 'c', 'd']]);
    expect(metrics.redeliveries.with('crash').value).toBe(1);
  });

  test('is not suspected under load', async () => {
    await rig.subscribe('hook', endpoint.url);
    const { lines } = await rig.work({ concurrency: 4, lineEventsMax: 8 });
    for (let i = 0; i < 40; i++) {
      for (const id of rig.ids(10)) await rig.publish([id]);
      await rig.clock.skip(600);
    }
    await rig.settled();
    expect(endpoint.received).toHaveLength(400);
    expect(lines.filter(({ message }) => message.includes('lost writes'))).toEqual([]);
  });
});

test('no attempt starts while the configuration cannot be confirmed', async () => {
  await rig.subscribe('hook', endpoint.url);
  endpoint.reply(answer(500));
  await rig.work();
  await rig.publish(['a']);
  await rig.watched.until(async () => (await rig.logEntries()) === 0);
  rig.watched.fails = (name) => (name === 'read' || name === 'changes' ? 'before' : undefined);
  await rig.clock.skip(20_000);
  expect(endpoint.received).toHaveLength(1);
  endpoint.reply(answer(200));
  rig.watched.fails = () => undefined;
  await rig.clock.skip(3_000);
  await rig.settled();
  expect(endpoint.received).toHaveLength(2);
});

test('a worker says that it is not ready when it has not reached the store for long', async () => {
  const { delivery } = await rig.work();
  await rig.watched.until(() => delivery.status().ok);
  rig.watched.fails = () => 'before';
  await rig.clock.skip(11_000);
  expect(delivery.status()).toEqual({
    ok: false,
    detail: 'has not reached the store in time, owns 1 of 1 partitions',
  });
  rig.watched.fails = () => undefined;
  await rig.clock.skip(100);
  expect(delivery.status()).toEqual({ ok: true, detail: 'owns 1 of 1 partitions' });
});

test('what an idle worker asks of the store is little', async () => {
  await rig.subscribe('hook', endpoint.url);
  await rig.work(calm);
  await rig.clock.skip(2_000);
  const [before, from] = [rig.watched.calls.length, rig.clock.elapsed()];
  await rig.clock.skip(60_000);
  const seconds = (rig.clock.elapsed() - from) / 1_000;
  // Two reads, a look, a third of a renewal, a fifth of an ask, and upkeep, each second.
  expect((rig.watched.calls.length - before) / seconds).toBeLessThan(4.5);
});

test('a dead letter is counted when the store keeps it', async () => {
  const subscription = await rig.subscribe('hook', endpoint.url);
  endpoint.reply(answer(400));
  const { metrics } = await rig.work(calm);
  const counted = () => metrics.deadLettered.with('orders', 'hook', 'UndeliverableDueToBadRequest').value;
  const seen: number[] = [];
  rig.watched.fails = (name) => (name === 'settle' && seen.push(counted()) < 4 ? 'before' : undefined);
  await rig.publish(['a']);
  await endpoint.until((received) => received.length === 1);
  await rig.clock.skip(10_000);
  await rig.settled();
  expect([seen, counted()]).toEqual([[0, 0, 0, 0], 1]);
  expect((await rig.usage(subscription)).deadLettered).toBe(1);
});
