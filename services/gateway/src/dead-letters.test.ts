import { describe, expect, test } from '@jest/globals';
import { decodeRequest } from '@gridpost/codec';
import { type Event, type Subscription, subscriptionPath } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { type DeliveryState, MemoryStore } from '@gridpost/store';
import { deadLetterId, placeOf } from './dead-letter-view.js';
import { serve, type Served } from './testing/serve.js';

const path = '/topics/orders/eventsubscriptions/billing';
const list = `${path}/deadletters`;
const redrive = `${path}/deadletters:redrive`;

interface Bench extends Served {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  /** Appends events to a partition, takes them from its log as a worker would, and gives them up. */
  giveUp(partition: number, events: readonly Event[], state?: Partial<DeliveryState>): Promise<void>;
  /** Events waiting to be delivered, over all partitions. */
  deferred(): Promise<number>;
}

const pushed = {
  destination: {
    endpointType: 'WebHook',
    properties: { endpointUrl: 'https://example.com/', validation: 'none' },
  },
};

async function setup({ partitions = 1, properties = pushed as object } = {}): Promise<Bench> {
  const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
  const store = new MemoryStore({ partitions, clock });
  const served = await serve({ store, clock });
  await served.admin('PUT', '/topics/orders');
  await served.admin('PUT', path, properties);
  const { value } = (await store.resources.get(subscriptionPath('orders', 'billing')))!;
  const { incarnation, topicIncarnation } = value as Subscription;
  return {
    ...served,
    clock,
    store,
    async giveUp(partition, events, state = {}) {
      await store.append(
        partition,
        events.map(({ frame }) => ({ topic: topicIncarnation, frame })),
      );
      const { epoch } = (await store.claim(partition, 'worker', 10_000, 0))!;
      const { entries } = await store.read(partition, epoch, undefined, {
        entriesMax: 1_000,
        bytesMax: 2 ** 30,
      });
      await store.settle(partition, epoch, {
        entries: entries.map((entry) => ({
          id: entry.id,
          acceptedAt: entry.acceptedAt,
          events: new Map(entry.events.entries()),
          deferrals: entry.events.map((_, index) => ({
            index,
            subscription: incarnation,
            disposition: {
              kind: 'deadLettered',
              reason: 'MaxDeliveryAttemptsExceeded',
              state: { attempts: 30, liveFrom: entry.acceptedAt, ...state },
            },
          })),
        })),
        outcomes: [],
      });
    },
    async deferred() {
      let count = 0;
      for (let partition = 0; partition < partitions; partition++) {
        for (const usage of (await store.usage(partition)).subscriptions) count += usage.deferred;
      }
      return count;
    },
  };
}

function structured(id: string, data = '1'): Event {
  const text = `{ "specversion":"1.0", "id":"${id}","source":"/s","type":"t", "data":${data} }`;
  return decodeRequest(['content-type', 'application/cloudevents+json'], Buffer.from(text)).events[0]!;
}

/** All pages, in the order of the list. */
async function readAll({ admin }: Served, query: string) {
  const pages: { value: { id: string; event: { id: string } }[]; nextLink?: string }[] = [];
  let next: string | undefined = `${list}${query}`;
  while (next) {
    const { status, json } = await admin('GET', next);
    expect(status).toBe(200);
    pages.push(json);
    next = json.nextLink?.replace(/^http:\/\/[^/]+/, '');
  }
  return pages;
}

test('a dead letter tells what happened, and holds its event byte for byte', async () => {
  const bench = await setup();
  const { admin, clock, giveUp } = bench;
  const acceptedAt = clock.now();
  await giveUp(0, [structured('exact', '{"a":1.0, "a":12345678901234567890,"b":"\\u00e9"}')], {
    lastAttemptAt: acceptedAt,
    lastOutcome: 'Busy',
    lastStatus: 503,
    lastError: 'status 503',
  });
  const answer = await admin('GET', list);
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(answer.text).toContain(
    '"event":{ "specversion":"1.0", "id":"exact","source":"/s","type":"t", "data":{"a":1.0, "a":12345678901234567890,"b":"\\u00e9"} }',
  );
  expect(answer.json).toEqual({
    value: [
      {
        id: expect.stringMatching(/^[A-Za-z0-9_-]+$/),
        event: expect.objectContaining({ id: 'exact' }),
        deadLetterReason: 'MaxDeliveryAttemptsExceeded',
        attempts: 30,
        lastOutcome: { outcome: 'Busy', status: 503, error: 'status 503' },
        acceptedAt: '2026-01-31T12:00:00.000Z',
        lastAttemptAt: '2026-01-31T12:00:00.000Z',
        deadLetteredAt: '2026-01-31T12:00:00.000Z',
      },
    ],
  });
});

test('a dead letter that was never attempted has no last outcome; a binary event is shown as JSON', async () => {
  const { admin, giveUp } = await setup();
  const { events } = decodeRequest(
    ['ce-specversion', '1.0', 'ce-id', 'bin', 'ce-source', '/s', 'ce-type', 't', 'content-type', 'image/png'],
    Buffer.from([0, 255]),
  );
  await giveUp(0, events, { attempts: 0 });
  const [letter] = (await admin('GET', list)).json.value;
  expect(letter).toEqual({
    id: expect.any(String),
    event: {
      specversion: '1.0',
      id: 'bin',
      source: '/s',
      type: 't',
      datacontenttype: 'image/png',
      data_base64: 'AP8=',
    },
    deadLetterReason: 'MaxDeliveryAttemptsExceeded',
    attempts: 0,
    acceptedAt: expect.any(String),
    deadLetteredAt: expect.any(String),
  });
});

describe('in Event Grid’s format', () => {
  const state = { attempts: 3, lastAttemptAt: Date.parse('2026-01-31T13:00:00Z') };

  test('a dead letter is the document of the delivery’s schema, page after page', async () => {
    const bench = await setup();
    await bench.giveUp(0, [structured('a'), structured('b')], { ...state, lastOutcome: 'ServerError' });
    const pages = await readAll(bench, '?format=eventgrid&maxpagesize=1');
    expect(pages.flatMap(({ value }) => value)).toEqual(
      ['a', 'b'].map((id) => ({
        specversion: '1.0',
        id,
        source: '/s',
        type: 't',
        data: 1,
        deadletterreason: 'MaxDeliveryAttemptsExceeded',
        deliveryattempts: 3,
        lastdeliveryoutcome: 'Busy',
        publishtime: '2026-01-31T12:00:00.000Z',
        lastdeliveryattempttime: '2026-01-31T13:00:00.000Z',
      })),
    );
  });

  test('one of a queue has the shape of namespace topics', async () => {
    const bench = await setup({ properties: { deliveryConfiguration: { deliveryMode: 'Queue' } } });
    await bench.giveUp(0, [structured('a')], state);
    expect((await bench.admin('GET', `${list}?format=eventgrid`)).text).toBe(
      '{"value":[{"deadLetterProperties":{"deadletterreason":"MaxDeliveryAttemptsExceeded","deliveryattempts":3,' +
        '"publishutc":"2026-01-31T12:00:00.000Z","deliveryattemptutc":"2026-01-31T13:00:00.000Z"},' +
        '"event":{ "specversion":"1.0", "id":"a","source":"/s","type":"t", "data":1 }}]}',
    );
  });

  test.each(['format=EventGrid', 'format=', 'format=eventgrid&format=gridpost'])(
    '%s is refused',
    async (query) => {
      const { admin } = await setup();
      const { status, json } = await admin('GET', `${list}?${query}`);
      expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidParameter', 'query/format']);
    },
  );
});

describe('one dead letter', () => {
  test('is read by its id, in either format', async () => {
    const { admin, giveUp } = await setup({ partitions: 3 });
    await giveUp(2, [structured('a'), structured('b')]);
    for (const format of ['gridpost', 'eventgrid']) {
      const [{ id }] = (await admin('GET', list)).json.value;
      const { json: page } = await admin('GET', `${list}?format=${format}`);
      const answer = await admin('GET', `${list}/${id}?format=${format}`);
      expect([answer.status, answer.json]).toEqual([200, page.value[0]]);
      expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    }
  });

  test('is gone once it is redriven; ids of others and nonsense find nothing', async () => {
    const { admin, giveUp } = await setup();
    await giveUp(0, [structured('a')]);
    const [{ id }] = (await admin('GET', list)).json.value;
    await admin('POST', redrive);
    for (const unknown of [id, 'nonsense', deadLetterId({ partition: 1, entry: 'a', index: 0 })]) {
      const { status, json } = await admin('GET', `${list}/${unknown}`);
      expect([status, json.code]).toEqual([404, 'DeadLetterNotFound']);
    }
  });
});

test('an empty list is an empty list', async () => {
  const { admin } = await setup({ partitions: 4 });
  expect((await admin('GET', list)).text).toBe('{"value":[]}');
});

test.each([1, 7, 25, 1000])('pages of %i go through all partitions and miss nothing', async (size) => {
  const bench = await setup({ partitions: 4 });
  const expected: string[] = [];
  for (const [partition, count] of [
    [0, 13],
    [2, 25],
    [3, 1],
  ] as const) {
    const ids = Array.from({ length: count }, (_, i) => `${partition}-${i}`);
    await bench.giveUp(
      partition,
      ids.map((id) => structured(id)),
    );
    expected.push(...ids);
  }
  const pages = await readAll(bench, `?maxpagesize=${size}`);
  expect(pages.flatMap(({ value }) => value.map(({ event }) => event.id))).toEqual(expected);
  for (const { value } of pages) expect(value.length).toBeLessThanOrEqual(size);
  expect(new Set(pages.flatMap(({ value }) => value.map(({ id }) => id))).size).toBe(expected.length);
});

test('a page of large events ends early', async () => {
  const bench = await setup();
  const data = `"${'x'.repeat(1_000_000)}"`;
  await bench.giveUp(
    0,
    Array.from({ length: 25 }, (_, i) => structured(`${i}`, data)),
  );
  const pages = await readAll(bench, '');
  expect(pages.map(({ value }) => value.length)).toEqual([5, 5, 5, 5, 5]);
});

test('all dead letters are redriven, over all partitions, and those that come meanwhile are not chased', async () => {
  const bench = await setup({ partitions: 3 });
  const { admin, giveUp, store, deferred } = bench;
  for (const partition of [0, 2]) {
    await giveUp(
      partition,
      Array.from({ length: 700 }, (_, i) => structured(`${i}`)),
    );
  }
  const { redrive: step } = store;
  store.redrive = async (partition, ...rest) => {
    const count = await step.call(store, partition, ...rest);
    // What fails again at once.
    if (partition === 0) await giveUp(0, [structured('again')]);
    return count;
  };
  const { status, json } = await admin('POST', redrive);
  expect([status, json]).toEqual([200, { redriven: 1_400 }]);
  expect(await deferred()).toBe(1_400);
  expect(
    (await admin('GET', list)).json.value.map(({ event }: { event: { id: string } }) => event.id),
  ).toEqual(['again', 'again']);
});

test('redriving very many stops in time and says that there are more', async () => {
  const { admin, giveUp, store, clock } = await setup();
  await giveUp(
    0,
    Array.from({ length: 1_200 }, (_, i) => structured(`${i}`)),
  );
  const { redrive: step } = store;
  store.redrive = async (...args) => {
    await clock.advance(10_000);
    return step.apply(store, args);
  };
  expect((await admin('POST', redrive, {})).json).toEqual({ redriven: 1_000, more: true });
  expect((await admin('POST', redrive, {})).json).toEqual({ redriven: 200 });
  expect((await admin('POST', redrive, {})).json).toEqual({ redriven: 0 });
});

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
  [{ all: true }, '/all'],
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

test('dead letters need their subscription', async () => {
  const { admin } = await setup();
  await admin('DELETE', path);
  expect((await admin('GET', list)).json.code).toBe('SubscriptionNotFound');
  expect((await admin('GET', `${list}/MC4xLjA`)).json.code).toBe('SubscriptionNotFound');
  expect((await admin('POST', redrive)).json.code).toBe('SubscriptionNotFound');
});

test('an id stands for one place, in one spelling', () => {
  const place = { partition: 31, entry: '1700000000000-0', index: 127 };
  expect(placeOf(deadLetterId(place), 32)).toEqual(place);
  expect(placeOf(deadLetterId(place), 31)).toBeUndefined();
  const texts = [
    '',
    '1',
    '0.a',
    '0.a.b',
    '0.A.1',
    '00.a.1',
    '0.a.01',
    '-1.a.0',
    '0.a.0.0',
    '0.a/.0',
    `0.${'a'.repeat(33)}.0`,
  ];
  for (const text of texts) {
    expect([text, placeOf(Buffer.from(text).toString('base64url'), 32)]).toEqual([text, undefined]);
  }
  expect(placeOf(`${deadLetterId(place)}=`, 32)).toBeUndefined();
  expect(placeOf(`${deadLetterId(place)}!`, 32)).toBeUndefined();
});
