/** What an owner does besides delivering: gauges, leftovers, histories. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Subscription, type Topic, topicPath } from '@gridpost/model';
import { answer, Endpoint } from '@gridpost/model/testing';
import { calm, Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
beforeEach(async () => {
  endpoint = await new Endpoint().listen();
});
afterEach(async () => {
  const left = await rig.close();
  await endpoint.until(() => endpoint.connections === 0);
  await endpoint.close();
  expect(left).toBe(0);
});

async function setup(partitions = 1): Promise<void> {
  rig = await new Rig({ partitions }).prepare();
}

/** One pass of upkeep, at least. */
const pass = (): Promise<void> => rig.clock.skip(10_100);

async function allDeferred(subscription: Subscription, count: number): Promise<void> {
  await rig.watched.until(
    async () => (await rig.usage(subscription)).deferred === count && (await rig.logEntries()) === 0,
  );
}

describe('the gauges', () => {
  test('show what subscriptions hold, over the partitions owned, and go back to nothing', async () => {
    await setup(2);
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(500));
    const { metrics } = await rig.work(calm);
    await rig.publish(['a', 'b'], { partition: 0 });
    await rig.publish(['c'], { partition: 1 });
    await allDeferred(subscription, 3);
    endpoint.reply(() => undefined);
    await pass();
    expect(metrics.backlog.with('orders', 'hook').value).toBe(3);
    expect(metrics.oldestAge.with('orders', 'hook').value).toBeGreaterThan(9);
    expect(metrics.oldestAge.with('orders', 'hook').value).toBeLessThan(12);
    endpoint.reply(answer(400));
    await rig.clock.skip(60_000);
    await rig.settled();
    await pass();
    expect(metrics.backlog.with('orders', 'hook').value).toBe(0);
    expect(metrics.oldestAge.with('orders', 'hook').value).toBe(0);
    expect(metrics.deadLetters.with('orders', 'hook').value).toBe(3);
    expect(metrics.logEntries.with().value).toBe(0);
  });

  test('count what is in hand and not stored', async () => {
    await setup();
    await rig.subscribe('hook', endpoint.url, { timeoutSeconds: 230 });
    endpoint.reply(() => undefined);
    const { metrics } = await rig.work({ ...calm, concurrency: 1, settleWindowMs: 60_000 });
    await rig.publish(['a', 'b', 'c']);
    await endpoint.until((received) => received.length === 1);
    await pass();
    expect(metrics.backlog.with('orders', 'hook').value).toBe(3);
    expect(metrics.logEntries.with().value).toBe(1);
    expect(metrics.attemptsInFlight.with().value).toBe(1);
  });
});

describe('what a deleted subscription left', () => {
  test('is forgotten, counted, and its series as well', async () => {
    await setup();
    const subscription = await rig.subscribe('hook', endpoint.url);
    endpoint.reply(answer(400));
    const { metrics } = await rig.work(calm);
    await rig.publish(rig.ids(100));
    await rig.settled();
    await pass();
    expect(metrics.deadLetters.with('orders', 'hook').value).toBe(100);
    await rig.unsubscribe(subscription);
    await pass();
    expect((await rig.watched.memory.usage(0)).subscriptions).toEqual([]);
    expect(metrics.dropped.with('orders', 'hook', 'SubscriptionDeleted').value).toBe(100);
    await rig.clock.skip(70_000);
    expect(await metrics.render()).not.toContain('subscription="hook"');
  });

  test('is not mistaken for that of one which was just made', async () => {
    await setup();
    const { memory } = rig.watched;
    endpoint.reply(answer(400));
    await rig.work(calm);
    rig.watched.fails = (name) => (name === 'read' ? 'before' : undefined);
    const subscription = await rig.subscribe('hook', endpoint.url);
    const { epoch } = (await memory.claim(0, 'w1', 60_000, 10))!;
    await rig.settleBefore(epoch, subscription, 'a', () => ({
      kind: 'deadLettered',
      reason: 'Quarantined',
      state: { attempts: 0, liveFrom: 0 },
    }));
    await pass();
    expect(await rig.deadLetters(subscription)).toHaveLength(1);
  });
});

test('quotas that turn deferred deliveries into dead letters are counted', async () => {
  rig = await new Rig({ limits: { bytesMax: 100_000, subscriptionShare: 0.1 } }).prepare();
  const subscription = await rig.subscribe('hook', endpoint.url);
  endpoint.reply(answer(500));
  const { metrics } = await rig.work(calm);
  await rig.publish(rig.ids(50));
  await rig.watched.until(async () => (await rig.logEntries()) === 0);
  const { deferred, deadLettered } = await rig.usage(subscription);
  const quota = metrics.deadLettered.with('orders', 'hook', 'QuotaExceeded').value;
  const dropped = metrics.dropped.with('orders', 'hook', 'DeadLetterQuotaExceeded').value;
  // How many of them the quota of dead letters leaves depends on their sizes, which the order of the answers decides.
  expect(quota).toBeGreaterThan(0);
  expect(quota).toBe(deadLettered + dropped);
  expect(deferred + deadLettered + dropped).toBe(50);
});

describe('histories', () => {
  const dayMs = 86_400_000;
  const historyOf = async (incarnation: string): Promise<number> =>
    (await rig.watched.memory.history(0, incarnation, undefined, 100)).events.length;

  test('are trimmed by their topic’s retention, and removed with it', async () => {
    await setup();
    const topic = await rig.putTopic('kept', 2);
    const event = { ...rig.pending('a'), topic: topic.incarnation };
    const retained = new Set([topic.incarnation]);
    await rig.watched.memory.append(0, [event], { retained });
    rig.clock.leap(dayMs);
    await rig.watched.memory.append(0, [event], { retained });
    await rig.work(calm);
    await pass();
    expect(await historyOf(topic.incarnation)).toBe(2);
    rig.clock.leap(dayMs + 1);
    await pass();
    await pass();
    expect(await historyOf(topic.incarnation)).toBe(1);
    await rig.watched.memory.resources.remove(topicPath('kept'));
    await pass();
    await pass();
    expect(await rig.watched.memory.histories(0)).toEqual([]);
  });

  test('are trimmed to their topic’s bytes', async () => {
    await setup();
    const { frame } = rig.pending('a');
    const topic = await rig.putTopic('kept', 2, { eventRetentionInBytes: 3 * frame.length });
    const event = { frame, topic: topic.incarnation };
    await rig.watched.memory.append(0, Array(10).fill(event), { retained: new Set([topic.incarnation]) });
    await rig.work(calm);
    await pass();
    await pass();
    expect(await historyOf(topic.incarnation)).toBe(3);
  });
});

describe('what is remembered for duplicate detection', () => {
  const minuteMs = 60_000;
  const identity = (byte: number): Buffer => Buffer.alloc(16, byte);

  test('is forgotten after the window, and when detection or the topic has gone; the gauge shows it', async () => {
    await setup();
    const topic = await rig.putTopic('unique');
    const { memory } = rig.watched;
    const detect = (windowInMinutes: number) => ({
      ...topic.properties,
      duplicateDetection: { windowInMinutes },
    });
    const put = (properties: Topic['properties']) =>
      memory.resources.put(topicPath('unique'), { ...topic, properties });
    await put(detect(2));
    const { metrics } = await rig.work(calm);
    const shown = async () =>
      /^gridpost_duplicate_identities\{topic="unique"\} (.*)$/m.exec(await metrics.render())?.[1];
    const append = (byte: number) =>
      memory.append(0, [{ ...rig.pending('a'), topic: topic.incarnation, identity: identity(byte) }], {
        unique: new Map([[topic.incarnation, { windowMs: 2 * minuteMs, identitiesMax: 10 }]]),
      });
    await append(1);
    await rig.clock.skip(minuteMs);
    await append(2);
    await pass();
    expect(await shown()).toBe('2');
    await rig.clock.skip(minuteMs);
    await pass();
    expect(await shown()).toBe('1');
    expect(await memory.identities(0)).toEqual([{ topic: topic.incarnation, count: 1 }]);
    await put(topic.properties);
    await pass();
    expect(await memory.identities(0)).toEqual([]);
    expect(await shown()).toBeUndefined();
    await append(3);
    await memory.resources.remove(topicPath('unique'));
    await pass();
    expect(await memory.identities(0)).toEqual([]);
  });
});
