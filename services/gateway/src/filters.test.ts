import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { type Served, serve } from './testing/serve.js';

const hook = {
  endpointType: 'WebHook',
  properties: { endpointUrl: 'https://example.com/hook', validation: 'none' },
};
const one = '/topics/orders/eventsubscriptions/billing';
const event = {
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'order.created',
  data: { amount: 5, tags: ['a'] },
};

async function setup(properties: object = {}): Promise<Served> {
  const served = await serve();
  await served.admin('PUT', '/topics/orders', {});
  if (properties) await served.admin('PUT', one, { properties: { destination: hook, ...properties } });
  return served;
}

describe('a subscription’s filters', () => {
  const filter = {
    advancedFilters: [
      { operatorType: 'NumberGreaterThan', key: 'data.amount', value: 3 },
      { operatorType: 'StringIn', key: 'data.tags', values: ['a', 'b'] },
      { operatorType: 'NumberInRange', key: 'data.amount', values: [[1, 9]] },
      { operatorType: 'IsNotNull', key: 'subject' },
    ],
    enableAdvancedFilteringOnArrays: true,
  };
  const filters = [{ any: [{ prefix: { type: 'order.' } }, { not: { sql: 'EXISTS subject' } }] }];

  test('are stored and shown as they were written', async () => {
    const { admin } = await setup({ filter, filters });
    const { json } = await admin('GET', one);
    expect(json.properties).toMatchObject({ filter, filters });
    // What is shown can be put back.
    expect((await admin('PUT', one, { properties: { ...json.properties, destination: hook } })).status).toBe(
      200,
    );
  });

  test('lose what is null, as Event Grid exports it', async () => {
    const advanced = { operatorType: 'IsNotNull', key: 'subject', value: null, values: null };
    const { admin } = await setup({
      filter: { advancedFilters: [advanced], subjectBeginsWith: null },
      filters: null,
    });
    const { json } = await admin('GET', one);
    expect(json.properties.filter).toEqual({
      advancedFilters: [{ operatorType: 'IsNotNull', key: 'subject' }],
    });
    expect(json.properties).not.toHaveProperty('filters');
  });

  test.each<[string, object, string, RegExp]>([
    [
      'an unknown operator',
      { filter: { advancedFilters: [{ operatorType: 'Matches', key: 'k' }] } },
      '/properties/filter/advancedFilters/0/operatorType',
      /NumberIn, .*IsNotNull/,
    ],
    [
      'a value of the wrong type',
      { filter: { advancedFilters: [{ operatorType: 'NumberIn', key: 'k', values: ['1'] }] } },
      '/properties/filter/advancedFilters/0/values/0',
      /saw "1", expected a number/,
    ],
    [
      'an unknown property',
      { filter: { advancedFilters: [{ operatorType: 'IsNotNull', key: 'k', keys: [] }] } },
      '/properties/filter/advancedFilters/0/keys',
      /not a property/,
    ],
    [
      'an unknown dialect',
      { filters: [{ regex: { type: '.*' } }] },
      '/properties/filters/0/regex',
      /not a property/,
    ],
    [
      'two dialects',
      { filters: [{ sql: 'TRUE', exact: { type: 'a' } }] },
      '/properties/filters/0',
      /at most 1 member/,
    ],
    ['an empty any', { filters: [{ any: [] }] }, '/properties/filters/0/any', /at least 1 item/],
    [
      'an empty text',
      { filters: [{ exact: { type: '' } }] },
      '/properties/filters/0/exact/type',
      /at least 1 character/,
    ],
    [
      'an impossible name',
      { filters: [{ exact: { 'Not-A-Name': 'x' } }] },
      '/properties/filters/0/exact/Not-A-Name',
      /lower-case/,
    ],
    [
      'a broken expression',
      { filters: [{ all: [{ sql: 'type = ' }] }] },
      '/properties/filters/0/all/0/sql',
      /at offset/,
    ],
  ])('are refused for %s, and nothing is stored', async (_, wrong, pointer, message) => {
    const { admin } = await setup();
    const before = (await admin('GET', one)).json;
    const { status, json } = await admin('PUT', one, { properties: { destination: hook, ...wrong } });
    expect([status, json.code]).toEqual([400, 'InvalidResource']);
    expect(json.errors).toContainEqual({ pointer, message: expect.stringMatching(message) });
    expect((await admin('GET', one)).json).toEqual(before);
  });

  test('are bounded by the gateway’s limits', async () => {
    const { admin } = await serve({ filterLimits: { clausesMax: 2, valuesMax: 3, stringBytesMax: 4 } });
    await admin('PUT', '/topics/orders', {});
    const put = async (written: object) =>
      (await admin('PUT', one, { properties: { destination: hook, ...written } })).json.errors?.[0].pointer;
    const entry = { exact: { type: 'abcd' } };
    expect(await put({ filters: [entry, entry] })).toBeUndefined();
    expect(await put({ filters: [entry, entry, entry] })).toBe('/properties/filters/2');
    expect(await put({ filter: { includedEventTypes: ['a', 'b', 'c'] } })).toBeUndefined();
    expect(await put({ filter: { includedEventTypes: ['a', 'b', 'c', 'd'] } })).toBe(
      '/properties/filter/includedEventTypes',
    );
    expect(await put({ filter: { subjectBeginsWith: 'abcde' } })).toBe(
      '/properties/filter/subjectBeginsWith',
    );
  });
});

describe('filters:test', () => {
  test('says for each event whether it passes, and why', async () => {
    const { admin, store } = await setup();
    const before = (await store.resources.changes(0)).version;
    const { status, json } = await admin('POST', '/filters:test', {
      filter: {
        includedEventTypes: ['order.created'],
        advancedFilters: [{ operatorType: 'NumberGreaterThan', key: 'data.amount', value: 10 }],
      },
      filters: [{ any: [{ exact: { source: '/shop' } }, { sql: 'data.amount = 6' }] }],
      events: [event, { ...event, data: { amount: 11 } }],
    });
    expect(status).toBe(200);
    expect(json.results).toHaveLength(2);
    const [first, second] = json.results;
    expect(first).toEqual({
      matches: false,
      clauses: [
        {
          clause: '/filter/includedEventTypes',
          matched: true,
          seen: 'order.created',
          reason: 'type is "order.created"; includedEventTypes wants "order.created"',
        },
        {
          clause: '/filter/advancedFilters/0',
          matched: false,
          seen: 5,
          reason: 'data.amount is 5; NumberGreaterThan wants greater than 10',
        },
        {
          clause: '/filters/0',
          matched: true,
          reason: 'any wants at least one of its 2 clauses to hold, and 1 do',
          clauses: [
            {
              clause: '/filters/0/any/0/exact/source',
              matched: true,
              seen: '/shop',
              reason: 'source is "/shop"; exact wants "/shop"',
            },
            {
              clause: '/filters/0/any/1/sql',
              matched: false,
              seen: { 'data.amount': 5 },
              reason: 'the expression is false; sql wants it true and without error',
            },
          ],
        },
      ],
    });
    expect(second.matches).toBe(true);
    expect((await store.resources.changes(0)).version).toBe(before);
  });

  test('passes everything without filters, and takes Event Grid’s events', async () => {
    const { admin } = await setup();
    const grid = {
      id: '1',
      topic: '/t',
      subject: 's',
      eventType: 'made',
      eventTime: '2026-01-31T12:00:00Z',
      data: {},
      dataVersion: '1',
    };
    expect((await admin('POST', '/filters:test', { event: grid })).json).toEqual({
      results: [{ matches: true, clauses: [] }],
    });
    const filter = {
      advancedFilters: [{ operatorType: 'StringIn', key: 'eventType', values: ['MADE'] }],
      subjectEndsWith: 's',
    };
    expect((await admin('POST', '/filters:test', { filter, event: grid })).json.results[0].matches).toBe(
      true,
    );
  });

  test.each<[string, unknown, string, RegExp]>([
    ['no event', {}, '', /one of event, events and topic/],
    ['two kinds of event', { event, events: [event] }, '', /one of event, events and topic/],
    ['an event and a topic', { event, topic: 'orders' }, '', /one of event, events and topic/],
    ['a number of written events', { event, last: 1 }, '/last', /for the events of a topic/],
    ['none of a topic’s events', { topic: 'orders', last: 0 }, '/last', /from 1 to 100/],
    ['too many of a topic’s events', { topic: 'orders', last: 101 }, '/last', /from 1 to 100/],
    ['an event that is none', { event: { specversion: '1.0', id: '1' } }, '/event', /source/],
    ['one of several that is none', { events: [event, { id: '1' }] }, '/events/1', /type/],
    ['no events', { events: [] }, '/events', /at least 1 item/],
    ['too many events', { events: new Array(101).fill(event) }, '/events', /at most 100 items/],
    ['a filter that is wrong', { event, filters: [{ sql: '(' }] }, '/filters/0/sql', /at offset/],
    ['what it does not know', { event, filtr: {} }, '/filtr', /not a property/],
  ])('refuses %s', async (_, body, pointer, message) => {
    const { admin } = await serve();
    const { status, json } = await admin('POST', '/filters:test', body);
    expect(status).toBe(400);
    expect(json.errors).toContainEqual({ pointer, message: expect.stringMatching(message) });
  });

  describe('with a topic’s events', () => {
    const body = (count: number) => ({ topic: 'kept', last: count, filter: { subjectEndsWith: '7' } });

    /** Thirty events, one a millisecond, over the partitions in turn. */
    async function kept(bytes = 0): Promise<Served> {
      const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
      const served = await serve({ clock, store: new MemoryStore({ clock, partitions: 4 }) });
      await served.admin('PUT', '/topics/kept', { properties: { eventRetentionInDays: 1 } });
      for (let number = 0; number < 30; number++) {
        await served.publish('kept', {
          ...event,
          id: `${number}`,
          subject: `s${number}`,
          data: 'x'.repeat(bytes),
        });
        await clock.advance(1);
      }
      return served;
    }

    test('tries the newest of all partitions, newest first, and says which they are', async () => {
      const { admin } = await kept();
      const { results } = (await admin('POST', '/filters:test', body(5))).json;
      expect(results).toHaveLength(5);
      expect(results.map((result: { event: { id: string } }) => result.event.id)).toEqual([
        '29',
        '28',
        '27',
        '26',
        '25',
      ]);
      expect(results[2]).toEqual({
        event: {
          id: '27',
          source: '/shop',
          type: 'order.created',
          subject: 's27',
          acceptedAt: '2026-01-31T12:00:00.027Z',
        },
        matches: true,
        clauses: [expect.objectContaining({ clause: '/filter/subjectEndsWith', matched: true })],
      });
      expect(results.filter(({ matches }: { matches: boolean }) => matches)).toHaveLength(1);
      expect((await admin('POST', '/filters:test', body(100))).json.results).toHaveLength(30);
      expect((await admin('POST', '/filters:test', { topic: 'kept' })).json.results).toHaveLength(10);
    });

    test('stops where they are more than 4 MiB', async () => {
      const { admin } = await kept(900_000);
      const { results } = (await admin('POST', '/filters:test', body(100))).json;
      expect(results.map((result: { event: { id: string } }) => result.event.id)).toEqual([
        '29',
        '28',
        '27',
        '26',
      ]);
    });

    test('refuses a topic that keeps none, and one that is not there', async () => {
      const { admin } = await setup();
      const none = await admin('POST', '/filters:test', { topic: 'orders' });
      expect(none.status).toBe(400);
      expect(none.json.detail).toMatch(/eventRetentionInDays is 0/);
      expect((await admin('POST', '/filters:test', { topic: 'nowhere' })).status).toBe(404);
    });
  });

  test('needs the admin key', async () => {
    const { call } = await serve();
    expect((await call('POST', '/filters:test', { body: { event } })).status).toBe(401);
  });
});

describe('explain', () => {
  test('does the same with the stored filters, and names what else is in the way', async () => {
    const { admin } = await setup({ filter: { subjectBeginsWith: '/eu/' }, deadLettering: false });
    const { status, json } = await admin('POST', `${one}:explain`, { event });
    expect(status).toBe(200);
    expect(json).toEqual({
      results: [
        {
          matches: false,
          clauses: [
            {
              clause: '/filter/subjectBeginsWith',
              matched: false,
              reason: 'subject is missing; subjectBeginsWith wants a beginning "/eu/"',
            },
          ],
        },
      ],
      obstacles: [{ kind: 'DeadLetteringOff', reason: expect.stringContaining('dropped') }],
    });
  });

  test('answers 404 for what is not there', async () => {
    const { admin } = await setup();
    expect((await admin('POST', '/topics/orders/eventsubscriptions/none:explain', { event })).status).toBe(
      404,
    );
  });
});
