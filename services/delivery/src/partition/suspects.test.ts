/** What follows an unclean end: suspects one at a time, and the poisonous one found. */
import { describe, expect, test } from '@jest/globals';
import type { EntryId } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import type { Rig, Running } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

/** The worker is gone without a trace, and its ownership has run out. */
async function crash({ delivery }: Running): Promise<void> {
  await delivery.close();
  // What it had sent has arrived: it must not be taken for the next worker's.
  await endpoint.until(() => endpoint.connections === 0);
  await rig.clock.skip(10_100);
}

/** What `begin` was called for, as places in their entry, since the last crash. */
const begun = (since = 0): number[] =>
  rig.watched
    .named('begin')
    .slice(since)
    .map(({ args }) => args[3] as number);

describe('events that were unsettled at a crash', () => {
  test('are delivered again one at a time, counted, and the later ones as always', async () => {
    await rig.subscribe('hook', endpoint.url);
    let most = 0;
    let open = 0;
    endpoint.reply((request, response) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        answer(200)(request, response);
      });
    });
    rig.watched.fails = (name) => (name === 'settle' ? 'before' : undefined);
    const first = await rig.work();
    await rig.publish(rig.ids(5));
    await rig.publish(rig.ids(5));
    await endpoint.until((received) => received.length === 10);
    await crash(first);
    rig.watched.fails = () => undefined;
    most = 0;
    const second = await rig.work();
    await rig.settled();
    expect(most).toBe(1);
    // Each event, and each entry as such.
    expect(begun()).toHaveLength(12);
    expect(endpoint.ids().slice(10).sort()).toEqual(endpoint.ids().slice(0, 10).sort());
    expect(second.metrics.redeliveries.with('crash').value).toBe(10);
    await rig.publish(['later']);
    await rig.settled();
    expect(begun()).toHaveLength(12);
    expect(second.metrics.redeliveries.with('crash').value).toBe(10);
  });

  test('wait for a slow endpoint no longer than a moment each', async () => {
    await rig.subscribe('slow', `${endpoint.url}/slow`);
    await rig.subscribe('quick', `${endpoint.url}/quick`);
    endpoint.reply((request, response) => {
      if (request.path === '/quick') answer(200)(request, response);
    });
    const first = await rig.work({ settleWindowMs: 60_000 });
    await rig.publish(rig.ids(8));
    await endpoint.until((received) => received.length === 16);
    await crash(first);
    await rig.work({ settleWindowMs: 60_000 });
    await endpoint.until(() => endpoint.ids('/quick').length === 9);
    const began = rig.clock.elapsed();
    await endpoint.until(() => endpoint.ids('/quick').length === 16);
    const tookMs = rig.clock.elapsed() - began;
    expect(tookMs).toBeGreaterThan(5 * 200);
    // An attempt of each would end after half a minute.
    expect(tookMs).toBeLessThan(20_000);
  });
});

test('suspects that wait longer than the settle window are counted when they go to their queue', async () => {
  await rig.subscribe('hook', endpoint.url);
  endpoint.reply(() => undefined);
  const first = await rig.work({ settleWindowMs: 60_000 });
  await rig.publish(rig.ids(8));
  await endpoint.until((received) => received.length === 8);
  await crash(first);
  const { metrics } = await rig.work({ concurrency: 1 });
  const deferred = (reason: string): number =>
    metrics.deliveriesDeferred.with('orders', 'hook', reason).value;
  await rig.watched.until(() => deferred('busy') + deferred('running') === 8);
  expect(metrics.redeliveries.with('crash').value).toBe(8);
  await endpoint.until((received) => received.length > 8);
  endpoint.reply(answer(200));
  endpoint.disconnect();
  await rig.clock.skip(20_000);
  await rig.settled();
  expect(new Set(endpoint.ids().slice(8)).size).toBe(8);
  expect(metrics.redeliveries.with('crash').value).toBe(8);
});

test('suspects that a worker has no time for are left to the next one as such', async () => {
  await rig.subscribe('hook', endpoint.url);
  endpoint.reply(() => undefined);
  const first = await rig.work({ settleWindowMs: 60_000 });
  for (const id of rig.ids(4)) await rig.publish([id]);
  await endpoint.until((received) => received.length === 4);
  await crash(first);
  const second = await rig.work({ settleWindowMs: 60_000 });
  await endpoint.until((received) => received.length === 5);
  await second.delivery.drain(0);
  endpoint.reply(answer(200));
  const before = endpoint.received.length;
  const third = await rig.work();
  await rig.settled();
  const repeated = endpoint.received.length - before;
  expect(new Set(endpoint.ids().slice(before))).toEqual(new Set(['e1', 'e2', 'e3', 'e4']));
  const { redeliveries } = third.metrics;
  expect(redeliveries.with('crash').value + redeliveries.with('drain').value).toBe(repeated);
});

/** Workers that crash when the event of this id reaches the endpoint, until it no longer does. */
async function crashOn(poison: string, crashesMax: number): Promise<{ crashes: number; last: Running }> {
  let crashes = 0;
  for (;;) {
    let running: Running | undefined;
    let struck = (): void => {};
    const crashed = new Promise<'crashed'>((resolve) => {
      struck = () => {
        void running?.delivery.close();
        resolve('crashed');
      };
    });
    endpoint.reply((request, response) => {
      if (request.id === poison) struck();
      else answer(200)(request, response);
    });
    running = await rig.work({ settleWindowMs: 60_000 });
    const end = await Promise.race([crashed, rig.settled().then(() => 'settled')]);
    if (end === 'settled') return { crashes, last: running };
    await crash(running);
    if (++crashes > crashesMax) throw new Error('it goes on crashing');
  }
}

describe('an event that brings its worker down', () => {
  test.each([0, 7, 19])(
    'is quarantined after three crashes, and its neighbours flow: place %i',
    async (place) => {
      const subscription = await rig.subscribe('hook', endpoint.url);
      const ids = Array.from({ length: 20 }, (_, i) => (i === place ? 'poison' : `n${i}`));
      await rig.publish(ids);
      const { crashes, last } = await crashOn('poison', 5);
      expect(crashes).toBe(3);
      const letters = await rig.deadLetters(subscription);
      expect(letters).toMatchObject([{ reason: 'Quarantined', place: { index: place } }]);
      expect(new Set(endpoint.ids())).toEqual(new Set(ids));
      expect(last.metrics.deadLettered.with('orders', 'hook', 'Quarantined').value).toBe(1);
    },
  );

  test('is quarantined for every subscription that wants it', async () => {
    const one = await rig.subscribe('one', endpoint.url);
    const two = await rig.subscribe('two', endpoint.url);
    await rig.publish(['a', 'poison', 'b']);
    await crashOn('poison', 5);
    for (const subscription of [one, two])
      expect(await rig.deadLetters(subscription)).toMatchObject([{ reason: 'Quarantined' }]);
  });
});

test('an event that cannot be encoded is kept as a dead letter, and its neighbours flow', async () => {
  const subscription = await rig.subscribe('hook', endpoint.url, { contentMode: 'binary' });
  const good = rig.pending('good');
  // A frame whose table promises more than there is.
  const broken = Buffer.from(good.frame);
  broken[3] = 90;
  const topic = rig.topic.incarnation;
  await rig.watched.memory.append(0, [{ topic, frame: broken }, good]);
  await rig.work();
  await rig.settled();
  expect(await rig.deadLetters(subscription)).toMatchObject([{ reason: 'Quarantined', place: { index: 0 } }]);
  expect(endpoint.received).toHaveLength(1);
});

test('suspects are not waited for where the store does not take their notes: they are noted when it does', async () => {
  await rig.subscribe('hook', endpoint.url);
  const first = await rig.work({ settleWindowMs: 60_000 });
  endpoint.reply(() => undefined);
  await rig.publish(['a', 'b']);
  await endpoint.until((received) => received.length === 2);
  await crash(first);
  endpoint.reply(answer(200));
  let failures = 0;
  rig.watched.fails = (name) => (name === 'begin' && failures++ < 3 ? 'before' : undefined);
  await rig.work();
  await rig.settled();
  expect(failures).toBeGreaterThan(3);
  const entries = new Set<EntryId>(rig.watched.named('begin').map(({ args }) => args[2] as EntryId));
  expect(entries.size).toBe(1);
  expect(endpoint.received).toHaveLength(4);
});
