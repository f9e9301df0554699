import { describe, expect, test } from '@jest/globals';
import { type Job, jobPath, type Subscription } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { eventOf, serve } from '../testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};

/** A topic with a history, and one second between the requests that fill it. */
async function setup({ partitions = 1, properties = { eventRetentionInDays: 1 } as object } = {}) {
  const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
  const store = new MemoryStore({ partitions, clock });
  const served = await serve({ store, clock });
  await served.admin('PUT', '/topics/orders', properties);
  const fill = async (count: number, type = 't'): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await served.publish('orders', eventOf({ id: `${type}${i}`, type }));
      await clock.advance(1_000);
    }
  };
  const jobOf = async (id: string): Promise<Job> => (await store.resources.get(jobPath(id)))!.value as Job;
  return { ...served, store, clock, fill, jobOf };
}

describe('a replay', () => {
  test('is a job about a range of time, which ends now at the latest', async () => {
    const { admin, fill, jobOf } = await setup();
    await admin('PUT', path, { ...hook, filter: { includedEventTypes: ['t'] } });
    await fill(3);
    await fill(2, 'other');
    const wish = { from: '2026-01-31T12:00:01Z', to: '2099-01-01T00:00:00Z', ratePerSecond: 7 };
    const { status, json, headers } = await admin('POST', `${path}:replay`, wish);
    expect([status, json]).toEqual([
      202,
      {
        id: expect.any(String),
        ...{ kind: 'replay', status: 'queued', topic: '/topics/orders', subscription: 'billing' },
        from: '2026-01-31T12:00:01.000Z',
        to: '2026-01-31T12:00:05.000Z',
        ratePerSecond: 7,
        total: { count: 2, exact: true },
        ...{ done: 0, failed: 0, createdAt: '2026-01-31T12:00:05.000Z' },
      },
    ]);
    expect(headers.location).toBe(`/jobs/${json.id}`);
    expect((await jobOf(json.id)).task).toEqual({
      kind: 'replay',
      from: Date.parse('2026-01-31T12:00:01Z'),
      to: Date.parse('2026-01-31T12:00:05Z'),
    });
  });

  test('that is only tried says how many there are, and makes no job', async () => {
    const { admin, fill } = await setup({ partitions: 3 });
    await admin('PUT', path, { ...hook, filter: { includedEventTypes: ['t'] } });
    await fill(7);
    await fill(2, 'other');
    const { status, json } = await admin('POST', `${path}:replay`, {
      ...{ from: '2026-01-31T12:00:02Z', to: '2026-01-31T12:00:05Z', dryRun: true },
    });
    expect([status, json]).toEqual([200, { count: 3, exact: true }]);
    expect((await admin('GET', '/jobs')).json.value).toEqual([]);
  });

  test('is estimated where counting would take too long', async () => {
    const { admin, clock, store } = await setup();
    await admin('PUT', path, hook);
    const { value } = (await store.resources.get(path.slice(1)))!;
    const { topicIncarnation: topic } = value as Subscription;
    const { frame } = (await filled()).events[0]!;
    for (let i = 0; i < 20; i++) {
      await store.append(0, Array(100).fill({ topic, frame }), { retained: new Set([topic]) });
      await clock.advance(1_000);
    }
    const { history } = store;
    store.history = async (...args) => {
      await clock.advance(2_000);
      return history.apply(store, args);
    };
    const { json } = await admin('POST', `${path}:replay`, { from: '2026-01-31T12:00:00Z', dryRun: true });
    expect(json.exact).toBe(false);
    // Of the 2,000 there are, 500 were looked at, which were accepted within 4 of 20 seconds.
    expect(json.count).toBeGreaterThan(2_000);
    expect(json.count).toBeLessThan(3_000);

    async function filled() {
      const other = await setup();
      await other.fill(1);
      const { incarnation } = (await other.store.resources.get('topics/orders'))!.value as {
        incarnation: string;
      };
      return other.store.history(0, incarnation, undefined, 1);
    }
  });

  test('on a domain’s topic counts those that name it', async () => {
    const { admin, call, clock } = await setup();
    await admin('PUT', '/domains/shop', { eventRetentionInDays: 1 });
    const north = '/domains/shop/topics/north/eventsubscriptions/billing';
    await admin('PUT', north, hook);
    for (const source of ['north', 'south', 'north'])
      await admin('POST', '/domains/shop/api/events', eventOf({ source }), {
        'content-type': 'application/cloudevents+json',
      });
    await clock.advance(1_000);
    const wish = { from: '2026-01-31T12:00:00Z', dryRun: true };
    expect((await admin('POST', `${north}:replay`, wish)).json).toEqual({ count: 2, exact: true });
    expect((await call('POST', `${north}:replay`)).status).toBe(401);
  });

  test.each<[object, string]>([
    [{}, '/from'],
    [{ from: 'yesterday' }, '/from'],
    [{ from: '2026-01-31T12:00:01Z' }, '/from'],
    [{ from: '2026-01-31T11:00:00Z', to: '2026-01-31T11:00:00Z' }, '/to'],
    [{ from: '2026-01-31T11:00:00Z', ratePerSecond: 0 }, '/ratePerSecond'],
    [{ from: '2026-01-31T11:00:00Z', dryRun: 1 }, '/dryRun'],
    [{ from: '2026-01-31T11:00:00Z', speed: 1 }, '/speed'],
  ])('%j is refused', async (body, pointer) => {
    const { admin } = await setup();
    await admin('PUT', path, hook);
    const { status, json } = await admin('POST', `${path}:replay`, body);
    expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidResource', pointer]);
  });

  test('of a topic without a history is refused with the reason', async () => {
    const { admin } = await setup({ properties: {} });
    await admin('PUT', path, hook);
    const { status, json } = await admin('POST', `${path}:replay`, { from: '2026-01-31T11:00:00Z' });
    expect([status, json.code]).toEqual([400, 'InvalidResource']);
    expect(json.detail).toBe('"orders" keeps no history of its events: its eventRetentionInDays is 0');
  });
});

describe('startFrom', () => {
  const startFrom = '2026-01-31T12:00:01Z';

  test('makes a job with the new subscription, which reaches a little past its creation', async () => {
    const { admin, fill, jobOf, store } = await setup();
    await fill(4);
    const { status, json } = await admin('PUT', path, { ...hook, startFrom });
    expect([status, json.properties.startFrom]).toEqual([201, startFrom]);
    const [job] = (await admin('GET', '/jobs')).json.value;
    expect(job).toMatchObject({ kind: 'replay', status: 'queued', ratePerSecond: 1_000 });
    expect(job.total).toEqual({ count: 3, exact: true });
    const { value } = (await store.resources.get(path.slice(1)))!;
    const { incarnation } = value as Subscription;
    expect(await jobOf(job.id)).toMatchObject({
      subscription: { name: 'billing', incarnation },
      task: { from: Date.parse(startFrom), to: Date.parse('2026-01-31T12:00:09Z') },
    });
    // Written again as it was, it is the same subscription; another start is for another.
    expect((await admin('PUT', path, { ...hook, startFrom })).status).toBe(200);
    expect((await admin('GET', '/jobs')).json.value).toHaveLength(1);
    const other = await admin('PUT', path, { ...hook, startFrom: '2026-01-31T12:00:02Z' });
    expect([other.status, other.json.errors[0].pointer]).toEqual([400, '/startFrom']);
  });

  test('leaves no job behind where the subscription is not written', async () => {
    const { admin, store } = await setup();
    await store.resources.put('topics/other', {});
    const { put } = store.resources;
    let failures = 0;
    store.resources.put = async (...args) => {
      if (args[0] === path.slice(1) && failures++ < 2) return { kind: 'preconditionFailed' };
      return put.apply(store.resources, args);
    };
    const { status } = await admin('PUT', path, { ...hook, startFrom: '2026-01-31T11:00:00Z' });
    expect([status, failures]).toEqual([201, 3]);
    expect((await admin('GET', '/jobs')).json.value).toHaveLength(1);
  });

  test.each<[object, string, RegExp]>([
    [{ startFrom: '2026-01-31T12:00:00.001Z' }, '/startFrom', /expected an instant in the past/],
    [{ startFrom: '2016-12-31T23:59:60Z' }, '/startFrom', /expected an instant in the past/],
    [{ startFrom: 'yesterday' }, '/startFrom', /expected an ISO 8601 instant/],
  ])('%j is refused', async (properties, pointer, message) => {
    const { admin } = await setup();
    const { status, json } = await admin('PUT', path, { properties: { ...hook, ...properties } });
    expect([status, json.errors]).toEqual([
      400,
      [{ pointer: `/properties${pointer}`, message: expect.stringMatching(message) }],
    ]);
  });

  test('needs a topic that keeps a history', async () => {
    const { admin } = await setup({ properties: {} });
    const { status, json } = await admin('PUT', path, { ...hook, startFrom: '2026-01-31T11:00:00Z' });
    expect([status, json.errors[0].pointer]).toEqual([400, '/startFrom']);
    expect((await admin('GET', path)).status).toBe(404);
    expect((await admin('GET', '/jobs')).json.value).toEqual([]);
  });
});
