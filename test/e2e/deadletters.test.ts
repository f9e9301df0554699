/** What becomes of deliveries that an endpoint will not have: kept with their reason, listed, redriven; retried; held. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Api, eventOf, subscriptionPath } from '../support/api.js';
import { type Deployment, describeTopologies } from '../support/deployment.js';
import { type Behaviour, type Sink, startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

describeTopologies('dead letters', (topology) => {
  let deployment: Deployment;
  let api: Api;
  let sink: Sink;

  beforeAll(async () => {
    deployment = await topology.start();
    api = deployment.api;
    sink = await startSink();
  });
  afterAll(() => deployment?.stop());

  async function setup(topic: string, behaviour: Behaviour, properties = {}) {
    const path = `/${topic}`;
    sink.replyAt(path, behaviour);
    await api.putTopic(topic);
    await api.putSubscription(topic, 'hook', { url: sink.url(path), properties });
    return { path };
  }

  test('an event that an endpoint refuses is kept, listed, and redriven when the endpoint is mended', async () => {
    const { path } = await setup('refused', { status: 400, body: 'no such order' });
    const ids = ['a', 'b', 'c'];
    for (const id of ids) await api.accept('refused', eventOf({ id, data: { id } }));
    const held = await api.deadLettered('refused', 'hook', ids.length);
    expect(held).toHaveLength(ids.length);
    for (const letter of held) {
      expect(letter.deadLetterReason).toBe('UndeliverableDueToBadRequest');
      expect(letter).toMatchObject({ attempts: 1, lastOutcome: { outcome: 'BadRequest', status: 400 } });
    }
    const payloads = held.map(({ event }) => (event as { id: string; data: unknown }).data);
    expect(payloads).toEqual(expect.arrayContaining(ids.map((id) => ({ id }))));

    sink.replyAt(path, { status: 200 });
    const firstIds = sink.on(path).map(({ headers }) => headers['webhook-id']);
    expect((await api.redrive('refused', 'hook')).json()).toMatchObject({
      ...{ kind: 'redrive', status: 'queued', total: { count: ids.length, exact: true } },
    });
    const receipts = await sink.received(path, 2 * ids.length);
    // A redrive is the same delivery: it can be told as a repetition.
    expect(
      receipts
        .slice(ids.length)
        .map(({ headers }) => headers['webhook-id'])
        .sort(),
    ).toEqual(firstIds.sort());
    expect(await api.deadLetters('refused', 'hook')).toEqual([]);
  });

  test('dead-lettering can be switched off; what is dropped is counted', async () => {
    await setup('dropping', { status: 400 }, { deadLettering: false });
    await api.accept('dropping', eventOf());
    await deployment.counted('gridpost_dropped_events_total', 1, {
      topic: 'dropping',
      subscription: 'hook',
      reason: 'DeadLetteringOff',
    });
    expect(await api.deadLetters('dropping', 'hook')).toEqual([]);
  });

  test('one attempt is enough where the policy says so', async () => {
    await setup(
      'once',
      { status: 500 },
      { retryPolicy: { maxDeliveryAttempts: 1, eventTimeToLiveInMinutes: 60 } },
    );
    await api.accept('once', eventOf());
    const [letter] = await api.deadLettered('once', 'hook', 1);
    expect(letter!.deadLetterReason).toBe('MaxDeliveryAttemptsExceeded');
  });

  test('an endpoint that is gone is sent nothing more, and gets what was kept when it is written again', async () => {
    const { path } = await setup('gone', { status: 410 });
    await api.accept('gone', eventOf({ id: 'first' }));
    await sink.received(path);
    await until('the subscription is disabled', async () => {
      const answer = await api.send('GET', subscriptionPath('gone', 'hook'));
      return answer.body.includes('Disabled');
    });
    // It is shown before every worker has to know of it; whatever is written and answered after it, they know after it.
    await api.putTopic('gone');
    for (let i = 0; i < 5; i++) await api.accept('gone', eventOf({ id: `kept-${i}` }));
    await deployment.counted('gridpost_deliveries_deferred_total', 5, { topic: 'gone', reason: 'disabled' });
    expect(sink.on(path)).toHaveLength(1);

    sink.replyAt(path, { status: 200 });
    await api.putSubscription('gone', 'hook', { url: sink.url(path) });
    const receipts = await sink.received(path, 7);
    expect(new Set(receipts.map(({ event }) => event.attributes.id)).size).toBe(6);
  });

  test('a delivery that failed is tried again, ten seconds later at the earliest', async () => {
    const { path } = await setup('retried', { status: 500 });
    await api.accept('retried', eventOf());
    const [first] = await sink.received(path);
    sink.replyAt(path, { status: 200 });
    const receipts = await sink.received(path, 2);
    expect(receipts[1]!.at - first!.at).toBeGreaterThan(9_500);
    expect(receipts[1]!.headers).toMatchObject({
      'webhook-id': first!.headers['webhook-id'],
      'aeg-delivery-count': '1',
    });
  });
});
