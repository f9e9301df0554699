/** What jobs do is in the attempt log, where an event's life is looked up. */
import { beforeEach, expect, test } from '@jest/globals';
import { type AttemptRecord, readBlock } from '@gridpost/attempt-log';
import { type JobTask, originalOf, type Subscription, topicPath, Event } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { JobDesk } from '../testing/job-desk.js';
import type { Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
let desk: JobDesk;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});
beforeEach(() => {
  desk = new JobDesk(rig);
});

/** Oldest first. */
async function recordsOf(kind: 'failures' | 'successes'): Promise<AttemptRecord[]> {
  const { blocks } = await rig.watched.memory.attempts(0, kind, undefined, 2 ** 24);
  return blocks.toReversed().flatMap(({ block }) => readBlock(block));
}

/** Gives up these, in this order. */
async function givenUp(ids: readonly string[]): Promise<Subscription> {
  const hook = await rig.subscribe('hook', `${endpoint.url}/hook`);
  endpoint.reply(answer(400));
  const { delivery } = await rig.work({ concurrency: 1, settleWindowMs: 60_000 });
  await rig.publish([...ids]);
  await rig.watched.until(async () => (await rig.usage(hook)).deadLettered === ids.length);
  await rig.settled();
  await delivery.drain();
  endpoint.reply(answer(200));
  return hook;
}

/** Runs the job to its end and what it sends to its delivery; returns its id. */
async function done(hook: Subscription, task: JobTask, settings = {}): Promise<string> {
  await rig.work(settings);
  const id = await desk.queue(hook, task);
  expect(await desk.over(id)).toMatchObject({ status: 'succeeded' });
  await rig.settled();
  return id;
}

test('a dead letter that is redriven is deferred again by the job, and then delivered', async () => {
  const hook = await givenUp(['a', 'b']);
  const id = await done(hook, { kind: 'redrive', letters: {} });
  const failures = await recordsOf('failures');
  expect(failures.slice(2)).toMatchObject(
    ['a', 'b'].map((event) => ({
      ...{ event: { id: event }, job: id, ending: { kind: 'deferred', reason: 'redriven' } },
    })),
  );
  expect(failures.slice(2).map(({ entry, index }) => [entry, index])).toEqual(
    failures.slice(0, 2).map(({ entry, index }) => [entry, index]),
  );
  expect(await recordsOf('successes')).toMatchObject([
    { ending: { kind: 'delivered' } },
    { ending: { kind: 'delivered' } },
  ]);
});

test('to another subscription it is sent on, and the copy tells where it stood first', async () => {
  const hook = await givenUp(['a']);
  const [letter] = await rig.deadLetters(hook);
  const other = await rig.subscribe('other', `${endpoint.url}/other`);
  const target = { name: 'other', incarnation: other.incarnation };
  const id = await done(hook, { kind: 'redrive', letters: {}, target });
  expect((await recordsOf('failures')).at(-1)).toMatchObject({
    ...{ event: { id: 'a' }, job: id, ending: { kind: 'sentOn', reason: 'redriven', target: 'other' } },
  });
  const original = originalOf(new Event(letter!.frame), letter!.place, letter!.acceptedAt);
  expect(await recordsOf('successes')).toMatchObject([
    { subscription: { name: 'other' }, copy: { cause: 'redriven', job: id, original } },
  ]);
});

test('one that is purged is dropped by the job', async () => {
  const hook = await givenUp(['a', 'b', 'c']);
  const id = await done(hook, { kind: 'purge', letters: {} });
  expect((await recordsOf('failures')).slice(3)).toMatchObject(
    ['a', 'b', 'c'].map((event) => ({
      ...{ event: { id: event }, job: id, ending: { kind: 'dropped', reason: 'Purged' } },
    })),
  );
});

test('what is replayed tells by which job, and where it stood first', async () => {
  const { name, properties } = rig.topic;
  const kept = { ...rig.topic, properties: { ...properties, eventRetentionInDays: 7 } };
  await rig.watched.memory.resources.put(topicPath(name), kept);
  const hook = await rig.subscribe('hook', `${endpoint.url}/hook`);
  await rig.watched.memory.append(0, [rig.pending('a')], { retained: new Set([rig.topic.incarnation]) });
  const range = { from: rig.clock.now() - 1_000, to: rig.clock.now() + 1 };
  const id = await done(hook, { kind: 'replay', ...range });
  const [first, again] = await recordsOf('successes');
  expect(first).not.toHaveProperty('copy');
  const { entry, index, acceptedAt } = first!;
  expect(again).toMatchObject({
    ...{ event: { id: 'a' }, copy: { cause: 'replayed', job: id, original: { entry, index, acceptedAt } } },
    ...{ attempt: { outcome: 'Delivered' } },
  });
});

test.each([
  ['failures', 4],
  ['off', 2],
] as const)(
  'with a log of %s there are %i records of two given up and redriven',
  async (attemptLog, count) => {
    const hook = await givenUp(['a', 'b']);
    await done(hook, { kind: 'redrive', letters: {} }, { attemptLog });
    expect(await recordsOf('failures')).toHaveLength(count);
    expect(await recordsOf('successes')).toEqual([]);
  },
);
