/** Jobs: what they do to dead letters, at which pace, and who goes on when something ends. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { limits, messageId, type Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { JobDesk } from '../testing/job-desk.js';
import { calm, type Rig } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
let desk: JobDesk;
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
});
beforeEach(() => {
  desk = new JobDesk(rig);
});

const redrive = { kind: 'redrive', letters: {} } as const;

/** A subscription with so many dead letters in each partition; its endpoint takes events from now on. */
async function givenUp(count: number, wish = {}): Promise<{ hook: Subscription; ids: readonly string[] }> {
  const hook = await rig.subscribe('hook', `${endpoint.url}/hook`, wish);
  endpoint.reply(answer(400));
  const { delivery } = await rig.work();
  const ids = rig.ids(count);
  await rig.publish(ids);
  await rig.watched.until(async () => (await rig.usage(hook)).deadLettered === count);
  await rig.settled();
  await delivery.drain();
  endpoint.reply(answer(200));
  endpoint.received.splice(0);
  return { hook, ids };
}

const ended = (status: string, done: number, failed = 0) => ({
  status,
  progress: expect.objectContaining({ done, failed }),
  endedAt: expect.any(Number),
});

describe('redriving', () => {
  test('delivers all that was given up before, under the same message ids', async () => {
    const { hook, ids } = await givenUp(300);
    const letters = await rig.deadLetters(hook);
    const { metrics } = await rig.work();
    const id = await desk.queue(hook, redrive);
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 300));
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual([...ids].sort());
    expect(endpoint.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(
      letters.map(({ place }) => messageId(place, hook.incarnation)).sort(),
    );
    expect(endpoint.received.filter(({ headers }) => 'gridpost-replay' in headers)).toEqual([]);
    expect((await rig.usage(hook)).deadLettered).toBe(0);
    expect(metrics.jobEvents.with('redrive').value).toBe(300);
    expect(metrics.jobsRunning.with('redrive').value).toBe(0);
  });

  test('takes no more in a second than it is told', async () => {
    const { hook } = await givenUp(50);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 20 });
    const began = rig.clock.elapsed();
    await rig.work();
    await rig.watched.until(() => rig.watched.named('redrive').length > 0);
    await rig.clock.skip(600);
    expect(rig.watched.named('redrive')).toHaveLength(1);
    await desk.over(id);
    expect(rig.watched.named('redrive').map(({ result }) => result)).toEqual([20, 20, 10]);
    // The first step is free, the second waits for it; what the last is owed is waited for as well.
    expect(rig.clock.elapsed() - began).toBeGreaterThanOrEqual(2_000);
  });

  test('leaves alone what was not asked for, and what failed again', async () => {
    const { hook } = await givenUp(20);
    endpoint.reply(answer(403));
    const id = await desk.queue(hook, {
      kind: 'redrive',
      letters: { reason: 'UndeliverableDueToBadRequest', to: rig.clock.now() + 1 },
    });
    await rig.work();
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 20));
    await rig.watched.until(async () => (await rig.usage(hook)).deadLettered === 20);
    const other = await desk.queue(hook, {
      kind: 'redrive',
      letters: { reason: 'UndeliverableDueToBadRequest' },
    });
    expect(await desk.over(other)).toMatchObject(ended('succeeded', 0));
    expect(endpoint.received).toHaveLength(20);
  });

  test('to another subscription is for it alone, marked, under its message ids of the first place', async () => {
    const { hook, ids } = await givenUp(30);
    const letters = await rig.deadLetters(hook);
    const other = await rig.subscribe('other', `${endpoint.url}/other`, {
      filter: { includedEventTypes: ['nothing'] },
    });
    const id = await desk.queue(hook, {
      ...redrive,
      target: { name: 'other', incarnation: other.incarnation },
    });
    const { metrics } = await rig.work();
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 30));
    await rig.settled();
    expect(endpoint.ids('/other').sort()).toEqual([...ids].sort());
    expect(endpoint.ids('/hook')).toEqual([]);
    expect(endpoint.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(
      letters.map(({ place }) => messageId(place, other.incarnation)).sort(),
    );
    expect(new Set(endpoint.received.map(({ headers }) => headers['gridpost-replay']))).toEqual(
      new Set([id]),
    );
    expect((await rig.usage(hook)).deadLettered).toBe(0);
    expect(metrics.eventsMatched.with('orders', 'true').value).toBe(0);
  });

  test('keeps the mark, the message id and the acceptance of what is deferred and given up again', async () => {
    const { hook } = await givenUp(1);
    const [letter] = await rig.deadLetters(hook);
    const other = await rig.subscribe('other', `${endpoint.url}/other`, {
      retryPolicy: { maxDeliveryAttempts: 2, eventTimeToLiveInMinutes: 1440 },
    });
    endpoint.reply(answer(500));
    const target = { name: 'other', incarnation: other.incarnation };
    const id = await desk.queue(hook, { ...redrive, target });
    await rig.work(calm);
    await endpoint.until(({ length }) => length === 1);
    await rig.clock.skip(20_000);
    await rig.watched.until(async () => (await rig.usage(other)).deadLettered === 1);
    expect(
      endpoint.received.map(({ headers }) => [headers['webhook-id'], headers['gridpost-replay']]),
    ).toEqual(Array(2).fill([messageId(letter!.place, other.incarnation), id]));
    // And to a third, from there.
    const third = await rig.subscribe('third', `${endpoint.url}/third`);
    endpoint.reply(answer(200));
    const again = await desk.queue(other, {
      ...redrive,
      target: { name: 'third', incarnation: third.incarnation },
    });
    await rig.clock.skip(5_000);
    await endpoint.until(({ length }) => length === 3);
    expect(endpoint.received[2]!.headers).toMatchObject({
      'webhook-id': messageId(letter!.place, third.incarnation),
      'gridpost-replay': again,
    });
  });

  test('puts what is marked into batches of its own', async () => {
    const { hook, ids } = await givenUp(40);
    const other = await rig.subscribe('other', endpoint.url, { push: { maxEventsPerBatch: 100 } });
    await rig.unsubscribe(other);
    await rig.put({ ...other, properties: { ...other.properties, filter: {} } });
    const target = { name: 'other', incarnation: other.incarnation };
    await desk.queue(hook, { ...redrive, target });
    const { delivery } = await rig.work({}, { name: 'first' });
    await rig.watched.until(() => rig.watched.named('append').length > 0);
    await rig.publish(rig.ids(40));
    await endpoint.until(
      (received) => received.flatMap(({ batch }) => batch).filter((one) => ids.includes(one)).length === 40,
    );
    for (const { batch, headers } of endpoint.received) {
      const marked = batch.filter((one) => ids.includes(one)).length;
      expect([0, batch.length]).toContain(marked);
      expect(headers['gridpost-replay'] !== undefined).toBe(marked > 0);
    }
    await delivery.drain();
  });
});

test('purging lets go of those asked for, and of no others', async () => {
  const { hook } = await givenUp(260);
  endpoint.reply(answer(403));
  await rig.work();
  await rig.publish(['x', 'y']);
  await rig.watched.until(async () => (await rig.usage(hook)).deadLettered === 262);
  const id = await desk.queue(hook, {
    kind: 'purge',
    letters: { reason: 'UndeliverableDueToBadRequest' },
  });
  expect(await desk.over(id)).toMatchObject(ended('succeeded', 260));
  expect((await rig.deadLetters(hook)).map(({ reason }) => reason)).toEqual(
    Array(2).fill('UndeliverableDueToForbidden'),
  );
});

describe('a job', () => {
  test('that is cancelled stops, with what it has done', async () => {
    const { hook } = await givenUp(100);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 10 });
    await rig.work();
    const running = await desk.until(id, ({ progress }) => progress.done > 0);
    const { claim: _, ...rest } = running;
    await desk.write({ ...rest, status: 'cancelled', endedAt: rig.clock.now() });
    await rig.clock.skip(3_000);
    const { progress, status } = await desk.read(id);
    expect(status).toBe('cancelled');
    expect(progress.done).toBe(100 - (await rig.usage(hook)).deadLettered);
    expect(progress.done).toBeLessThan(50);
    const calls = rig.watched.named('redrive').length;
    await rig.clock.skip(5_000);
    expect(rig.watched.named('redrive')).toHaveLength(calls);
  });

  test('whose worker was killed is gone on with by another, once its claim has run out', async () => {
    const { hook, ids } = await givenUp(200);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 20 });
    const { delivery } = await rig.work();
    await desk.until(id, ({ progress }) => progress.done >= 20);
    await delivery.close();
    const left = await desk.read(id);
    expect(left).toMatchObject({ status: 'running', claim: { worker: expect.any(String) } });
    await rig.work();
    await rig.clock.skip(10_000);
    expect((await desk.read(id)).claim).toEqual(left.claim);
    await rig.clock.skip(25_000);
    const { status, progress } = await desk.over(id);
    expect(status).toBe('succeeded');
    // What was done and not written down has gone when its turn comes again.
    expect(progress.done).toBeGreaterThanOrEqual(180);
    await rig.settled();
    expect([...new Set(endpoint.ids())].sort()).toEqual([...ids].sort());
  });

  test('whose process died goes on at once where there can be no other', async () => {
    const { hook } = await givenUp(60);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 20 });
    const { delivery } = await rig.work();
    await desk.until(id, ({ progress }) => progress.done >= 20);
    await delivery.close();
    await rig.work({}, { store: rig.watched.memory });
    await rig.clock.skip(2_000);
    expect((await desk.read(id)).claim?.worker).not.toBe('w2');
    await rig.clock.skip(8_000);
    expect((await desk.read(id)).status).toBe('succeeded');
  });

  test('whose worker is drained is gone on with by another at once', async () => {
    const { hook, ids } = await givenUp(100);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 20 });
    const { delivery } = await rig.work();
    await desk.until(id, ({ progress }) => progress.done >= 20);
    await delivery.drain();
    const { claim, status, progress } = await desk.read(id);
    expect([claim, status]).toEqual([undefined, 'running']);
    expect(progress.done).toBe(100 - (await rig.usage(hook)).deadLettered);
    await rig.work();
    await rig.clock.skip(8_000);
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 100));
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual([...ids].sort());
  });

  test('is done by one worker, however many there are', async () => {
    const { hook } = await givenUp(100);
    const id = await desk.queue(hook, redrive);
    for (let i = 0; i < 3; i++) await rig.work();
    await rig.clock.skip(3_000);
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 100));
  });

  test('fails when its subscription is deleted, or its target', async () => {
    const { hook } = await givenUp(100);
    const other = await rig.subscribe('other', endpoint.url);
    const target = { name: 'other', incarnation: other.incarnation };
    const first = await desk.queue(hook, redrive, { ratePerSecond: 10 });
    const second = await desk.queue(hook, { ...redrive, target }, { ratePerSecond: 10 });
    await rig.work();
    for (const id of [first, second]) await desk.until(id, ({ progress }) => progress.done > 0);
    for (const each of [other, hook]) await rig.unsubscribe(each);
    await rig.clock.skip(3_000);
    for (const id of [first, second])
      expect(await desk.over(id)).toMatchObject({ status: 'failed', error: 'the subscription was deleted' });
  });

  test('waits for an endpoint that has not agreed, and for a subscription that is paused or disabled', async () => {
    const { hook } = await givenUp(3);
    const disabled = { state: 'Disabled', reason: 'gone', at: 1 } as const;
    await rig.put({ ...hook, status: disabled });
    const id = await desk.queue(hook, redrive);
    await rig.work();
    await rig.clock.skip(6_000);
    expect(await desk.read(id)).toMatchObject({
      ...{ status: 'running', waitingFor: 'the subscription is disabled' },
    });
    await rig.put({ ...hook, status: { state: 'Paused', at: 1 } });
    await rig.clock.skip(6_000);
    expect((await desk.read(id)).waitingFor).toBe('the subscription is paused');
    await rig.put({ ...hook, provisioning: { state: 'Failed', at: 1, reason: 'no' } });
    await rig.clock.skip(6_000);
    expect(await desk.read(id)).toMatchObject({
      waitingFor: 'the endpoint has not agreed to get events',
      progress: { done: 0 },
    });
    const queued = await desk.queue(hook, redrive);
    await rig.clock.skip(6_000);
    expect((await desk.read(queued)).status).toBe('queued');
    await rig.put(hook);
    await rig.clock.skip(6_000);
    const both = [await desk.over(id), await desk.over(queued)];
    expect(both.map(({ status, waitingFor }) => [status, waitingFor])).toEqual(
      Array(2).fill(['succeeded', undefined]),
    );
    expect(both[0]!.progress.done + both[1]!.progress.done).toBe(3);
  });

  test('waits while its receiver’s backlog is near its bound', async () => {
    const { hook } = await givenUp(40);
    endpoint.reply(answer(500));
    const id = await desk.queue(hook, redrive, { ratePerSecond: 10 });
    await rig.work({ jobBacklogBytesMax: 15 * 350 });
    await desk.until(id, ({ waitingFor }) => waitingFor !== undefined);
    await rig.clock.skip(8_000);
    const { waitingFor, progress } = await desk.read(id);
    expect([waitingFor, progress.done]).toEqual(['the backlog of the subscription is near its quota', 20]);
    endpoint.reply(answer(200));
    await rig.clock.skip(60_000);
    expect(await desk.over(id)).toMatchObject(ended('succeeded', 40));
  });

  test('goes on when the store is back, also where a write of its own was confirmed to nobody', async () => {
    const { hook, ids } = await givenUp(100);
    const id = await desk.queue(hook, redrive, { ratePerSecond: 20 });
    const { lines } = await rig.work();
    await desk.until(id, ({ progress }) => progress.done > 0);
    rig.watched.fails = (name) => (name === 'redrive' ? 'after' : name === 'put' ? 'after' : undefined);
    await rig.clock.skip(1_500);
    rig.watched.fails = () => undefined;
    await rig.clock.skip(10_000);
    const { status } = await desk.over(id);
    expect(status).toBe('succeeded');
    await rig.settled();
    expect(endpoint.ids().sort()).toEqual([...ids].sort());
    expect(lines.map(({ message }) => message)).toContain('job redrive fails, will be repeated');
  });

  test('of a subscription that does not exist is waited for a minute, and fails then', async () => {
    const ghost = await rig.subscribe('ghost', endpoint.url);
    await rig.unsubscribe(ghost);
    const id = await desk.queue(ghost, redrive);
    await rig.work();
    await rig.clock.skip(50_000);
    expect((await desk.read(id)).status).toBe('queued');
    await rig.clock.skip(20_000);
    expect((await desk.over(id)).error).toBe('the subscription was deleted');
  });

  test('is forgotten after a week, and when a hundred newer ones are over', async () => {
    const hook = await rig.subscribe('hook', endpoint.url);
    const over = { status: 'succeeded', endedAt: 1 } as const;
    const now = rig.clock.now();
    const old = await desk.queue(hook, redrive, { ...over, updatedAt: now - limits.jobsKeptMs - 1 });
    await rig.clock.skip(10);
    const many: string[] = [];
    for (let i = 0; i < limits.jobsKeptMax + 1; i++) {
      many.push(await desk.queue(hook, redrive, over));
      await rig.clock.skip(1);
    }
    await rig.work();
    await rig.watched.until(() => rig.watched.named('list').length > 0);
    await rig.clock.skip(2_000);
    const left = (await rig.watched.memory.resources.list('jobs/', undefined, 1_000)).map(({ path }) => path);
    expect(left).not.toContain(`jobs/${old}`);
    expect(left).toEqual(many.slice(1).map((id) => `jobs/${id}`));
  });
});
