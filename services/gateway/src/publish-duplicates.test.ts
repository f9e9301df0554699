/** Topics with duplicate detection, as publishers see them. */
import { describe, expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { FakeClock } from '@gridpost/model/testing';
import { MemoryStore } from '@gridpost/store';
import { eventOf, serve, type Served, storedEvents, storedIds } from './testing/serve.js';

const batch = { 'content-type': 'application/cloudevents-batch+json' };
const minuteMs = 60_000;

async function serveUnique(
  duplicateDetection: object | null = {},
  options: Parameters<typeof serve>[0] = {},
): Promise<Served> {
  const served = await serve(options);
  await served.admin('PUT', '/topics/orders', { duplicateDetection });
  return served;
}

const ofEventGrid = {
  id: '1',
  subject: '/s',
  eventType: 't',
  eventTime: '2024-01-01T00:00:00Z',
  dataVersion: '1',
};

test('an event that comes again is answered as the first was, with a header that says so, and stored once', async () => {
  const { publish, store, metrics } = await serveUnique();
  const first = await publish('orders', eventOf());
  const again = await publish('orders', eventOf({ data: 'other' }));
  expect([again.status, again.text]).toEqual([first.status, first.text]);
  expect(first.headers).not.toHaveProperty('gridpost-duplicates');
  expect(again.headers['gridpost-duplicates']).toBe('1');
  expect(await storedIds(store)).toEqual(['1']);
  const count = (outcome: string) => metrics.eventsPublished.with('orders', outcome).value;
  expect([count('accepted'), count('duplicate')]).toEqual([1, 1]);
});

test('what is new of a request is stored, and an event that it holds twice once', async () => {
  const { publish, store } = await serveUnique();
  await publish('orders', eventOf({ id: 'a' }));
  const events = ['a', 'b', 'c', 'b'].map((id) => eventOf({ id }));
  const answer = await publish('orders', events, batch);
  expect([answer.status, answer.headers['gridpost-duplicates']]).toEqual([200, '2']);
  expect(await storedIds(store)).toEqual(['a', 'b', 'c']);
});

test('the source counts as well', async () => {
  const { publish, store } = await serveUnique();
  for (const source of ['/a', '/b', '/a']) await publish('orders', eventOf({ source }));
  expect((await storedEvents(store)).map(({ source }) => source)).toEqual(['/a', '/b']);
});

test('one of a hundred that are published at the same time is stored', async () => {
  const store = new MemoryStore({ partitions: 8 });
  const { publish } = await serveUnique({}, { store });
  const answers = await Promise.all(Array.from({ length: 100 }, () => publish('orders', eventOf())));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(100);
  expect(answers.filter(({ headers }) => headers['gridpost-duplicates'] === undefined)).toHaveLength(1);
  expect(await storedIds(store)).toEqual(['1']);
});

test('on Event Grid’s addresses it is the same', async () => {
  const { admin, store } = await serve();
  await admin('PUT', '/topics/orders', { inputSchema: 'EventGridSchema', duplicateDetection: {} });
  const send = () => admin('POST', '/topics/orders/api/events', [ofEventGrid]);
  expect((await send()).headers).not.toHaveProperty('gridpost-duplicates');
  const again = await send();
  expect([again.status, again.text, again.headers['gridpost-duplicates']]).toEqual([200, '', '1']);
  expect(await storedIds(store)).toEqual(['1']);
});

test('of a domain each topic is looked at by itself, since the topic is the event’s source', async () => {
  const { admin, store } = await serve();
  await admin('PUT', '/domains/shop', { inputSchema: 'EventGridSchema', duplicateDetection: {} });
  const send = (topic: string) => admin('POST', '/domains/shop/api/events', [{ ...ofEventGrid, topic }]);
  for (const topic of ['north', 'south', 'north', '/domains/shop/topics/north'])
    expect((await send(topic)).status).toBe(200);
  expect((await storedEvents(store)).map(({ source }) => source)).toEqual([
    '/domains/shop/topics/north',
    '/domains/shop/topics/south',
  ]);
});

describe('the window', () => {
  test.each([
    ['by default', {}, limits.duplicateWindowMinutes.default],
    ['at its shortest', { windowInMinutes: 1 }, 1],
    ['at its longest', { windowInMinutes: 1_440 }, 1_440],
    ['given as null', { windowInMinutes: null }, limits.duplicateWindowMinutes.default],
  ])('%s ends when it says', async (_, duplicateDetection, minutes) => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const { admin, publish } = await serveUnique(duplicateDetection, { clock, store });
    expect((await admin('GET', '/topics/orders')).json.properties.duplicateDetection).toEqual({
      windowInMinutes: minutes,
    });
    await publish('orders', eventOf());
    await clock.advance(minutes * minuteMs - 1);
    expect((await publish('orders', eventOf())).headers['gridpost-duplicates']).toBe('1');
    await clock.advance(1);
    expect((await publish('orders', eventOf())).headers).not.toHaveProperty('gridpost-duplicates');
  });

  test.each([0, 1_441, 1.5, '10'])('is not %j', async (windowInMinutes) => {
    const { admin } = await serve();
    for (const holder of ['/topics/orders', '/domains/shop']) {
      const { status, json } = await admin('PUT', holder, { duplicateDetection: { windowInMinutes } });
      expect([status, json.errors[0].pointer]).toEqual([400, '/duplicateDetection/windowInMinutes']);
    }
  });

  test('can be changed, and detection switched off and on again', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const { admin, publish } = await serveUnique({ windowInMinutes: 10 }, { clock, store });
    const isDuplicate = async () =>
      (await publish('orders', eventOf())).headers['gridpost-duplicates'] !== undefined;
    const change = (duplicateDetection: object | null) =>
      admin('PUT', '/topics/orders', { duplicateDetection });
    expect(await isDuplicate()).toBe(false);
    await clock.advance(5 * minuteMs);
    await change({ windowInMinutes: 20 });
    await clock.advance(10 * minuteMs);
    expect(await isDuplicate()).toBe(true);
    await change({ windowInMinutes: 5 });
    expect(await isDuplicate()).toBe(false);
    await change(null);
    expect(await isDuplicate()).toBe(false);
    expect((await admin('GET', '/topics/orders')).json.properties).not.toHaveProperty('duplicateDetection');
    await change({});
    expect(await isDuplicate()).toBe(true);
  });
});

test('a request that was refused is not remembered', async () => {
  const store = new MemoryStore({ limits: { bytesMax: 10_000, subscriptionShare: 1 } });
  const { publish } = await serveUnique({}, { store });
  const large = [eventOf({ id: 'a' }), eventOf({ id: 'b', data: 'x'.repeat(10_000) })];
  expect((await publish('orders', large, batch)).status).toBe(503);
  const answer = await publish('orders', eventOf({ id: 'a' }));
  expect(answer.headers).not.toHaveProperty('gridpost-duplicates');
  expect(await storedIds(store)).toEqual(['a']);
});
