import { describe, expect, test } from '@jest/globals';
import { Event, GridpostError, type Job, jobPath } from '@gridpost/model';
import { deadLetterId } from './dead-letter-view.js';
import { type Bench, list, path, setup, structured } from './testing/dead-letter-bench.js';

const redrive = `${list}:redrive`;
const purge = `${list}:purge`;

test('those named are redriven, each once, and others stay', async () => {
  const bench = await setup({ partitions: 2 });
  const { admin, giveUp, deferred } = bench;
  await giveUp(0, [structured('a'), structured('b')]);
  await giveUp(1, [structured('c'), structured('d')]);
  const letters: { id: string; event: { id: string } }[] = (await admin('GET', list)).json.value;
  const idOf = (event: string): string => letters.find((letter) => letter.event.id === event)!.id;
  const ids = [idOf('b'), idOf('c'), idOf('b')];
  expect((await admin('POST', redrive, { ids })).json).toEqual({ redriven: 2 });
  expect((await admin('POST', redrive, { ids })).json).toEqual({ redriven: 0 });
  expect((await admin('POST', redrive, { ids: [] })).json).toEqual({ redriven: 0 });
  expect(await deferred()).toBe(2);
  const left = (await admin('GET', list)).json.value.map(({ event }: { event: { id: string } }) => event.id);
  expect(left).toEqual(['a', 'd']);
});

test('what is redriven by its id, resent as it is or edited is in the life of its event', async () => {
  const bench = await setup();
  const { admin, giveUp } = bench;
  await giveUp(
    0,
    ['a', 'b', 'c', 'd'].map((id) => structured(id)),
  );
  const letters: { id: string }[] = (await admin('GET', list)).json.value;
  const [a, b, c] = letters.map(({ id }) => id);
  await admin('POST', redrive, { ids: [a] });
  expect((await admin('POST', `${list}/${b}:resend`)).status).toBe(204);
  const edited = { specversion: '1.0', id: 'c', source: '/s', type: 't' };
  const headers = { 'content-type': 'application/cloudevents+json' };
  expect((await admin('POST', `${list}/${c}:resend`, edited, headers)).status).toBe(204);
  const of = async (id: string) => (await admin('GET', `/topics/orders/events/${id}`)).json.value;
  const deferred = { subscription: 'billing', state: 'Deferred' };
  expect(await of('a')).toMatchObject([{ deliveries: [{ ...deferred, reason: 'redriven' }] }]);
  expect(await of('b')).toMatchObject([{ deliveries: [{ ...deferred, reason: 'resent' }] }]);
  expect(await of('c')).toMatchObject([{ deliveries: [{ state: 'SentOn', reason: 'resent' }] }]);
  expect(await of('d')).toEqual([]);
});

test.each<[unknown, string]>([
  [{ ids: 'all' }, '/ids'],
  [{ ids: [1] }, '/ids/0'],
  [{ ids: [deadLetterId({ partition: 0, entry: 'a', index: 0 }), 'nonsense'] }, '/ids/1'],
  [{ ids: [deadLetterId({ partition: 1, entry: 'a', index: 0 })] }, '/ids/0'],
  [{ ids: [''] }, '/ids/0'],
  [{ ids: ['x'.repeat(65)] }, '/ids/0'],
  [
    { ids: Array.from({ length: 1_001 }, (_, i) => deadLetterId({ partition: 0, entry: 'a', index: i })) },
    '/ids',
  ],
  [{ ids: [], reason: 'Rejected' }, '/reason'],
  [{ ids: [], target: 'audit' }, '/target'],
  [{ all: true }, '/all'],
  [{ reason: 'Boredom' }, '/reason'],
  [{ from: 'yesterday' }, '/from'],
  [{ to: '2030-01-31T23:59:60Z' }, '/to'],
  [{ from: '2030-01-31T12:00:00Z', to: '2030-01-31T12:00:00Z' }, '/to'],
  [{ ratePerSecond: 0 }, '/ratePerSecond'],
  [{ ratePerSecond: 10_001 }, '/ratePerSecond'],
  [{ target: 'a/b' }, '/target'],
  [{ target: 'nobody' }, '/target'],
])('the body %j is refused', async (body, pointer) => {
  const { admin } = await setup();
  const { status, json } = await admin('POST', redrive, body);
  expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidResource', pointer]);
});

test('a thousand ids are just allowed', async () => {
  const { admin } = await setup();
  const ids = Array.from({ length: 1_000 }, (_, i) => deadLetterId({ partition: 0, entry: 'a', index: i }));
  expect((await admin('POST', redrive, { ids })).json).toEqual({ redriven: 0 });
});

describe('a job', () => {
  async function stored({ store }: Bench, id: string): Promise<Job> {
    return (await store.resources.get(jobPath(id)))!.value as Job;
  }

  test('to redrive all there are now is queued, and found where the answer says', async () => {
    const bench = await setup({ partitions: 2 });
    await bench.giveUp(0, [structured('a'), structured('b')]);
    await bench.giveUp(1, [structured('c')]);
    const answer = await bench.admin('POST', redrive);
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-z]{9}-[0-9a-z]{8}$/),
      kind: 'redrive',
      status: 'queued',
      topic: '/topics/orders',
      subscription: 'billing',
      to: '2026-01-31T12:00:00.001Z',
      ratePerSecond: 100,
      total: { count: 3, exact: true },
      done: 0,
      failed: 0,
      createdAt: '2026-01-31T12:00:00.000Z',
    });
    expect(answer.headers.location).toBe(`/jobs/${answer.json.id}`);
    expect((await bench.admin('GET', answer.headers.location!)).json).toEqual(answer.json);
    expect(await bench.deferred()).toBe(0);
  });

  test('is about what is asked for, and never about what is given up later', async () => {
    const bench = await setup();
    await bench.giveUp(0, [structured('a')], {}, 'Rejected');
    await bench.giveUp(0, [structured('b')]);
    const wish = { reason: 'Rejected', from: '2026-01-31T13:00:00+01:00', to: '2099-01-01T00:00:00Z' };
    const { json } = await bench.admin('POST', purge, { ...wish, ratePerSecond: 10_000 });
    expect(json).toMatchObject({
      kind: 'purge',
      reason: 'Rejected',
      from: '2026-01-31T12:00:00.000Z',
      to: '2026-01-31T12:00:00.001Z',
      ratePerSecond: 10_000,
      total: { count: 1, exact: true },
    });
  });

  test('estimates where counting would take too long', async () => {
    const bench = await setup();
    for (let run = 0; run < 11; run++)
      await bench.giveUp(
        0,
        Array.from({ length: 100 }, (_, i) => structured(`${run}-${i}`)),
        {},
        run % 2 === 0 ? 'Rejected' : 'Quarantined',
      );
    const { deadLetters } = bench.store;
    bench.store.deadLetters = async (...args) => {
      await bench.clock.advance(2_000);
      return deadLetters.apply(bench.store, args);
    };
    const { json } = await bench.admin('POST', purge, { reason: 'Rejected' });
    // Of the 500 looked at, 300 were.
    expect(json.total).toEqual({ count: 660, exact: false });
  });

  test('may be for another subscription of the same topic', async () => {
    const bench = await setup();
    const { admin } = bench;
    await admin('PUT', path.replace('billing', 'audit'), {
      deliveryConfiguration: { deliveryMode: 'Queue' },
    });
    const { json } = await admin('POST', redrive, { target: 'audit' });
    expect(json.target).toBe('audit');
    expect(await stored(bench, json.id)).toMatchObject({
      subscription: { name: 'billing' },
      task: { target: { name: 'audit', incarnation: expect.any(String) } },
    });
    expect((await admin('POST', redrive, { target: 'billing' })).json.target).toBeUndefined();
  });

  test('is refused beyond a hundred', async () => {
    const { admin } = await setup();
    for (let i = 0; i < 100; i++) expect((await admin('POST', redrive)).status).toBe(202);
    const { status, json } = await admin('POST', redrive);
    expect([status, json.code]).toEqual([409, 'TooManyResources']);
    const [{ id }] = (await admin('GET', '/jobs')).json.value;
    await admin('POST', `/jobs/${id}:cancel`);
    expect((await admin('POST', redrive)).status).toBe(202);
  });
});

describe('resending one', () => {
  const edited = '{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{"fixed":1.0}}';
  const cloudEvents = { 'content-type': 'application/cloudevents+json' };

  async function one() {
    const bench = await setup({ partitions: 2 });
    await bench.giveUp(1, [structured('a')]);
    const [{ id }] = (await bench.admin('GET', list)).json.value;
    return { ...bench, resend: `${list}/${id}:resend` };
  }

  test('as it is makes it due again', async () => {
    const { admin, resend, deferred } = await one();
    expect((await admin('POST', resend)).status).toBe(204);
    expect(await deferred()).toBe(1);
    const { status, json } = await admin('POST', resend);
    expect([status, json.code]).toEqual([404, 'DeadLetterNotFound']);
  });

  test('edited appends the event for the subscription alone, byte for byte, and lets the old one go', async () => {
    const { admin, resend, store, deferred } = await one();
    expect((await admin('POST', resend, edited, cloudEvents)).status).toBe(204);
    expect((await admin('GET', list)).json.value).toEqual([]);
    expect(await deferred()).toBe(0);
    const { epoch } = (await store.claim(1, 'worker', 10_000, 0))!;
    const { entries } = await store.read(1, epoch, undefined, { entriesMax: 10, bytesMax: 2 ** 20 });
    const events = entries.flatMap((entry) => entry.events).map(({ frame }) => new Event(frame));
    expect(events.map(({ body }) => body.toString())).toEqual([edited]);
    expect(events[0]!.direction).toEqual({ only: expect.any(String), cause: 'resent' });
  });

  test('keeps the dead letter where the edited event cannot be stored', async () => {
    const { admin, resend, store } = await one();
    store.append = async () => {
      throw new GridpostError('StoreFull', 'full');
    };
    expect((await admin('POST', resend, edited, cloudEvents)).status).toBe(503);
    expect((await admin('GET', list)).json.value).toHaveLength(1);
  });

  test.each<[string, string, object]>([
    ['InvalidEvent', '{"specversion":"1.0"}', cloudEvents],
    ['InvalidEvent', '[]', { 'content-type': 'application/cloudevents-batch+json' }],
    ['InvalidJson', '{', cloudEvents],
    ['UnsupportedContentType', edited, { 'content-type': 'text/plain' }],
    ['UnsupportedContentType', edited, { ...cloudEvents, 'content-encoding': 'gzip' }],
    ['TooLarge', edited.replace('1.0}', `"${'x'.repeat(1_048_576)}"}`), cloudEvents],
    ['TooLarge', 'x'.repeat(1_572_865), cloudEvents],
  ])('%s refuses an event as publishing would, and nothing changes', async (code, body, headers) => {
    const { admin, resend } = await one();
    const { json } = await admin('POST', resend, body, headers as never);
    expect(json.code).toBe(code);
    expect((await admin('GET', list)).json.value).toHaveLength(1);
  });
});

test('actions need their subscription', async () => {
  const { admin } = await setup();
  await admin('DELETE', path);
  for (const action of [redrive, purge, `${list}/MC4xLjA:resend`])
    expect((await admin('POST', action)).json.code).toBe('SubscriptionNotFound');
});
