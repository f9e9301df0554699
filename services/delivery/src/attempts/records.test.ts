/** What the attempt log is told of deliveries. */
import { expect, test } from '@jest/globals';
import { type AttemptRecord, readBlock, textMax } from '@gridpost/attempt-log';
import type { Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { Metrics } from '@gridpost/metrics';
import type { AttemptBlock, AttemptKind } from '@gridpost/store';
import { AttemptRecords } from './records.js';
import { type Conclusion, finished, type Holder, OpenDelivery, type Passage } from './open-delivery.js';
import { eachTest } from '../testing/fixture.js';
import { Rig, structured } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});

/** Oldest first. */
async function recordsOf(kind: AttemptKind): Promise<AttemptRecord[]> {
  const { blocks } = await rig.watched.memory.attempts(0, kind, undefined, 2 ** 24);
  return blocks.toReversed().flatMap(({ block }) => readBlock(block));
}

async function holds(kind: AttemptKind, count: number): Promise<AttemptRecord[]> {
  await rig.watched.until(async () => (await recordsOf(kind)).length >= count);
  const records = await recordsOf(kind);
  expect(records).toHaveLength(count);
  return records;
}

const named = ({ topic, topicIncarnation, name, incarnation }: Subscription) => ({
  ...{ topic, topicIncarnation, name, incarnation },
});

test('an attempt that succeeds is a success, with when, how long and under which status', async () => {
  endpoint.reply(answer(204));
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.work();
  const before = rig.clock.now();
  await rig.publish(['one', 'two']);
  const records = await holds('successes', 2);
  for (const [index, id] of ['one', 'two'].entries()) {
    const record = records.find(({ event }) => event?.id === id)!;
    expect(record).toEqual({
      at: expect.any(Number),
      entry: '1',
      index,
      acceptedAt: expect.any(Number),
      subscription: named(subscription),
      event: { id, source: expect.any(String) },
      attempt: { number: 1, durationMs: expect.any(Number), outcome: 'Delivered', status: 204 },
      ending: { kind: 'delivered' },
    });
    expect(record.acceptedAt).toBeGreaterThanOrEqual(before);
    expect(record.at).toBeGreaterThanOrEqual(record.acceptedAt);
  }
  expect(await recordsOf('failures')).toEqual([]);
});

test('an attempt that fails is a failure, with what the endpoint said and when the next is due', async () => {
  const subscription = await rig.subscribe('hook', `${endpoint.url}/hook`);
  endpoint.reply(answer(503, {}, 'out of\norder'));
  await rig.work();
  await rig.publish(['one']);
  const [failure] = await holds('failures', 1);
  expect(failure).toMatchObject({
    event: { id: 'one' },
    subscription: named(subscription),
    attempt: { number: 1, outcome: 'Busy', status: 503, error: 'out of order' },
    ending: { kind: 'deferred', reason: 'failed' },
  });
  const { ending, at } = failure as { ending: { until: number }; at: number };
  expect(ending.until - at).toBeGreaterThan(5_000);
  endpoint.reply(answer(200));
  await rig.clock.skip(60_000);
  const [success] = await holds('successes', 1);
  expect(success).toMatchObject({
    entry: failure!.entry,
    event: { id: 'one' },
    attempt: { number: 2, outcome: 'Delivered', status: 200 },
    ending: { kind: 'delivered' },
  });
});

test.each([
  [true, { kind: 'deadLettered', reason: 'UndeliverableDueToBadRequest' }],
  [false, { kind: 'dropped', reason: 'DeadLetteringOff' }],
])('what is given up is a failure (dead-lettering: %s)', async (deadLettering, ending) => {
  endpoint.reply(answer(400));
  await rig.subscribe('hook', `${endpoint.url}/hook`, { deadLettering });
  await rig.work();
  await rig.publish(['one']);
  expect(await holds('failures', 1)).toMatchObject([
    { attempt: { number: 1, outcome: 'BadRequest' }, ending },
  ]);
});

test('what goes to its queue untried is told with the reason', async () => {
  await rig.subscribeQueue('queue');
  await rig.work();
  await rig.publish(['one']);
  const [record] = await holds('successes', 1);
  expect(record).toMatchObject({ event: { id: 'one' }, ending: { kind: 'deferred', reason: 'queue' } });
  expect(record!.attempt).toBeUndefined();
});

test('an attempt that outlasts the settle window is told while it runs, and again at its end', async () => {
  const answers: (() => void)[] = [];
  endpoint.reply((_, response) => answers.push(() => response.writeHead(200).end()));
  await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.work();
  await rig.publish(['one']);
  const [running] = await holds('successes', 1);
  expect(running).toMatchObject({ event: { id: 'one' }, ending: { kind: 'leased' } });
  for (const send of answers) send();
  expect((await holds('successes', 2))[1]).toMatchObject({
    attempt: { number: 1, outcome: 'Delivered' },
    ending: { kind: 'delivered' },
  });
});

test('with failures alone successes are not told, and with nothing nothing is', async () => {
  for (const attemptLog of ['failures', 'off'] as const) {
    await rig.subscribe(`hook-${attemptLog}`, `${endpoint.url}/hook`, {
      filter: { includedEventTypes: [attemptLog] },
    });
    const { delivery } = await rig.work({ attemptLog });
    for (const status of [200, 400]) {
      endpoint.reply(answer(status));
      await rig.publish([`${attemptLog}-${status}`], { type: attemptLog });
      await endpoint.until(() => endpoint.ids().includes(`${attemptLog}-${status}`));
    }
    await rig.settled();
    await delivery.drain();
  }
  expect(await recordsOf('successes')).toEqual([]);
  expect((await recordsOf('failures')).map(({ event }) => event!.id)).toEqual(['failures-400']);
});

test('more than one settle takes along is written all the same, once each', async () => {
  const padding = 'é'.repeat(600);
  await rig.subscribe('hook', `${endpoint.url}/hook`);
  endpoint.reply(answer(400, {}, padding));
  // So it is while the store is away: what is concluded waits.
  rig.watched.fails = (name) => (name === 'settle' ? 'before' : undefined);
  await rig.work({ concurrency: 256, lineEventsMax: 1_000, settleWindowMs: 60_000 });
  const ids = Array.from({ length: 900 }, (_, index) => `${index}-${padding}`);
  for (let from = 0; from < ids.length; from += 100) await rig.publish(ids.slice(from, from + 100));
  await endpoint.until(() => endpoint.received.length === ids.length);
  rig.watched.fails = () => undefined;
  const records = await holds('failures', ids.length);
  expect(new Set(records.map(({ event }) => event!.id)).size).toBe(ids.length);
  const { blocks } = await rig.watched.memory.attempts(0, 'failures', undefined, 2 ** 26);
  for (const { block } of blocks) expect(block.length).toBeLessThan(512 * 1_024);
  expect(blocks.length).toBeGreaterThan(4);
});

test('metrics show what is held, and for how long back, and what was let go of', async () => {
  const limits = { bytesMax: 2 ** 30, subscriptionShare: 0.1, attemptLogBytesMax: 1_500 };
  const small = await new Rig({ limits }).prepare();
  await small.subscribe('hook', `${endpoint.url}/hook`);
  const { metrics } = await small.work();
  const { attemptLogBytes: bytes, attemptLogReach: reach, attemptBlocksShed: shed } = metrics;
  const delivered = async (count: number): Promise<void> => {
    for (const id of small.ids(count)) {
      await small.publish([id]);
      await small.settled();
    }
  };
  const lookedAt = async (until: () => boolean): Promise<void> => {
    const looks = small.watched.named('attemptUsage').length;
    await small.clock.skip(10_100);
    await small.watched.until(() => small.watched.named('attemptUsage').length > looks);
    await small.watched.until(until);
  };
  await delivered(2);
  await lookedAt(() => bytes.with('successes').value > 0);
  expect([bytes.with('failures').value, shed.with('successes').value]).toEqual([0, 0]);
  await delivered(10);
  await lookedAt(() => shed.with('successes').value > 0);
  expect(bytes.with('successes').value).toBeLessThanOrEqual(1_500);
  // Of about ten seconds, less what the deliveries took.
  expect(reach.with('successes').value).toBeGreaterThan(5);
  expect(await small.close()).toBe(0);
});

test('what waits for the store is bounded: the oldest is lost, successes first, and counted', () => {
  const metrics = new Metrics('test');
  const records = new AttemptRecords('all', metrics);
  const event = structured('€'.repeat(textMax), 'order.created');
  const subscription = { topicIncarnation: 't', incarnation: 's', topic: 'orders', name: 'hook' };
  const lane = { registered: { subscription } } as Passage;
  const add = (index: number, conclusion: Conclusion): void => {
    const origin = { holder: {} as Holder, entry: index.toString(16), index: 0, event, acceptedAt: 0 };
    records.add(new OpenDelivery(lane, origin), conclusion, undefined, 0);
  };
  const dead = { kind: 'deadLettered', reason: 'Quarantined', state: { attempts: 0, liveFrom: 0 } } as const;
  const lost = metrics.attemptBlocksLost.with();
  let index = 0;
  // Successes first, then as many failures as there is room for.
  while (index < 2_000) add(index++, finished);
  while (lost.value === 0) add(index++, dead);
  while (lost.value < 30) add(index++, dead);
  const taken: AttemptBlock[] = [];
  for (let next = records.take(); next.length > 0; next = records.take()) taken.push(...next);
  expect(taken.length).toBeLessThanOrEqual(66);
  const [first] = taken.filter(({ kind }) => kind === 'failures');
  // All successes that were closed went before the first failure.
  expect(taken.filter(({ kind }) => kind === 'successes').length).toBeLessThanOrEqual(1);
  expect(readBlock(first!.block)[0]!.entry).not.toBe((2_000).toString(16));
  expect(records.waits).toBe(false);
});
