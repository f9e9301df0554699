import { describe, expect, test } from '@jest/globals';
import { decodeRequest } from '@gridpost/codec';
import { directed } from '@gridpost/model';
import { deadLetterId, placeOf } from './dead-letter-view.js';
import type { Served } from './testing/serve.js';
import { list, path, setup, structured } from './testing/dead-letter-bench.js';

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

test('one of an event that a job had sent names the job, and tells when the event was first accepted', async () => {
  const bench = await setup();
  const original = { entry: '1', index: 0, acceptedAt: Date.parse('2026-01-01T00:00:00Z') };
  await bench.giveUp(0, [
    directed(structured('a'), { only: 'any', cause: 'replayed', job: 'the-job', original }),
  ]);
  const [letter] = (await bench.admin('GET', list)).json.value;
  expect(letter).toMatchObject({
    ...{ replay: 'the-job', acceptedAt: '2026-01-01T00:00:00.000Z', event: { id: 'a', data: 1 } },
    deadLetteredAt: '2026-01-31T12:00:00.000Z',
  });
  const [document] = (await bench.admin('GET', `${list}?format=eventgrid`)).json.value;
  expect(document.publishtime).toBe('2026-01-01T00:00:00.000Z');
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
    await admin('POST', `${list}:redrive`, { ids: [id] });
    for (const unknown of [id, 'nonsense', deadLetterId({ partition: 1, entry: 'a', index: 0 })]) {
      const { status, json } = await admin('GET', `${list}/${unknown}`);
      expect([status, json.code]).toEqual([404, 'DeadLetterNotFound']);
    }
  });
});

describe('asked for by reason and time', () => {
  async function three() {
    const bench = await setup({ partitions: 2 });
    await bench.giveUp(0, [structured('a')], {}, 'TimeToLiveExceeded');
    await bench.clock.advance(60_000);
    await bench.giveUp(1, [structured('b')], {}, 'Quarantined');
    await bench.clock.advance(60_000);
    await bench.giveUp(0, [structured('c'), structured('d')], {}, 'TimeToLiveExceeded');
    return bench;
  }

  test.each([
    ['reason=TimeToLiveExceeded', ['a', 'c', 'd']],
    ['reason=Rejected', []],
    ['from=2026-01-31T12:01:00Z', ['c', 'd', 'b']],
    ['from=2026-01-31T12:01:00.001Z', ['c', 'd']],
    ['to=2026-01-31T12:01:00Z', ['a']],
    ['to=2026-01-31T13:01:00.001%2B01:00', ['a', 'b']],
    ['reason=TimeToLiveExceeded&from=2026-01-31T12:00:01Z&to=2026-01-31T12:02:01Z', ['c', 'd']],
  ])('%s gives %j, page by page', async (query, expected) => {
    const pages = await readAll(await three(), `?maxpagesize=1&${query}`);
    expect(pages.flatMap(({ value }) => value.map(({ event }) => event.id))).toEqual(expected);
  });

  test('a page ends when a thousand were looked at', async () => {
    const bench = await setup();
    for (let run = 0; run < 11; run++)
      await bench.giveUp(
        0,
        Array.from({ length: 100 }, (_, i) => structured(`${run}-${i}`)),
      );
    await bench.giveUp(0, [structured('found')], {}, 'Rejected');
    const pages = await readAll(bench, '?reason=Rejected');
    expect(pages.map(({ value }) => value.length)).toEqual([0, 1]);
  });

  test.each([
    ['reason=Boredom', 'query/reason'],
    ['from=yesterday', 'query/from'],
    ['from=2026-01-31T12:00:00', 'query/from'],
    ['to=2026-13-31T12:00:00Z', 'query/to'],
    ['from=2026-01-31T12:00:00Z&to=2026-01-31T12:00:00Z', 'query/to'],
  ])('%s is refused', async (query, pointer) => {
    const { admin } = await setup();
    const { status, json } = await admin('GET', `${list}?${query}`);
    expect([status, json.code, json.errors[0].pointer]).toEqual([400, 'InvalidParameter', pointer]);
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

test('dead letters need their subscription', async () => {
  const { admin } = await setup();
  await admin('DELETE', path);
  expect((await admin('GET', list)).json.code).toBe('SubscriptionNotFound');
  expect((await admin('GET', `${list}/MC4xLjA`)).json.code).toBe('SubscriptionNotFound');
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
