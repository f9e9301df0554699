/** What is done with many dead letters, and with what a topic has kept: jobs, their rate, their end, and whom they outlive. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Api, eventOf, type JobView, expectStatus, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores, metricOf } from '../support/deployment.js';
import { startServer } from '../support/server.js';
import { type Receipt, type Sink, startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

const idOf = ({ event }: Receipt): unknown => event.attributes.id;
const distinct = (receipts: readonly Receipt[]): number => new Set(receipts.map(idOf)).size;
const messageIds = (receipts: readonly Receipt[]): string[] =>
  receipts.map(({ headers }) => String(headers['webhook-id'])).sort();

describeStores('jobs', (topology) => {
  let deployment: Deployment;
  let api: Api;
  let sink: Sink;

  beforeAll(async () => {
    deployment = await topology.start();
    api = deployment.api;
    sink = await startSink();
  });
  afterAll(() => deployment?.stop());

  async function publish(topic: string, count: number, attributes = {}): Promise<void> {
    for (let at = 0; at < count; at += 100) {
      const batch = Array.from({ length: Math.min(100, count - at) }, (_, i) =>
        eventOf({ id: `${topic}-${at + i}`, data: { n: at + i }, ...attributes }),
      );
      expectStatus(await api.publishBatch(topic, batch), 200);
    }
  }

  /** A subscription with so many dead letters, whose endpoint takes everything from now on. */
  async function refused(topic: string, count: number): Promise<{ path: string; first: Receipt[] }> {
    const path = `/${topic}`;
    sink.replyAt(path, { status: 400 });
    await api.putTopic(topic);
    await api.putSubscription(topic, 'hook', { url: sink.url(path) });
    await publish(topic, count);
    await deployment.counted('gridpost_deadlettered_events_total', count, { topic });
    const first = [...sink.on(path)];
    sink.replyAt(path, { status: 200 });
    return { path, first };
  }

  const of = (topic: string, action: string, name = 'hook'): string => subscriptionPath(topic, name) + action;

  test('2,000 dead letters are redriven at the rate that was asked for, under their message ids', async () => {
    const count = 2_000;
    const { path, first } = await refused('redriven', count);
    const { id, total } = await api.begin(of('redriven', '/deadletters:redrive'), { ratePerSecond: 500 });
    expect(total).toEqual({ count, exact: true });
    const job = await api.jobOver(id);
    expect(job).toMatchObject({ status: 'succeeded', done: count, failed: 0 });
    const seconds = (Date.parse(job.endedAt!) - Date.parse(job.startedAt!)) / 1_000;
    expect(seconds).toBeGreaterThan(3);
    expect(seconds).toBeLessThan(30);
    const receipts = await sink.received(path, 2 * count, 60_000);
    expect(messageIds(receipts.slice(count))).toEqual(messageIds(first));
    expect(await api.deadLetters('redriven', 'hook')).toEqual([]);
  }, 180_000);

  test('a job that is cancelled leaves the rest as it was', async () => {
    const { path } = await refused('cancelled', 300);
    const { id } = await api.begin(of('cancelled', '/deadletters:redrive'), { ratePerSecond: 10 });
    await api.jobUntil(id, ({ done }) => done > 0);
    expectStatus(await api.send('POST', `/jobs/${id}:cancel`), 200);
    const held = async (): Promise<number> =>
      (await api.send('GET', of('cancelled', '/deadletters?maxpagesize=1000'))).json<{ value: object[] }>()
        .value.length;
    // The worker hears of it within about a second, and then nothing more moves.
    const job = await until(
      'the worker has counted what it did',
      async () => {
        const { done, status } = await api.job(id);
        return status === 'cancelled' && done + (await held()) === 300 && { done };
      },
      { everyMs: 500 },
    );
    // At its rate it would have been over in half a minute.
    expect(job.done).toBeLessThan(300);
    await sink.received(path, 300 + job.done);
  });

  test('a job outlives its worker, killed in the middle of it, and nothing is missing', async () => {
    const count = 600;
    const { path, first } = await refused('outlived', count);
    await api.putSubscription('outlived', 'other', {
      url: sink.url('/other'),
      filter: { includedEventTypes: ['nothing'] },
    });
    const { id } = await api.begin(of('outlived', '/deadletters:redrive'), {
      ...{ target: 'other', ratePerSecond: 50 },
    });
    await api.jobUntil(id, ({ done }) => done >= 50);
    const victim = await until('a worker is at it', async () => {
      for (const worker of deployment.workers)
        if ((await metricOf([worker], 'gridpost_jobs_running')) > 0) return worker;
      return undefined;
    });
    victim.kill();
    await victim.exited;
    // Where it was the only process, it comes back under the same address.
    await startServer({ ...victim.settings, GRIDPOST_PORT: String(victim.port) });
    const { status } = await api.jobOver(id, 90_000);
    expect(status).toBe('succeeded');
    await until('all have arrived', () => distinct(sink.on('/other')) === count, { withinMs: 60_000 });
    expect(sink.on(path)).toHaveLength(count);
    // What came twice came under the same id: those of the first place, for the other subscription.
    const places = messageIds(first).map((each) => each.slice(0, each.lastIndexOf('_')));
    const others = messageIds(sink.on('/other')).map((each) => each.slice(0, each.lastIndexOf('_')));
    expect([...new Set(others)].sort()).toEqual(places.sort());
    expect(new Set(sink.on('/other').map(({ headers }) => headers['gridpost-replay']))).toEqual(
      new Set([id]),
    );
  }, 240_000);

  test('dead letters of one reason are purged, and others stay', async () => {
    await refused('purged', 120);
    sink.replyAt('/purged', { status: 403 });
    await publish('purged', 3);
    await deployment.counted('gridpost_deadlettered_events_total', 3, {
      ...{ topic: 'purged', reason: 'UndeliverableDueToForbidden' },
    });
    const { id } = await api.begin(of('purged', '/deadletters:purge'), {
      reason: 'UndeliverableDueToBadRequest',
    });
    expect(await api.jobOver(id)).toMatchObject({ status: 'succeeded', done: 120 });
    const left = await api.deadLetters('purged', 'hook');
    expect(left.map(({ deadLetterReason }) => deadLetterReason)).toEqual(
      Array(3).fill('UndeliverableDueToForbidden'),
    );
  });

  test('a dead letter is edited and sent again, to its subscription alone', async () => {
    const { path } = await refused('edited', 1);
    const [letter] = await api.deadLettered('edited', 'hook', 1);
    await api.putSubscription('edited', 'bystander', { url: sink.url('/bystander') });
    const edited = eventOf({ id: 'edited-0', data: { n: 'mended' } });
    expectStatus(
      await api.send('POST', of('edited', `/deadletters/${letter!.id as string}:resend`), edited, {
        'content-type': 'application/cloudevents+json',
      }),
      204,
    );
    const [before, after] = await sink.received(path, 2);
    expect(JSON.parse(after!.body.toString())).toEqual(edited);
    expect(after!.headers['webhook-id']).not.toBe(before!.headers['webhook-id']);
    expect(await api.deadLetters('edited', 'hook')).toEqual([]);
    expect(sink.on('/bystander')).toEqual([]);
  });

  describe('of a topic that keeps its events', () => {
    test('a range of time is replayed through the filter, marked, under the same message ids', async () => {
      await api.putTopic('replayed', { eventRetentionInDays: 1 });
      const filter = { includedEventTypes: ['wanted'] };
      await api.putSubscription('replayed', 'hook', { url: sink.url('/replayed'), filter });
      await api.putSubscription('replayed', 'other', { url: sink.url('/unmoved') });
      await publish('replayed', 200, { type: 'wanted' });
      for (let i = 0; i < 50; i++) await api.accept('replayed', eventOf({ type: 'unwanted' }));
      const first = [...(await sink.received('/replayed', 200))];
      await sink.received('/unmoved', 250);
      const range = { from: new Date(Date.now() - 600_000).toISOString() };
      const dry = await api.send('POST', of('replayed', ':replay'), { ...range, dryRun: true });
      expect([dry.status, dry.json()]).toEqual([200, { count: 200, exact: true }]);

      const { id } = await api.begin(of('replayed', ':replay'), { ...range, ratePerSecond: 1_000 });
      expect(await api.jobOver(id)).toMatchObject({ status: 'succeeded', done: 200 });
      const again = (await sink.received('/replayed', 400)).slice(200);
      expect(messageIds(again)).toEqual(messageIds(first));
      expect(new Set(again.map(({ headers }) => headers['gridpost-replay']))).toEqual(new Set([id]));
      expect(first.filter(({ headers }) => headers['gridpost-replay'] !== undefined)).toEqual([]);
      expect(sink.on('/unmoved')).toHaveLength(250);
      // What was replayed is not kept once more.
      expect((await api.send('POST', of('replayed', ':replay'), { ...range, dryRun: true })).json()).toEqual({
        ...{ count: 200, exact: true },
      });
    });

    test('a new subscription starts in the past, and misses nothing that comes meanwhile', async () => {
      await api.putTopic('begun', { eventRetentionInDays: 1 });
      const startFrom = new Date(Date.now() - 600_000).toISOString();
      await publish('begun', 300);
      let published = 300;
      let publishing = true;
      const going = (async () => {
        while (publishing) await api.accept('begun', eventOf({ id: `begun-${published++}` }));
      })();
      await api.putSubscription('begun', 'late', { url: sink.url('/begun'), properties: { startFrom } });
      const { value } = (await api.send('GET', '/jobs')).json<{ value: JobView[] }>();
      const { status } = await api.jobOver(value.find(({ topic }) => topic === '/topics/begun')!.id);
      publishing = false;
      await going;
      expect(status).toBe('succeeded');
      await until('all have arrived', () => distinct(sink.on('/begun')) === published);
      const ids = new Map<unknown, unknown>();
      for (const receipt of sink.on('/begun')) {
        const messageId = receipt.headers['webhook-id'];
        expect(ids.get(idOf(receipt)) ?? messageId).toBe(messageId);
        ids.set(idOf(receipt), messageId);
      }
    });
  });
});
