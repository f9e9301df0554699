import { expect, test } from '@jest/globals';
import { type AttemptRecord, BlockWriter, type Ending, type RecordedAttempt } from '@gridpost/attempt-log';
import { decodeRequest } from '@gridpost/codec';
import {
  directed,
  type Event,
  type Subscription,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { type AttemptKind, type Disposition, MemoryStore } from '@gridpost/store';
import { eventOf, serve, type Served } from '../testing/serve.js';

const noon = Date.parse('2026-01-31T12:00:00Z');
const hook = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};

interface Bench extends Served {
  readonly clock: FakeClock;
  readonly epochs: readonly number[];
  subscription(path: string, properties?: object): Promise<Subscription>;
  /** Writes records as one block. */
  write(partition: number, kind: AttemptKind, ...records: Written[]): Promise<void>;
}

interface Written {
  readonly event?: Event;
  readonly subscription: Subscription;
  readonly entry?: string;
  readonly index?: number;
  readonly at?: number;
  readonly ending?: Ending;
  readonly attempt?: RecordedAttempt;
  readonly job?: string;
}

const queued: Disposition = { kind: 'deferred', dueInMs: 0, state: { attempts: 0, liveFrom: noon } };

/** Settles the first entry of the log with what became of its one event for a subscription, and returns the entry. */
async function settled(
  { store, epochs }: Bench,
  { incarnation }: Subscription,
  disposition: Disposition,
): Promise<{ readonly id: string }> {
  const { entries } = await store.read(0, epochs[0]!, undefined, { entriesMax: 9, bytesMax: 2 ** 20 });
  const [entry] = entries;
  await store.settle(0, epochs[0]!, {
    entries: [
      {
        ...entry!,
        events: new Map([[0, entry!.events[0]!]]),
        deferrals: [{ index: 0, subscription: incarnation, disposition }],
      },
    ],
    outcomes: [],
  });
  return entry!;
}

async function setup({
  partitions = 1,
  attemptLogBytesMax = 2 ** 24,
  eventRetentionInDays = 0,
} = {}): Promise<Bench> {
  const clock = new FakeClock(noon);
  const limits = { bytesMax: 2 ** 30, subscriptionShare: 0.1, attemptLogBytesMax };
  const store = new MemoryStore({ partitions, clock, limits });
  const served = await serve({ store, clock });
  await served.admin('PUT', '/topics/orders', { eventRetentionInDays });
  const epochs: number[] = [];
  for (let partition = 0; partition < partitions; partition++)
    epochs.push((await store.claim(partition, 'worker', 3_600_000, 0))!.epoch);
  return {
    ...served,
    clock,
    epochs,
    async subscription(path, properties = hook) {
      await served.admin('PUT', path, properties);
      const [, topicName, name] = /^\/(?:topics\/)?(.+)\/eventsubscriptions\/(.+)$/.exec(path)!;
      return (await store.resources.get(subscriptionPath(topicName!, name!)))!.value as Subscription;
    },
    async write(partition, kind, ...records) {
      const writer = new BlockWriter();
      for (const record of records) {
        const { event, subscription, entry = '1', index = 0, at = clock.now(), attempt, job } = record;
        const { ending = { kind: 'delivered' } } = record;
        writer.add({ entry, index, acceptedAt: noon }, event, subscription, at, ending, attempt, job);
      }
      const attempts = [{ kind, block: writer.take()! }];
      await store.settle(partition, epochs[partition]!, { entries: [], outcomes: [], attempts });
    },
  };
}

function structured(id: string, source = '/s', data = 1): Event {
  const body = Buffer.from(JSON.stringify({ ...eventOf({ id, source }), data }));
  return decodeRequest(['content-type', 'application/cloudevents+json'], body).events[0]!;
}

const busy: RecordedAttempt = {
  number: 1,
  durationMs: 20,
  outcome: 'Busy',
  status: 503,
  error: 'out of order',
};
const fine: RecordedAttempt = { number: 2, durationMs: 10, outcome: 'Delivered', status: 200 };
const nothingLetGo = { failures: null, successes: null };

/** All pages' items, and the last page. */
async function readAll({ admin }: Served, path: string) {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  const value: any[] = [];
  let next: string | undefined = path;
  for (let pages = 1; ; pages++) {
    const { status, json } = await admin('GET', next!);
    expect([status, json]).toEqual([200, expect.anything()]);
    value.push(...json.value);
    next = json.nextLink?.replace(/^http:\/\/[^/]+/, '');
    if (!next) return { value, pages, last: json };
  }
}

test("an event's life has its attempts in their order, and where it stands", async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const billing = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const mail = await bench.subscription('/topics/orders/eventsubscriptions/mail');
  const event = structured('one');
  const retried: Ending = { kind: 'deferred', until: noon + 10_500, reason: 'failed' };
  await clock.advance(500);
  await write(
    0,
    'failures',
    { event, subscription: billing, ending: retried, attempt: busy },
    { event: structured('two'), subscription: billing, ending: retried, attempt: busy },
  );
  await clock.advance(11_000);
  await write(0, 'successes', { event, subscription: billing, attempt: fine }, { event, subscription: mail });
  const { json } = await admin('GET', '/topics/orders/events/one');
  expect(json).toEqual({
    value: [
      {
        id: 'one',
        source: '/s',
        place: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
        acceptedAt: '2026-01-31T12:00:00.000Z',
        deliveries: [
          {
            subscription: 'mail',
            since: '2026-01-31T12:00:11.500Z',
            state: 'Delivered',
            attempts: 0,
            steps: [{ at: '2026-01-31T12:00:11.500Z', state: 'Delivered' }],
          },
          {
            subscription: 'billing',
            since: '2026-01-31T12:00:11.500Z',
            state: 'Delivered',
            attempts: 2,
            steps: [
              {
                at: '2026-01-31T12:00:00.500Z',
                state: 'Deferred',
                reason: 'failed',
                nextAttemptAt: '2026-01-31T12:00:10.500Z',
                attempt: {
                  number: 1,
                  startedAt: '2026-01-31T12:00:00.480Z',
                  durationMs: 20,
                  outcome: 'Busy',
                  status: 503,
                  error: 'out of order',
                },
              },
              {
                at: '2026-01-31T12:00:11.500Z',
                state: 'Delivered',
                attempt: {
                  number: 2,
                  startedAt: '2026-01-31T12:00:11.490Z',
                  durationMs: 10,
                  outcome: 'Delivered',
                  status: 200,
                },
              },
            ],
          },
        ],
      },
    ],
    recorded: 'all',
    heldFrom: nothingLetGo,
  });
});

test('a record that a repeated settle wrote twice is one step', async () => {
  const bench = await setup();
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const written = { event: structured('one'), subscription, attempt: fine };
  for (let times = 0; times < 2; times++) await bench.write(0, 'successes', written);
  const { json } = await bench.admin('GET', '/topics/orders/events/one');
  expect(json.value[0].deliveries[0].steps).toHaveLength(1);
});

test('events of one id are told apart by source and place, and asked for by source', async () => {
  const bench = await setup({ partitions: 2 });
  const { admin, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const [here, there] = [structured('a/b?c', '/here'), structured('a/b?c', '/there')];
  await write(0, 'successes', { event: here, subscription }, { event: there, subscription, index: 1 });
  await write(1, 'successes', { event: here, subscription });
  const path = `/topics/orders/events/${encodeURIComponent('a/b?c')}`;
  const sourcesOf = async (query: string): Promise<string[]> =>
    (await admin('GET', path + query)).json.value.map(({ source }: { source: string }) => source);
  expect((await sourcesOf('')).sort()).toEqual(['/here', '/here', '/there']);
  expect(await sourcesOf('?source=/here')).toEqual(['/here', '/here']);
  expect(await sourcesOf('?source=%2Fthere')).toEqual(['/there']);
  expect(await sourcesOf('?source=/')).toEqual([]);
  const { json } = await admin('GET', path);
  expect(new Set(json.value.map(({ place }: { place: string }) => place)).size).toBe(3);
});

test("another topic's event of the same id is not shown, nor that of a topic of the same name before", async () => {
  const bench = await setup();
  const { admin, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  await write(0, 'successes', { event: structured('one'), subscription });
  await admin('PUT', '/topics/other');
  expect((await admin('GET', '/topics/other/events/one')).json.value).toEqual([]);
  await admin('DELETE', '/topics/orders');
  expect((await admin('GET', '/topics/orders/events/one')).json).toMatchObject({ code: 'TopicNotFound' });
  await admin('PUT', '/topics/orders');
  expect((await admin('GET', '/topics/orders/events/one')).json.value).toEqual([]);
});

test('on a domain, subscriptions of the domain and of its topics are told apart', async () => {
  const bench = await setup();
  const { admin, write } = bench;
  await admin('PUT', '/domains/shop');
  const all = await bench.subscription('/domains/shop/eventsubscriptions/all');
  const north = await bench.subscription('/domains/shop/topics/north/eventsubscriptions/all');
  const event = structured('one', 'north');
  await write(0, 'successes', { event, subscription: all }, { event, subscription: north });
  const { json } = await admin('GET', '/domains/shop/events/one');
  expect(json.value[0].deliveries).toMatchObject([
    { subscription: 'all', domainTopic: 'north' },
    { subscription: 'all' },
  ]);
  expect(json.value[0].deliveries[1].domainTopic).toBeUndefined();
});

test('what a consumer said of a place is part of the life of the event that stands there', async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/waiting', {
    deliveryConfiguration: { deliveryMode: 'Queue' },
  });
  const queued: Ending = { kind: 'deferred', until: noon, reason: 'queue' };
  await write(0, 'successes', { event: structured('one'), subscription, ending: queued });
  await clock.advance(1_000);
  await write(
    0,
    'successes',
    { subscription, attempt: { number: 1, durationMs: 5, outcome: 'Acknowledged' } },
    { subscription, index: 1, attempt: { number: 1, durationMs: 5, outcome: 'Acknowledged' } },
  );
  const { value } = (await admin('GET', '/topics/orders/events/one')).json;
  expect(value[0].deliveries).toMatchObject([
    {
      state: 'Delivered',
      attempts: 1,
      steps: [{ state: 'Deferred', reason: 'queue' }, { state: 'Delivered' }],
    },
  ]);
  const list = await admin('GET', '/topics/orders/eventsubscriptions/waiting/deliveries');
  expect(list.json.value).toMatchObject([
    { state: 'Delivered', lastAttempt: { outcome: 'Acknowledged' } },
    { state: 'Delivered', event: { id: 'one', source: '/s' }, lastAttempt: { outcome: 'Acknowledged' } },
  ]);
  expect(list.json.value[0].event).toBeUndefined();
});

test('what was replayed, redriven to another or resent is shown as that, in the life of the event that it is of', async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const billing = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const mail = await bench.subscription('/topics/orders/eventsubscriptions/mail');
  const event = structured('one');
  const original = { entry: '1', index: 0, acceptedAt: noon };
  const sent = (to: Subscription, cause: 'replayed' | 'redriven', job: string) =>
    directed(event, { only: to.incarnation, cause, job, original });
  await write(0, 'successes', { event, subscription: billing, attempt: fine });
  await clock.advance(1_000);
  await write(
    0,
    'successes',
    { event: sent(billing, 'replayed', 'job-1'), entry: '2', subscription: billing, attempt: fine },
    { event: sent(mail, 'redriven', 'job-2'), entry: '3', subscription: mail, attempt: fine },
  );
  await write(0, 'successes', {
    ...{ event: directed(event, { only: billing.incarnation, cause: 'resent' }), entry: '4' },
    ...{ subscription: billing, attempt: fine },
  });
  const { value } = (await admin('GET', '/topics/orders/events/one')).json;
  const [edited, whole] = value.toSorted((a: { deliveries: object[] }, b: { deliveries: object[] }) => {
    return a.deliveries.length - b.deliveries.length;
  });
  expect(value).toHaveLength(2);
  expect(edited.deliveries).toMatchObject([{ subscription: 'billing', origin: { cause: 'Resent' } }]);
  expect(edited.deliveries[0].origin).not.toHaveProperty('place');
  expect(whole).toMatchObject({ acceptedAt: '2026-01-31T12:00:00.000Z' });
  const bySubscription = whole.deliveries.toSorted((a: { origin?: { job: string } }, b: typeof a) =>
    String(a.origin?.job).localeCompare(String(b.origin?.job)),
  );
  const { place } = whole;
  expect(bySubscription).toMatchObject([
    { subscription: 'billing', origin: { cause: 'Replayed', job: 'job-1', place }, state: 'Delivered' },
    { subscription: 'mail', origin: { cause: 'Redriven', job: 'job-2', place }, state: 'Delivered' },
    { subscription: 'billing', state: 'Delivered' },
  ]);
  expect(bySubscription[0].place).not.toBe(place);
  expect(bySubscription[2]).not.toHaveProperty('origin');
  const list = (await admin('GET', '/topics/orders/eventsubscriptions/billing/deliveries')).json.value;
  expect(list).toHaveLength(3);
  expect(list).toContainEqual(
    expect.objectContaining({ origin: { cause: 'Replayed', job: 'job-1', place } }),
  );
  expect(list).toContainEqual(expect.objectContaining({ origin: { cause: 'Resent' } }));
});

test('of a replayed event whose first delivery is held no longer the life is the same', async () => {
  const bench = await setup();
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const original = { entry: '1', index: 3, acceptedAt: noon - 60_000 };
  const event = directed(structured('one'), {
    ...{ only: subscription.incarnation, cause: 'replayed', job: 'job-1', original },
  });
  await bench.write(0, 'successes', { event, entry: '9', subscription, attempt: fine });
  const { value } = (await bench.admin('GET', '/topics/orders/events/one')).json;
  expect(value).toMatchObject([
    { acceptedAt: '2026-01-31T11:59:00.000Z', deliveries: [{ origin: { job: 'job-1' } }] },
  ]);
  expect(value[0].deliveries[0].origin.place).toBe(value[0].place);
});

test('what a consumer said of a replayed event belongs to it, though it was said of its place alone', async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/waiting', {
    deliveryConfiguration: { deliveryMode: 'Queue' },
  });
  const queued: Ending = { kind: 'deferred', until: noon, reason: 'queue' };
  const original = { entry: '1', index: 0, acceptedAt: noon };
  const event = structured('one');
  await write(0, 'successes', { event, subscription, ending: queued });
  const replayed = directed(event, {
    ...{ only: subscription.incarnation, cause: 'replayed', job: 'job-1', original },
  });
  await write(0, 'successes', { event: replayed, entry: '2', subscription, ending: queued });
  await clock.advance(1_000);
  const attempt: RecordedAttempt = { number: 1, durationMs: 5, outcome: 'Acknowledged' };
  await write(0, 'successes', { subscription, entry: '2', attempt });
  const { value } = (await admin('GET', '/topics/orders/events/one')).json;
  expect(value).toHaveLength(1);
  expect(value[0].deliveries).toEqual([
    expect.objectContaining({ state: 'Delivered', origin: expect.objectContaining({ job: 'job-1' }) }),
    expect.objectContaining({ state: 'Deferred', reason: 'queue' }),
  ]);
});

test('what operators did with a dead letter is a step of its delivery', async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const event = structured('one');
  const given: Ending = { kind: 'deadLettered', reason: 'TimeToLiveExceeded' };
  const steps: (Omit<Written, 'event' | 'subscription'> & { readonly ending: Ending })[] = [
    { ending: given, attempt: { ...busy, number: 30 } },
    { ending: { kind: 'deferred', until: noon + 1_000, reason: 'redriven' }, job: 'job-1' },
    { ending: given, attempt: busy },
    { ending: { kind: 'dropped', reason: 'Purged' }, job: 'job-2' },
  ];
  for (const step of steps) {
    await write(0, 'failures', { event, subscription, ...step });
    await clock.advance(1_000);
  }
  const sentOn: Ending = { kind: 'sentOn', reason: 'redriven', target: 'mail' };
  await write(0, 'failures', { event, subscription, index: 1, ending: sentOn, job: 'job-3' });
  const { value } = (await admin('GET', '/topics/orders/events/one')).json;
  const of = (index: number) => value.find((life: { place: string }) => life.place === placeOf(index));
  const placeOf = (index: number): string => Buffer.from(`0.1.${index}`).toString('base64url');
  expect(of(0).deliveries).toMatchObject([
    {
      ...{ state: 'Dropped', reason: 'Purged', job: 'job-2', attempts: 1 },
      steps: [
        { state: 'DeadLettered' },
        { state: 'Deferred', reason: 'redriven', job: 'job-1' },
        { state: 'DeadLettered', attempt: { outcome: 'Busy' } },
        { state: 'Dropped', reason: 'Purged', job: 'job-2' },
      ],
    },
  ]);
  expect(of(1).deliveries).toMatchObject([
    { state: 'SentOn', reason: 'redriven', target: 'mail', job: 'job-3' },
  ]);
  const list = '/topics/orders/eventsubscriptions/billing/deliveries';
  expect((await admin('GET', `${list}?state=SentOn`)).json.value).toMatchObject([{ job: 'job-3' }]);
});

test('a consumer that acknowledges, releases and rejects leaves records', async () => {
  const bench = await setup();
  const { admin, publish } = bench;
  const path = '/topics/orders/eventsubscriptions/waiting';
  const subscription = await bench.subscription(path, { deliveryConfiguration: { deliveryMode: 'Queue' } });
  for (const id of ['kept', 'back', 'unwanted']) {
    await publish('orders', eventOf({ id }));
    await settled(bench, subscription, queued);
  }
  const received = await admin('POST', `${path}:receive?maxEvents=3`);
  const [kept, back, unwanted] = received.json.value.map(
    (one: { brokerProperties: { lockToken: string } }) => one.brokerProperties.lockToken,
  );
  await admin('POST', `${path}:acknowledge`, { lockTokens: [kept] });
  await admin('POST', `${path}:release?releaseDelayInSeconds=60`, { lockTokens: [back] });
  await admin('POST', `${path}:reject`, { lockTokens: [unwanted] });
  const { value } = (await admin('GET', `${path}/deliveries`)).json;
  expect(value).toHaveLength(3);
  expect(value).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        state: 'Delivered',
        lastAttempt: expect.objectContaining({ number: 1, outcome: 'Acknowledged' }),
      }),
      expect.objectContaining({
        state: 'Deferred',
        reason: 'released',
        nextAttemptAt: new Date(noon + 60_000).toISOString(),
        lastAttempt: expect.objectContaining({ outcome: 'Released' }),
      }),
      expect.objectContaining({
        state: 'DeadLettered',
        reason: 'Rejected',
        lastAttempt: expect.objectContaining({ outcome: 'Rejected' }),
      }),
    ]),
  );
});

test('a lock that ran out leaves a record when its event is received again', async () => {
  const bench = await setup();
  const { admin, clock, publish } = bench;
  const path = '/topics/orders/eventsubscriptions/waiting';
  const subscription = await bench.subscription(path, { deliveryConfiguration: { deliveryMode: 'Queue' } });
  await publish('orders', eventOf({ id: 'one' }));
  await settled(bench, subscription, queued);
  const of = async () => (await admin('GET', '/topics/orders/events/one')).json.value;
  await admin('POST', `${path}:receive`);
  expect(await of()).toEqual([]);
  await clock.advance(60_000);
  const received = await admin('POST', `${path}:receive`);
  const lockTokens = [received.json.value[0].brokerProperties.lockToken];
  await admin('POST', `${path}:acknowledge`, { lockTokens });
  expect(await of()).toMatchObject([
    {
      deliveries: [
        {
          ...{ subscription: 'waiting', state: 'Delivered' },
          steps: [
            {
              ...{ at: '2026-01-31T12:01:00.000Z', state: 'Running', reason: 'lockExpired' },
              leaseEndsAt: '2026-01-31T12:02:00.000Z',
            },
            { state: 'Delivered', attempt: { number: 2, outcome: 'Acknowledged' } },
          ],
        },
      ],
    },
  ]);
});

test('deliveries come newest first over all partitions, with their last attempt, page by page', async () => {
  const bench = await setup({ partitions: 3 });
  const { clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const other = await bench.subscription('/topics/orders/eventsubscriptions/mail');
  const expected: string[] = [];
  for (let block = 0; block < 12; block++) {
    // Some blocks share their instant.
    if (block % 3) await clock.advance(1_000);
    const records = Array.from({ length: 5 }, (_, index) => {
      const id = `${block}-${index}`;
      const failed = block % 2 === 0;
      return {
        ...{ event: structured(id), subscription, entry: block.toString(16), index },
        ...(failed
          ? { attempt: busy, ending: { kind: 'deferred', until: noon, reason: 'failed' } as const }
          : { attempt: fine }),
      };
    });
    const beside = { event: structured('beside'), subscription: other };
    await write(block % 3, block % 2 === 0 ? 'failures' : 'successes', ...records, beside);
    expected.unshift(...records.map(({ event }) => event.id).reverse());
  }
  const list = '/topics/orders/eventsubscriptions/billing/deliveries';
  const idsOf = (value: { event: { id: string } }[]): string[] => value.map(({ event }) => event.id);
  const whole = await readAll(bench, list);
  expect(whole.pages).toBe(1);
  const order = idsOf(whole.value);
  expect([...order].sort()).toEqual([...expected].sort());
  const instants = whole.value.map(({ at }) => Date.parse(at));
  expect(instants).toEqual(instants.toSorted((a, b) => b - a));
  for (const size of [1, 4, 7]) {
    const paged = await readAll(bench, `${list}?maxpagesize=${size}`);
    expect(idsOf(paged.value)).toEqual(order);
    expect(paged.pages).toBe(Math.ceil(60 / size));
  }
  const failures = await readAll(bench, `${list}?state=Deferred&maxpagesize=4`);
  expect(idsOf(failures.value)).toEqual(order.filter((id) => Number(id.split('-')[0]) % 2 === 0));
  expect(failures.value[0]).toMatchObject({
    state: 'Deferred',
    lastAttempt: { outcome: 'Busy', status: 503 },
  });
  expect(idsOf((await readAll(bench, `${list}?outcome=Delivered`)).value)).toHaveLength(30);
  const since = new Date(noon + 5_000).toISOString();
  const before = new Date(noon + 6_000).toISOString();
  const between = await readAll(bench, `${list}?from=${since}&to=${before}&maxpagesize=3`);
  expect(idsOf(between.value)).toEqual(
    order.filter((_, at) => instants[at]! >= noon + 5_000 && instants[at]! <= noon + 6_000),
  );
  expect(between.value.length).toBeGreaterThan(5);
});

test('a delivery is listed once, by its newest record, with the attempt of an older one', async () => {
  const bench = await setup();
  const { admin, clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const event = structured('one');
  const ending: Ending = { kind: 'deferred', until: noon + 1_000, reason: 'failed' };
  await write(0, 'failures', { event, subscription, attempt: busy, ending });
  await clock.advance(2_000);
  await write(0, 'successes', { event, subscription, ending: { kind: 'leased', until: noon + 9_000 } });
  const list = '/topics/orders/eventsubscriptions/billing/deliveries';
  expect((await admin('GET', list)).json).toEqual({
    value: [
      {
        id: expect.any(String),
        event: { id: 'one', source: '/s' },
        acceptedAt: '2026-01-31T12:00:00.000Z',
        at: '2026-01-31T12:00:02.000Z',
        state: 'Running',
        leaseEndsAt: '2026-01-31T12:00:09.000Z',
        lastAttempt: expect.objectContaining({ number: 1, outcome: 'Busy' }),
      },
    ],
    recorded: 'all',
    heldFrom: nothingLetGo,
  });
  expect((await admin('GET', `${list}?state=Deferred`)).json.value).toEqual([]);
});

test.each([
  ['state=Gone', 'query/state'],
  ['outcome=Fine', 'query/outcome'],
  ['from=yesterday', 'query/from'],
  ['to=2026-01-31', 'query/to'],
  ['from=2026-01-31T25:00:00Z', 'query/from'],
])('a filter that is none is refused: %s', async (query, pointer) => {
  const { admin, subscription } = await setup();
  await subscription('/topics/orders/eventsubscriptions/billing');
  const { status, json } = await admin(
    'GET',
    `/topics/orders/eventsubscriptions/billing/deliveries?${query}`,
  );
  expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidParameter', pointer]);
});

test('with the bound reached successes go first, and the answer says from when what is held', async () => {
  const bench = await setup({ attemptLogBytesMax: 2_000 });
  const { admin, clock, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const ending: Ending = { kind: 'deferred', until: noon, reason: 'failed' };
  await write(0, 'failures', { event: structured('first'), subscription, attempt: busy, ending });
  for (let second = 0; second < 10; second++) {
    await write(0, 'successes', { event: structured(`${second}`), subscription, entry: `${second}` });
    await clock.advance(1_000);
  }
  const of = async (id: string) => (await admin('GET', `/topics/orders/events/${id}`)).json;
  const gone = await of('0');
  expect(gone.value).toEqual([]);
  expect(gone.heldFrom.failures).toBeNull();
  const from = Date.parse(gone.heldFrom.successes);
  expect(from).toBeGreaterThan(noon);
  for (let second = 0; second < 10; second++)
    expect([second, (await of(`${second}`)).value.length]).toEqual([
      second,
      noon + second * 1_000 >= from ? 1 : 0,
    ]);
  expect((await of('first')).value).toHaveLength(1);
});

test('a quota that made a dead letter of what was deferred, and a dead letter that is held, are told', async () => {
  const bench = await setup();
  const { admin, publish, write } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  await publish('orders', eventOf({ id: 'one', source: '/s' }));
  const state = { attempts: 1, liveFrom: noon };
  const entry = await settled(bench, subscription, { kind: 'deadLettered', reason: 'QuotaExceeded', state });
  const ending: Ending = { kind: 'deferred', until: noon, reason: 'failed' };
  const event = structured('one');
  await write(0, 'failures', { event, subscription, entry: entry.id, attempt: busy, ending });
  const shown = async () => (await admin('GET', '/topics/orders/events/one')).json.value[0].deliveries[0];
  const { deadLetterId, ...delivery } = await shown();
  expect(delivery).toMatchObject({ state: 'DeadLettered', reason: 'QuotaExceeded', attempts: 1 });
  const letters = `/topics/orders/eventsubscriptions/billing/deadletters`;
  expect((await admin('GET', `${letters}/${deadLetterId}`)).json.event.id).toBe('one');
  await admin('POST', `${letters}:redrive`, { ids: [deadLetterId] });
  expect(await shown()).toMatchObject({ state: 'Deferred' });
});

test('what was deferred for a subscription that was deleted is dropped', async () => {
  const bench = await setup();
  const { admin, write } = bench;
  const path = '/topics/orders/eventsubscriptions/billing';
  const before = await bench.subscription(path);
  const ending: Ending = { kind: 'deferred', until: noon + 60_000, reason: 'failed' };
  await write(0, 'failures', { event: structured('one'), subscription: before, ending });
  const delivery = async () => (await admin('GET', '/topics/orders/events/one')).json.value[0].deliveries[0];
  expect(await delivery()).toMatchObject({ state: 'Deferred', nextAttemptAt: '2026-01-31T12:01:00.000Z' });
  await admin('DELETE', path);
  // Another of its name is another.
  await bench.subscription(path);
  const dropped = await delivery();
  expect(dropped).toMatchObject({ subscription: 'billing', state: 'Dropped', reason: 'SubscriptionDeleted' });
  expect(dropped.steps).toMatchObject([{ state: 'Deferred', reason: 'failed' }]);
  for (const absent of ['since', 'nextAttemptAt']) expect(dropped).not.toHaveProperty(absent);
});

test('from the history an event is shown whole, also one that nobody wanted, and why not', async () => {
  const bench = await setup({ eventRetentionInDays: 1, partitions: 2 });
  const { admin, publish } = bench;
  const billing = '/topics/orders/eventsubscriptions/billing';
  await bench.subscription(billing, { ...hook, filter: { subjectBeginsWith: 'paid/' } });
  await bench.subscription('/topics/orders/eventsubscriptions/mail');
  await publish(
    'orders',
    '{ "specversion":"1.0","id":"x","source":"/s","type":"t","subject":"open/1", "data":1.0 }',
  );
  await publish('orders', eventOf({ id: 'y' }));
  const plain = await admin('GET', '/topics/orders/events/x');
  expect(plain.text).toContain('"subject":"open/1", "data":1.0 }');
  expect(plain.json.value).toMatchObject([
    { id: 'x', deliveries: [{ subscription: 'mail', state: 'Pending' }], event: { id: 'x' } },
  ]);
  expect(plain.json.value[0].explanation).toBeUndefined();
  const { json } = await admin('GET', '/topics/orders/events/x?explain=true');
  expect(json.value[0].explanation).toEqual({
    against: 'subscriptions as they are now',
    at: '2026-01-31T12:00:00.000Z',
    subscriptions: expect.arrayContaining([
      {
        subscription: 'billing',
        matches: false,
        clauses: [expect.objectContaining({ matched: false, clause: '/filter/subjectBeginsWith' })],
        obstacles: [],
      },
      { subscription: 'mail', matches: true, clauses: [], obstacles: [] },
    ]),
  });
  const named = await admin('GET', '/topics/orders/events/x?explain=true&subscription=mail');
  expect(named.json.value[0].explanation.subscriptions).toMatchObject([{ subscription: 'mail' }]);
  expect((await admin('GET', '/topics/orders/events/x?source=/other')).json.value).toEqual([]);
});

test('what a subscription that was there before is still to get is pending, and no more than that', async () => {
  const bench = await setup({ eventRetentionInDays: 1, attemptLogBytesMax: 1_000 });
  const { admin, publish, clock, write, store, epochs } = bench;
  const billing = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  await bench.subscription('/topics/orders/eventsubscriptions/other', {
    ...hook,
    filter: { includedEventTypes: ['other'] },
  });
  await publish('orders', eventOf({ id: 'x', source: '/s' }));
  await clock.advance(1_000);
  await bench.subscription('/topics/orders/eventsubscriptions/later');
  const shown = async () => (await admin('GET', '/topics/orders/events/x')).json.value[0].deliveries;
  expect(await shown()).toEqual([
    { subscription: 'billing', since: '2026-01-31T12:00:00.000Z', state: 'Pending', attempts: 0, steps: [] },
  ]);
  const { entries } = await store.read(0, epochs[0]!, undefined, { entriesMax: 9, bytesMax: 2 ** 20 });
  const event = structured('x');
  await write(0, 'successes', { event, subscription: billing, entry: entries[0]!.id, attempt: fine });
  expect(await shown()).toMatchObject([{ subscription: 'billing', state: 'Delivered' }]);
  // Its record has been let go of: whether it is pending cannot be said any more.
  for (let count = 0; count < 5; count++)
    await write(0, 'failures', { event: structured('filler'), subscription: billing, attempt: busy });
  expect(await shown()).toEqual([]);
});

test('more records than fit a page are paged through, none lost and none twice', async () => {
  const bench = await setup();
  const { clock, write, store } = bench;
  const subscription = await bench.subscription('/topics/orders/eventsubscriptions/billing');
  const { value: topic } = (await store.resources.get(topicPath('orders'))) as unknown as { value: Topic };
  expect(topic.incarnation).toBe(subscription.topicIncarnation);
  const event = structured('one');
  for (let block = 0; block < 3; block++) {
    await clock.advance(1_000);
    const records = Array.from({ length: 700 }, (_, index): Written & Partial<AttemptRecord> => ({
      ...{ event, subscription, entry: `${block}`, index },
    }));
    await write(0, 'successes', ...records);
  }
  const { value, pages } = await readAll(bench, '/topics/orders/events/one');
  expect(pages).toBe(3);
  expect(new Set(value.map(({ place }) => place)).size).toBe(2_100);
  expect(value).toHaveLength(2_100);
});
