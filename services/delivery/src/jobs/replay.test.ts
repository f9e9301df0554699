/** Replays: which events of a topic's history one subscription gets again, and how it can tell. */
import { beforeEach, expect, test } from '@jest/globals';
import { Event, type Subscription, topicPath } from '@gridpost/model';
import type { Endpoint, Received } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { JobDesk } from '../testing/job-desk.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
let desk: JobDesk;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});
beforeEach(async () => {
  desk = new JobDesk(rig);
  const { name, properties } = rig.topic;
  const kept = { ...rig.topic, properties: { ...properties, eventRetentionInDays: 7 } };
  await rig.watched.memory.resources.put(topicPath(name), kept);
});

/** Publishes events that the topic's history keeps; returns when they were accepted. */
async function publish(ids: readonly string[], type?: string): Promise<number> {
  await rig.clock.skip(5);
  const events = ids.map((id) => rig.pending(id, type));
  await rig.watched.memory.append(0, events, { retained: new Set([rig.topic.incarnation]) });
  const page = await rig.watched.memory.history(0, rig.topic.incarnation, undefined, 1, 'newestFirst');
  return page.events[0]!.acceptedAt;
}

const replay = (hook: Subscription, from: number, to: number, wish = {}): Promise<string> =>
  desk.queue(hook, { kind: 'replay', from, to }, wish);

const messageIds = (received: readonly Received[]): Map<string, unknown> =>
  new Map(received.map(({ id, headers }) => [id!, headers['webhook-id']]));

test('what passes the filter is sent again, to its subscription alone, marked, under the same message ids', async () => {
  const filter = { includedEventTypes: ['wanted'] };
  const hook = await rig.subscribe('hook', `${endpoint.url}/hook`, { filter });
  await rig.subscribe('other', `${endpoint.url}/other`);
  const { metrics } = await rig.work();
  const from = await publish(['a', 'b'], 'wanted');
  await publish(['x'], 'unwanted');
  const last = await publish(['c'], 'wanted');
  await rig.settled();
  const first = messageIds(endpoint.received.filter(({ path }) => path === '/hook'));
  expect([...first.keys()].sort()).toEqual(['a', 'b', 'c']);
  const { length } = endpoint.received;

  const id = await replay(hook, from, last + 1);
  expect(await desk.over(id)).toMatchObject({ status: 'succeeded', progress: { done: 3, failed: 0 } });
  await rig.settled();
  const again = endpoint.received.slice(length);
  expect(again.map(({ path }) => path)).toEqual(Array(3).fill('/hook'));
  expect(messageIds(again)).toEqual(first);
  expect(again.map(({ headers }) => headers['gridpost-replay'])).toEqual(Array(3).fill(id));
  const history = await rig.watched.memory.history(0, rig.topic.incarnation, undefined, 100);
  expect(history.events).toHaveLength(4);
  expect(metrics.jobEvents.with('replay').value).toBe(3);
});

test('the range holds its beginning and not its end', async () => {
  const hook = await rig.subscribe('hook', endpoint.url);
  const instants: number[] = [];
  for (const id of ['a', 'b', 'c', 'd']) instants.push(await publish([id]));
  await rig.work();
  await rig.settled();
  endpoint.received.splice(0);
  const id = await replay(hook, instants[1]!, instants[3]!);
  await desk.over(id);
  await rig.settled();
  expect(endpoint.ids().sort()).toEqual(['b', 'c']);
});

test('an event of the range that comes late is not missed: it begins when the range is over', async () => {
  const hook = await rig.subscribe('hook', endpoint.url);
  await rig.work(calm);
  const from = await publish(['a']);
  const to = rig.clock.now() + 20_000;
  const id = await replay(hook, from, to);
  await desk.until(id, ({ waitingFor }) => waitingFor === 'its range of time is not over');
  await rig.clock.skip(8_000);
  await publish(['b']);
  await rig.clock.skip(20_000);
  expect(await desk.over(id)).toMatchObject({ status: 'succeeded', progress: { done: 2 } });
});

test('the rate holds, and little of what is looked at costs none of it', async () => {
  const hook = await rig.subscribe('hook', endpoint.url, { filter: { includedEventTypes: ['rare'] } });
  const from = await publish(rig.ids(500));
  await publish(rig.ids(20), 'rare');
  await rig.work();
  await rig.settled();
  const id = await replay(hook, from, rig.clock.now(), { ratePerSecond: 10 });
  await desk.until(id, ({ status }) => status === 'running');
  const began = rig.clock.elapsed();
  await rig.clock.skip(3_000);
  await desk.over(id);
  expect(rig.clock.elapsed() - began).toBeGreaterThanOrEqual(1_900);
  // What is looked at would take 50 s at this rate.
  expect(rig.clock.elapsed() - began).toBeLessThan(25_000);
});

test('what is sent twice after a crash has the same message id both times, and nothing is missing', async () => {
  const hook = await rig.subscribe('hook', endpoint.url);
  const ids = rig.ids(200);
  const from = await publish(ids);
  const first = await rig.work();
  await rig.settled();
  const sent = messageIds(endpoint.received);
  endpoint.received.splice(0);
  const id = await replay(hook, from, rig.clock.now(), { ratePerSecond: 20 });
  await rig.watched.until(() => rig.watched.named('append').length >= 3);
  await first.delivery.close();
  await rig.work();
  await rig.clock.skip(40_000);
  expect((await desk.over(id)).status).toBe('succeeded');
  await rig.settled();
  expect([...new Set(endpoint.ids())].sort()).toEqual([...ids].sort());
  for (const { id: event, headers } of endpoint.received)
    expect(headers['webhook-id']).toBe(sent.get(event!));
});

test('a queue gets them as well, marked in the event that is held for it', async () => {
  const queue = await rig.subscribeQueue('queue');
  const from = await publish(['a']);
  await rig.work();
  const receive = () =>
    rig.store.receive(0, { subscription: queue.incarnation, max: 10, leaseMs: 60_000, token: 'c.' });
  await rig.watched.until(async () => (await rig.usage(queue)).deferred === 1);
  await receive();
  await rig.clock.skip(1);
  const id = await replay(queue, from, rig.clock.now());
  await desk.over(id);
  await rig.watched.until(async () => (await rig.usage(queue)).deferred === 2);
  const { deliveries } = await receive();
  expect(deliveries.map(({ frame }) => new Event(frame).direction)).toEqual([
    {
      only: queue.incarnation,
      cause: 'replayed',
      job: id,
      original: expect.objectContaining({ index: 0, acceptedAt: from }),
    },
  ]);
});
