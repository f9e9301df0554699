/** Several events in one request: what goes together, and what becomes of them. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { decodeEventGrid } from '@gridpost/codec';
import type { ServerResponse } from 'node:http';
import type { Subscription } from '@gridpost/model';
import { answer, type Endpoint } from '@gridpost/model/testing';
import { eachTest } from '../testing/fixture.js';
import { calm, type Rig, type Running, structured } from '../testing/rig.js';

let rig: Rig;
let endpoint: Endpoint;
/** Responses that are owed. */
let owed: ServerResponse[];
// Before the fixture ends, which waits for its attempts.
afterEach(() => pay());
eachTest((fixture) => {
  ({ rig, endpoint } = fixture);
  owed = [];
});

const hold = (): void => endpoint.reply((_, response) => void owed.push(response));
function pay(status = 200): void {
  endpoint.reply(answer(status));
  for (const response of owed.splice(0)) {
    response.statusCode = status;
    response.end();
  }
}

const subscribe = (
  push: { maxEventsPerBatch?: number; preferredBatchSizeInKilobytes?: number },
  wish: Parameters<Rig['subscribe']>[2] = {},
): Promise<Subscription> => rig.subscribe('hook', endpoint.url, { ...wish, push: { ...push, ...wish.push } });

/** Starts a worker whose batches go one after the other, however long the machine takes over them. */
const oneByOne = (): Promise<Running> => rig.work({ concurrency: 1, settleWindowMs: 60_000 });

const sizes = (): number[] => endpoint.batches().map(({ length }) => length);
const eventsReceived = (): number => sizes().reduce((sum, size) => sum + size, 0);
const untilEvents = (count: number): Promise<void> => endpoint.until(() => eventsReceived() >= count);

describe('without a word about batches, or with one of a single event,', () => {
  test.each([{}, { maxEventsPerBatch: 1 }, { maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 }])(
    '%j, each CloudEvent is an object of its own',
    async (push) => {
      await subscribe(push);
      await rig.work();
      await rig.publish(['a', 'b', 'c']);
      await rig.settled();
      expect(endpoint.ids().sort()).toEqual(['a', 'b', 'c']);
    },
  );

  test('each event of Event Grid is an array of one', async () => {
    await subscribe({}, { eventDeliverySchema: 'EventGridSchema' });
    await rig.work();
    await rig.publish(['a', 'b']);
    await rig.settled();
    expect(endpoint.batches().sort()).toEqual([['a'], ['b']]);
  });
});

describe('a batch', () => {
  test('is what is in line: an entry as a whole, and a single event without waiting', async () => {
    await subscribe({ maxEventsPerBatch: 100 });
    await rig.work();
    const ids = await rig.publish(rig.ids(50));
    await rig.settled();
    await rig.publish(['alone']);
    await rig.settled();
    expect(endpoint.batches()).toEqual([ids, ['alone']]);
  });

  test('of CloudEvents is one in the sense of their specification, with what is true of all of it', async () => {
    await subscribe({ maxEventsPerBatch: 2 });
    await oneByOne();
    await rig.publish(['a', 'b', 'c']);
    await rig.settled();
    const [two, one] = endpoint.received;
    expect(JSON.parse(two!.body)).toEqual([
      { specversion: '1.0', id: 'a', source: '/shop', type: 'order.created', data: { id: 'a' } },
      { specversion: '1.0', id: 'b', source: '/shop', type: 'order.created', data: { id: 'b' } },
    ]);
    const always = {
      'content-type': 'application/cloudevents-batch+json; charset=utf-8',
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'hook',
      'aeg-delivery-count': '0',
      'aeg-metadata-version': '1.0',
    };
    expect(two!.headers).toMatchObject(always);
    expect(two!.headers).not.toHaveProperty('webhook-id');
    expect(two!.headers).not.toHaveProperty('aeg-output-event-id');
    expect(one!.batch).toEqual(['c']);
    expect(one!.headers).toMatchObject({
      ...always,
      'webhook-id': expect.any(String),
      'aeg-output-event-id': 'c',
    });
  });

  test('of Event Grid has a data version if all its events have the same', async () => {
    await subscribe({ maxEventsPerBatch: 10 }, { eventDeliverySchema: 'EventGridSchema' });
    await rig.work();
    for (const versions of [
      ['1', '1'],
      ['1', '2'],
    ]) {
      const events = versions.map((dataVersion, index) => ({
        id: `${versions}.${index}`,
        subject: 's',
        eventType: 't',
        eventTime: '2026-01-31T12:00:00Z',
        dataVersion,
        data: {},
      }));
      await rig.append(decodeEventGrid(Buffer.from(JSON.stringify(events)), { topic: '/topics/orders' }));
      await rig.settled();
    }
    expect(sizes()).toEqual([2, 2]);
    expect(endpoint.received.map(({ headers }) => headers['content-type'])).toEqual(
      Array(2).fill('application/json; charset=utf-8'),
    );
    expect(endpoint.received.map(({ headers }) => headers['aeg-data-version'])).toEqual(['1', undefined]);
  });

  test.each([1, 7])('never has more than its most events, with %i at a time', async (concurrency) => {
    await subscribe({ maxEventsPerBatch: 8 });
    await rig.work({ concurrency });
    const ids = rig.ids(100);
    await rig.publish(ids.slice(0, 60));
    await rig.publish(ids.slice(60));
    await rig.settled();
    expect(Math.max(...sizes())).toBe(8);
    expect(endpoint.batches().flat().sort()).toEqual([...ids].sort());
  });

  test('with a size alone has as many events as go into it', async () => {
    await subscribe({ preferredBatchSizeInKilobytes: 2 });
    await oneByOne();
    const ids = await rig.publish(rig.ids(100));
    await rig.settled();
    const lengths = endpoint.received.map(({ body }) => Buffer.byteLength(body));
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2_048);
    // What did not go into it would have been too much.
    for (const length of lengths.slice(0, -1)) expect(length).toBeGreaterThan(2_048 - 100);
    expect(endpoint.batches().flat()).toEqual(ids);
  });

  test('has the size that is aimed at, to the byte, and one event more is one too many', async () => {
    // Two events and what stands around them.
    const overhead = Buffer.byteLength(`[,]${structured('a', 't', '').body}${structured('b', 't', '').body}`);
    const around = Buffer.byteLength(',"filling":""');
    const filling = 'x'.repeat(1_024 - overhead - around);
    for (const more of ['', 'x']) {
      const { length } = endpoint.received;
      const subscription = await subscribe({ preferredBatchSizeInKilobytes: 1 });
      const { delivery } = await rig.work();
      await rig.append([structured('a', 't', filling + more), structured('b', 't')]);
      await rig.settled();
      expect(endpoint.batches().slice(length)).toEqual(more === '' ? [['a', 'b']] : [['a'], ['b']]);
      await delivery.drain();
      await rig.unsubscribe(subscription);
    }
    expect(endpoint.received[0]!.body).toHaveLength(1_024);
  });

  test('without a size aims at 64 KB', async () => {
    await subscribe({ maxEventsPerBatch: 1_000 });
    await oneByOne();
    await rig.append(Array.from({ length: 70 }, (_, i) => structured(`e${i}`, 't', 'x'.repeat(1_000))));
    await rig.settled();
    const [first] = endpoint.received.map(({ body }) => Buffer.byteLength(body));
    expect(first).toBeLessThanOrEqual(65_536);
    expect(first).toBeGreaterThan(65_536 - 1_200);
    expect(sizes()).toHaveLength(2);
  });

  test('does not hold an event that is larger than its size with others', async () => {
    await subscribe({ preferredBatchSizeInKilobytes: 1 });
    await oneByOne();
    const large = structured('large', 't', 'x'.repeat(3_000));
    await rig.append([structured('a', 't'), large, structured('b', 't'), structured('c', 't')]);
    await rig.settled();
    expect(endpoint.batches()).toEqual([['a'], ['large'], ['b', 'c']]);
  });

  test('ends where one of the headers that stand in the event would change', async () => {
    await subscribe(
      { maxEventsPerBatch: 10 },
      {
        push: {
          deliveryAttributeMappings: [
            { name: 'x-type', type: 'Dynamic', properties: { sourceField: 'type' } },
          ],
        },
      },
    );
    await oneByOne();
    await rig.append(['one', 'one', 'two', 'one'].map((type, i) => structured(`e${i}`, type)));
    await rig.settled();
    expect(endpoint.received.map(({ batch, headers }) => [batch, headers['x-type']])).toEqual([
      [['e0', 'e1'], 'one'],
      [['e2'], 'two'],
      [['e3'], 'one'],
    ]);
  });

  test('goes on without an event that cannot be encoded', async () => {
    const subscription = await subscribe(
      { maxEventsPerBatch: 10 },
      { eventDeliverySchema: 'CustomInputSchema' },
    );
    await rig.work();
    const broken = structured('broken');
    // Data that claims to be text.
    broken.frame[2] = 2;
    await rig.append([structured('a'), broken, structured('b')]);
    await rig.settled();
    expect(endpoint.batches()).toEqual([['a', 'b']]);
    expect(await rig.deadLetters(subscription)).toMatchObject([{ reason: 'Quarantined' }]);
  });

  test('collects while attempts run, and counts as one of them', async () => {
    await subscribe({ maxEventsPerBatch: 5 });
    hold();
    const { metrics } = await rig.work({ concurrency: 2, settleWindowMs: 60_000 });
    await rig.publish(['a']);
    await untilEvents(1);
    await rig.publish(['b']);
    await untilEvents(2);
    for (let i = 0; i < 8; i++) await rig.publish(rig.ids(1));
    await rig.clock.skip(100);
    expect(sizes()).toEqual([1, 1]);
    expect(metrics.attemptsInFlight.with().value).toBe(2);
    pay();
    await rig.settled();
    // The last two go over two connections at the same time.
    expect(sizes().sort()).toEqual([1, 1, 3, 5]);
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'success').value).toBe(10);
    expect(metrics.deliveryDuration.with('orders', 'success').count).toBe(4);
    expect(metrics.deliveryLag.with('orders').count).toBe(10);
  });
});

describe('the answer to a batch', () => {
  test('is that to each of its events, which are due together', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 10 });
    endpoint.reply(answer(500));
    const { metrics, lines } = await rig.work(calm);
    const ids = await rig.publish(rig.ids(10));
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 10);
    expect(metrics.deliveryAttempts.with('orders', 'hook', 'retryable').value).toBe(10);
    expect(lines.filter(({ message }) => message.startsWith('attempt failed'))).toMatchObject([
      { fields: { events: 10, attempt: 1, status: 500 } },
    ]);
    endpoint.reply(answer(200));
    await rig.clock.skip(12_000);
    await rig.settled();
    expect(endpoint.batches().map((batch) => [...batch].sort())).toEqual([[...ids].sort(), [...ids].sort()]);
    expect(endpoint.received.map(({ headers }) => headers['aeg-delivery-count'])).toEqual(['0', '1']);
  });

  test('counts for each event by itself where they have had different numbers of attempts', async () => {
    const subscription = await subscribe(
      { maxEventsPerBatch: 10 },
      { retryPolicy: { maxDeliveryAttempts: 2, eventTimeToLiveInMinutes: 1440 } },
    );
    endpoint.reply(answer(500));
    await rig.work({ ...calm, concurrency: 1, settleWindowMs: 60_000 });
    await rig.publish(['old']);
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 1);
    hold();
    await rig.publish(['first']);
    await untilEvents(2);
    await rig.publish(['new']);
    await rig.clock.skip(12_000);
    await rig.watched.until(() =>
      rig.watched.named('due').some(({ result }) => (result as { deliveries: [] }).deliveries.length > 0),
    );
    pay(500);
    await rig.watched.until(async () => (await rig.usage(subscription)).deadLettered === 1);
    const last = endpoint.received.find(({ batch }) => batch.length === 2)!;
    expect([...last.batch].sort()).toEqual(['new', 'old']);
    expect(last.headers).not.toHaveProperty('aeg-delivery-count');
    expect(await rig.deadLetters(subscription)).toMatchObject([
      { reason: 'MaxDeliveryAttemptsExceeded', state: { attempts: 2 } },
    ]);
    expect((await rig.usage(subscription)).deferred).toBe(2);
  });

  test('does not keep the time to live of one from ending before that of the others', async () => {
    const subscription = await subscribe(
      { maxEventsPerBatch: 10 },
      { retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1 } },
    );
    await rig.publish(['old']);
    await rig.clock.skip(50_000);
    await rig.publish(['a', 'b']);
    await rig.clock.skip(20_000);
    await rig.work(calm);
    await rig.settled();
    expect(endpoint.batches()).toEqual([['a', 'b']]);
    expect(await rig.deadLetters(subscription)).toMatchObject([{ reason: 'TimeToLiveExceeded' }]);
  });

  test('is final for all of them if it is a final one', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 10 });
    endpoint.reply(answer(400));
    await rig.work();
    await rig.publish(rig.ids(10));
    await rig.settled();
    expect((await rig.deadLetters(subscription)).map(({ reason }) => reason)).toEqual(
      Array(10).fill('UndeliverableDueToBadRequest'),
    );
  });

  test('that says it is too large has it split, until only what is too large by itself is given up', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 100 });
    endpoint.reply((request, response) =>
      answer(Buffer.byteLength(request.body) > 1_000 ? 413 : 200)(request, response),
    );
    const { lines } = await rig.work();
    const small = Array.from({ length: 40 }, (_, i) => structured(`e${i}`, 't'));
    await rig.append([
      ...small.slice(0, 20),
      structured('large', 't', 'x'.repeat(2_000)),
      ...small.slice(20),
    ]);
    await rig.settled();
    const taken = endpoint.received.filter(({ body }) => Buffer.byteLength(body) <= 1_000);
    expect(taken.flatMap(({ batch }) => batch).sort()).toEqual(small.map(({ id }) => id).sort());
    expect(taken.length).toBeLessThan(20);
    expect(await rig.deadLetters(subscription)).toMatchObject([
      { reason: 'UndeliverableDueToPayloadTooLarge', state: { attempts: 1 } },
    ]);
    expect(lines.some(({ message }) => message.startsWith('batch is too large'))).toBe(true);
  });

  test('disables the subscription once if it is 410', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 10 });
    endpoint.reply(answer(410));
    const { lines } = await rig.work(calm);
    await rig.publish(rig.ids(10));
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === 10);
    await rig.watched.until(() => lines.some(({ message }) => message === 'subscription disabled'));
    expect(sizes()).toEqual([10]);
    expect(lines.filter(({ message }) => message === 'subscription disabled')).toHaveLength(1);
  });
});

describe('a drain', () => {
  test('waits for the batches under way, and hands the rest over', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 5 });
    hold();
    const { delivery } = await rig.work({ concurrency: 1, settleWindowMs: 60_000 });
    await rig.publish(rig.ids(12));
    await untilEvents(5);
    const drained = delivery.drain();
    pay();
    expect(await drained).toEqual({ cut: 0 });
    expect(sizes()).toEqual([5]);
    expect((await rig.usage(subscription)).deferred).toBe(7);
    expect(await rig.logEntries()).toBe(0);
  });

  test('cuts a batch at its deadline, and counts what its endpoint may see again', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 5 });
    hold();
    const { delivery } = await rig.work({ ...calm, concurrency: 1 });
    await rig.publish(rig.ids(5));
    await untilEvents(5);
    const drained = delivery.drain(0);
    expect(await drained).toEqual({ cut: 5 });
    expect((await rig.usage(subscription)).deferred).toBe(5);
    owed.length = 0;
    endpoint.reply(answer(200));
    const { metrics } = await rig.work();
    await rig.settled();
    expect(metrics.redeliveries.with('drain').value).toBe(5);
    expect(endpoint.received.at(-1)!.headers['aeg-delivery-count']).toBe('0');
  });
});

describe('the queue of a subscription with batches', () => {
  /** As many deferred deliveries, due when the clock has run on. */
  async function deferred(subscription: Subscription, count: number): Promise<void> {
    endpoint.reply(answer(500));
    const { delivery } = await rig.work(
      { ...calm, failuresMax: 0, unsettledEventsMax: 10_000 },
      { name: 'before' },
    );
    for (let left = count; left > 0; left -= 100) await rig.publish(rig.ids(Math.min(100, left)));
    await rig.watched.until(async () => (await rig.usage(subscription)).deferred === count);
    await delivery.drain();
    await delivery.close();
    await rig.clock.skip(12_000);
    endpoint.received.length = 0;
  }

  test('gives as many leases as its batches hold', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 100, preferredBatchSizeInKilobytes: 1_024 });
    await deferred(subscription, 2_000);
    hold();
    const { metrics } = await rig.work({ ...calm, settleWindowMs: 60_000 });
    await untilEvents(2_000);
    expect(metrics.attemptsInFlight.with().value).toBeLessThanOrEqual(64);
    // More than one attempt each would hold, and more than one ask brings.
    expect(sizes().filter((size) => size === 100).length).toBeGreaterThanOrEqual(10);
    pay();
    await rig.settled();
    expect(new Set(endpoint.batches().flat()).size).toBe(2_000);
    expect(eventsReceived()).toBe(2_000);
  });

  test('has a batch ready when the one before it ends, and no more than a bounded number', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 50, preferredBatchSizeInKilobytes: 1_024 });
    await deferred(subscription, 500);
    hold();
    await rig.work({ ...calm, concurrency: 1, settleWindowMs: 60_000 });
    await untilEvents(1);
    await rig.clock.skip(2_000);
    const leased = rig.watched
      .named('due')
      .reduce((sum, { result }) => sum + (result as { deliveries: [] }).deliveries.length, 0);
    expect(eventsReceived()).toBeLessThanOrEqual(50);
    expect(leased - eventsReceived()).toBe(50);
    pay();
    await rig.settled();
    expect(eventsReceived()).toBe(500);
    expect(Math.max(...sizes())).toBe(50);
  });

  test('leaves room for the queues of others', async () => {
    const many = await subscribe({ maxEventsPerBatch: 5_000, preferredBatchSizeInKilobytes: 1_024 });
    const few = await rig.subscribe('few', `${endpoint.url}/few`, {
      filter: { includedEventTypes: ['order.few'] },
    });
    await rig.put({
      ...many,
      properties: { ...many.properties, filter: { includedEventTypes: ['order.created'] } },
    });
    endpoint.reply(answer(500));
    const { delivery } = await rig.work(
      { ...calm, failuresMax: 0, unsettledEventsMax: 10_000 },
      { name: 'before' },
    );
    for (let i = 0; i < 20; i++) await rig.publish(rig.ids(100));
    await rig.publish(rig.ids(20), { type: 'order.few' });
    await rig.watched.until(
      async () => (await rig.usage(many)).deferred === 2_000 && (await rig.usage(few)).deferred === 20,
    );
    await delivery.drain();
    await delivery.close();
    await rig.clock.skip(12_000);
    endpoint.received.length = 0;
    endpoint.reply(answer(200));
    await rig.work(calm);
    await rig.settled();
    const lastFew = endpoint.received.findLastIndex(({ path }) => path === '/few');
    const before = endpoint.received.slice(0, lastFew).reduce((sum, { batch }) => sum + batch.length, 0);
    expect(before).toBeLessThan(2_000);
  });

  test('probes an endpoint that is held back with one event', async () => {
    const subscription = await subscribe({ maxEventsPerBatch: 100, preferredBatchSizeInKilobytes: 1_024 });
    await deferred(subscription, 2_000);
    endpoint.reply(answer(503));
    await rig.work({ ...calm, failuresMax: 3 });
    await rig.watched.until(async () => (await rig.health(subscription))?.state === 'Probation');
    await endpoint.until(() => endpoint.connections === 0);
    endpoint.received.length = 0;
    for (let passed = 0; endpoint.received.length < 2; passed += 500) {
      expect(passed).toBeLessThan(60_000);
      await rig.clock.skip(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sizes()).toEqual([1, 1]);
  });
});

test('what a crash repeats is bounded by events, not by batches', async () => {
  await subscribe({ maxEventsPerBatch: 50 });
  hold();
  const first = await rig.work({ concurrency: 4, unsettledEventsMax: 100, settleWindowMs: 60_000 });
  const ids = rig.ids(600);
  for (let i = 0; i < 600; i += 20) await rig.publish(ids.slice(i, i + 20));
  await untilEvents(100);
  await rig.clock.skip(200);
  const sent = eventsReceived();
  expect(sent).toBeLessThanOrEqual(120);
  await first.delivery.close();
  await endpoint.until(() => endpoint.connections === 0);
  owed.length = 0;
  await rig.clock.skip(10_100);
  endpoint.reply(answer(200));
  const second = await rig.work({ unsettledEventsMax: 100 });
  await rig.settled();
  expect(second.metrics.redeliveries.with('crash').value).toBeLessThanOrEqual(120);
  expect(new Set(endpoint.batches().flat()).size).toBe(600);
  expect(eventsReceived()).toBeLessThanOrEqual(600 + 120);
});
