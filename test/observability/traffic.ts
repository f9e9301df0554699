/**
 * Mixed traffic, of which it is known what the metrics have to say: every end that an attempt, a delivery and a publish
 * request can have, on two servers as a deployment has several.
 */
import { Api, eventOf, expectStatus } from '../support/api.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { type Sink, startSink } from '../support/sink.js';
import { temporaryDirectory } from '../support/teardown.js';

/** Events of `orders`, each for every subscription: first one, so that every series has begun, then these. */
export const ordersCount = 200;
export const topic = 'orders';

/** As few as there can be. */
const identitiesMax = 10_000;

/** By name: how its endpoint answers each delivery of `orders`, and what becomes of it. */
export const subscriptions = {
  delivered: { status: 200 },
  refused: { status: 400 },
  failing: { status: 503 },
  silent: 'silence',
  gone: { status: 410 },
  discarded: { status: 400 },
  written: { status: 400 },
  unwritten: { status: 400 },
} as const;

/** Properties that some of them have beside their endpoint; `/taken` takes dead letters, `/failing` does not. */
const propertiesOf = (sink: Sink): Readonly<Record<string, Record<string, unknown>>> => ({
  discarded: { deadLettering: false },
  written: { deadLetterDestination: webHook(sink.url('/taken')) },
  unwritten: { deadLetterDestination: webHook(sink.url('/failing')) },
});

const webHook = (endpointUrl: string): object => ({ endpointType: 'WebHook', properties: { endpointUrl } });

export interface Traffic {
  readonly servers: readonly ServerProcess[];
  /** Makes the topics and subscriptions, and publishes the first event. */
  prepare(): Promise<void>;
  /** Publishes what is known of; resolves when the publishers have their answers. */
  run(): Promise<void>;
}

export async function startTraffic(): Promise<Traffic> {
  const [orders, small] = await Promise.all([
    startServer({
      GRIDPOST_STORE: `lmdb:${temporaryDirectory()}`,
      GRIDPOST_DEAD_LETTER_DELAY_SECONDS: '0',
      // So little that there is more to record than it holds.
      GRIDPOST_ATTEMPT_LOG_BYTES_MAX: '20000',
      GRIDPOST_DUPLICATE_IDENTITIES_MAX: `${identitiesMax}`,
    }),
    // The smallest store there is, so that it fills up.
    startServer({ GRIDPOST_STORE: `lmdb:${temporaryDirectory()}`, GRIDPOST_STORE_BYTES_MAX: '16777216' }),
  ]);
  const sink = await startSink();
  sink.reply(({ path }) => subscriptions[path.slice(1) as keyof typeof subscriptions] ?? { status: 200 });
  const api = new Api(orders.url);
  return {
    servers: [orders, small],
    async prepare() {
      await api.putTopic(topic);
      await api.putTopic('unwatched');
      for (const name of Object.keys(subscriptions)) {
        await api.putSubscription(topic, name, {
          url: sink.url(`/${name}`),
          attemptTimeoutInSeconds: 1,
          properties: propertiesOf(sink)[name] ?? {},
        });
      }
      await api.accept(topic, eventOf());
      // An endpoint that is not written as one on loopback is asked.
      await api.putTopic('asked');
      await api.putSubscription('asked', 'hook', {
        url: sink.url('/asked').replace('127.0.0.1', '[::ffff:127.0.0.1]'),
      });
    },
    async run() {
      await Promise.all([
        publishOrders(api),
        fill(new Api(small.url), sink.url('/refused')),
        remember(api),
        exceed(api),
        replay(api, sink.url('/delivered')),
      ]);
      expectStatus(await new Api(orders.url, 'a-wrong-admin-key').send('GET', '/topics'), 401);
    },
  };
}

async function publishOrders(api: Api): Promise<void> {
  for (let sent = 0; sent < ordersCount; sent += 10) {
    const batch = Array.from({ length: 10 }, () => eventOf());
    expectStatus(await api.publishBatch(topic, batch), 200);
  }
  await api.accept('unwatched', eventOf());
  expectStatus(await api.publish(topic, { ...eventOf(), specversion: '0.3' }), 400);
}

/** Dead letters until the oldest are dropped, then events that are kept until there is no room for more. */
async function fill(api: Api, refusing: string): Promise<void> {
  const large = (): unknown => eventOf({ data: 'x'.repeat(500_000) });
  await api.putTopic('letters');
  await api.putSubscription('letters', 'refused', { url: refusing });
  for (let i = 0; i < 6; i++) await api.accept('letters', large());
  await api.putTopic('kept', { eventRetentionInDays: 1 });
  for (let i = 0; i < 60; i++) {
    const { status } = await api.publish('kept', large());
    if (status === 503) return;
  }
  throw new Error('a store of 16 MiB took 30 MB');
}

/** More events than are remembered for duplicate detection. */
async function remember(api: Api): Promise<void> {
  await api.putTopic('remembered', { duplicateDetection: {} });
  for (let sent = 0; sent <= identitiesMax; sent += 500) {
    const batch = Array.from({ length: 500 }, () => eventOf());
    expectStatus(await api.publishBatch('remembered', batch), 200);
  }
}

/** More than a topic's quota. */
async function exceed(api: Api): Promise<void> {
  await api.putTopic('limited', { publishQuota: { eventsPerSecond: 1 } });
  for (let i = 0; i < 20; i++) {
    const { status } = await api.publish('limited', eventOf());
    if (status === 429) return;
  }
  throw new Error('a topic for one event a second took 20 at once');
}

/** A job, which sends again what a topic has kept. */
async function replay(api: Api, url: string): Promise<void> {
  await api.putTopic('history', { eventRetentionInDays: 1 });
  await api.putSubscription('history', 'replayed', { url });
  await api.accept('history', eventOf());
  const path = '/topics/history/eventsubscriptions/replayed:replay';
  expectStatus(await api.send('POST', path, { from: new Date(0).toISOString() }), 202);
}
