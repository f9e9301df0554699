/**
 * Pull delivery on every topology, with Event Grid's own client: competing consumers, locks that run out at a consumer
 * that dies, and events that wait while nobody is there.
 */
import { AzureKeyCredential } from '@azure/core-auth';
import { EventGridReceiverClient } from '@azure/eventgrid-namespaces';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventOf, expectStatus, subscriptionPath } from '../support/api.js';
import { type Deployment, describeTopologies } from '../support/deployment.js';

/** How those who still wait are told to go. */
function leaving(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

describeTopologies('receiving', (topology) => {
  let deployment: Deployment;
  let topics = 0;

  beforeAll(async () => {
    deployment = await topology.start();
  });
  afterAll(() => deployment?.stop());

  async function setup() {
    const { api } = deployment;
    const topic = `r-${++topics}`;
    await api.putTopic(topic);
    const body = { properties: { deliveryConfiguration: { deliveryMode: 'Queue' } } };
    expectStatus(await api.send('PUT', subscriptionPath(topic, 'queue'), body), 201);
    const keys = (await api.send('GET', `${subscriptionPath(topic, 'queue')}/keys`)).json<{ key1: string }>();
    const consumer = (): EventGridReceiverClient =>
      new EventGridReceiverClient(api.url, new AzureKeyCredential(keys.key1) as never, topic, 'queue', {
        allowInsecureConnection: true,
      });
    const publish = async (count: number): Promise<string[]> => {
      const events = Array.from({ length: count }, () => eventOf());
      for (let at = 0; at < count; at += 10)
        expectStatus(await api.publishBatch(topic, events.slice(at, at + 10)), 200);
      return events.map(({ id }) => id as string);
    };
    return { api, topic, consumer, publish };
  }

  test('a consumer that waits gets an event as soon as it is there', async () => {
    const { consumer, publish } = await setup();
    const waiting = consumer().receiveEvents({ maxWaitTime: 60 });
    const [id] = await publish(1);
    const { details } = await waiting;
    expect(details.map(({ event }) => event.id)).toEqual([id]);
    const { lockToken } = details[0]!.brokerProperties;
    expect((await consumer().acknowledgeEvents([lockToken])).succeededLockTokens).toEqual([lockToken]);
  });

  test('competing consumers get each event once', async () => {
    const { api, topic, consumer, publish } = await setup();
    const ids = await publish(300);
    const seen: string[] = [];
    const { signal, abort } = leaving();
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const own = consumer();
        while (seen.length < ids.length) {
          const received = own.receiveEvents({ maxEvents: 20, abortSignal: signal });
          const { details } = await received.catch(() => ({ details: [] }));
          if (details.length === 0) break;
          seen.push(...details.map(({ event }) => event.id));
          if (seen.length >= ids.length) abort();
          const tokens = details.map(({ brokerProperties }) => brokerProperties.lockToken);
          const { succeededLockTokens } = await own.acknowledgeEvents(tokens);
          expect(succeededLockTokens).toHaveLength(tokens.length);
        }
      }),
    );
    expect(seen.sort()).toEqual(ids.sort());
    expect(await api.deadLetters(topic, 'queue')).toEqual([]);
  });

  test('an event that is released comes again, one that is rejected is a dead letter', async () => {
    const { api, topic, consumer, publish } = await setup();
    await publish(1);
    const own = consumer();
    const first = await own.receiveEvents();
    await own.releaseEvents([first.details[0]!.brokerProperties.lockToken]);
    const second = await own.receiveEvents();
    expect(second.details[0]!.brokerProperties.deliveryCount).toBe(2);
    await own.rejectEvents([second.details[0]!.brokerProperties.lockToken]);
    expect(await api.deadLettered(topic, 'queue', 1)).toMatchObject([
      { deadLetterReason: 'Rejected', attempts: 2 },
    ]);
  });
});
