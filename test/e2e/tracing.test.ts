/** What became of an event can be asked of any gateway, also after a crash, and for as long as there is room. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Api, eventOf, subscriptionPath } from '../support/api.js';
import { type Deployment, describeTopologies } from '../support/deployment.js';
import { type Sink, startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

/** An attempt that outlasts the settle window is a step of its own, and a busy machine makes one of any attempt. */
const settings = { GRIDPOST_SETTLE_WINDOW_MS: '10000' };

interface Step {
  readonly state: string;
  readonly reason?: string;
  readonly attempt?: Readonly<Record<string, unknown>>;
}

interface TracedDelivery extends Step {
  readonly subscription: string;
  readonly attempts: number;
  readonly nextAttemptAt?: string;
  readonly deadLetterId?: string;
  readonly steps: readonly Step[];
}

interface Lives {
  readonly value: readonly {
    readonly source: string;
    readonly acceptedAt: string;
    readonly deliveries: readonly TracedDelivery[];
  }[];
  readonly heldFrom: { readonly failures: string | null; readonly successes: string | null };
}

async function livesOf(api: Api, topic: string, id: string): Promise<Lives> {
  return (await api.send('GET', `/topics/${topic}/events/${encodeURIComponent(id)}`)).json<Lives>();
}

/** The event's deliveries by subscription, once each of them has come into the state given. */
function traced(
  api: Api,
  topic: string,
  id: string,
  states: Readonly<Record<string, string>>,
): Promise<Map<string, TracedDelivery>> {
  return until(
    `${id} stands as it should`,
    async () => {
      const { value } = await livesOf(api, topic, id);
      const found = new Map(value[0]?.deliveries.map((delivery) => [delivery.subscription, delivery]));
      const all = Object.entries(states).every(([name, state]) => found.get(name)?.state === state);
      return all && found;
    },
    { everyMs: 100 },
  );
}

const policy = { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 };
const states = {
  works: 'Delivered',
  retried: 'Delivered',
  refused: 'DeadLettered',
  dropped: 'Dropped',
  waiting: 'Deferred',
};

describeTopologies('tracing', (topology) => {
  let deployment: Deployment;
  let sink: Sink;

  beforeAll(async () => {
    deployment = await topology.start(undefined, settings);
    sink = await startSink();
    sink.reply(({ path, repetition }) => {
      if (path === '/works') return { status: 204 };
      if (path === '/retried') return repetition === 0 ? { status: 503, body: 'busy\nnow' } : { status: 200 };
      return { status: path === '/waiting' ? 500 : 400, body: 'no' };
    });
  });
  afterAll(() => deployment?.stop());

  test('an event shows what became of it for each subscription, also after its workers were killed', async () => {
    const { api } = deployment;
    await api.putTopic('traced', { eventRetentionInDays: 1 });
    const put = (name: string, properties = {}) =>
      api.putSubscription('traced', name, { url: sink.url(`/${name}`), properties });
    await put('works');
    await put('retried', { retryPolicy: { ...policy, delaysInSeconds: [1] } });
    await put('refused');
    await put('dropped', { deadLettering: false });
    await put('waiting', { retryPolicy: { ...policy, delaysInSeconds: [600] } });
    await put('unwanted', { filter: { includedEventTypes: ['other'] } });
    const id = 'an event / with "signs"';
    await api.accept('traced', eventOf({ id, source: '/here', data: { exact: true } }));
    const found = await traced(api, 'traced', id, states);
    expect([...found.keys()].sort()).toEqual(Object.keys(states).sort());
    expect(found.get('works')).toMatchObject({
      attempts: 1,
      steps: [{ attempt: { number: 1, outcome: 'Delivered', status: 204 } }],
    });
    expect(found.get('retried')!.steps).toMatchObject([
      {
        state: 'Deferred',
        reason: 'failed',
        attempt: { number: 1, outcome: 'Busy', status: 503, error: 'busy now' },
      },
      { state: 'Delivered', attempt: { number: 2, outcome: 'Delivered', status: 200 } },
    ]);
    const refused = found.get('refused')!;
    expect(refused).toMatchObject({ reason: 'UndeliverableDueToBadRequest', attempts: 1 });
    const letter = `${subscriptionPath('traced', 'refused')}/deadletters/${refused.deadLetterId}`;
    expect((await api.send('GET', letter)).json()).toMatchObject({ event: { id } });
    expect(found.get('dropped')).toMatchObject({ reason: 'DeadLetteringOff' });
    const waiting = found.get('waiting')!;
    expect(waiting).toMatchObject({ reason: 'failed', attempts: 1 });
    expect(Date.parse(waiting.nextAttemptAt!)).toBeGreaterThan(Date.now() + 400_000);

    const path = `/topics/traced/events/${encodeURIComponent(id)}?explain=true&subscription=unwanted`;
    expect((await api.send('GET', path)).json()).toMatchObject({
      value: [
        {
          event: { data: { exact: true } },
          explanation: { subscriptions: [{ subscription: 'unwanted', matches: false }] },
        },
      ],
    });
    const failing = `${subscriptionPath('traced', 'waiting')}/deliveries?state=Deferred&outcome=ServerError`;
    expect((await api.send('GET', failing)).json()).toMatchObject({
      value: [{ event: { id, source: '/here' }, lastAttempt: { number: 1, status: 500, error: 'no' } }],
    });

    for (const worker of deployment.workers) worker.kill('SIGKILL');
    await Promise.all(deployment.workers.map(({ exited }) => exited));
    const alone = deployment.gateways.filter((gateway) => !deployment.workers.includes(gateway));
    if (alone.length > 0) expect(await traced(api, 'traced', id, states)).toEqual(found);
    await deployment.stopServers();
    deployment = await topology.start(deployment.ground, settings);
    for (const each of deployment.apis) expect(await traced(each, 'traced', id, states)).toEqual(found);
  }, 180_000);
});

describeTopologies('tracing what operators do', (topology) => {
  test('dead letters that are redriven and purged and events that are replayed say so', async () => {
    const deployment = await topology.start(undefined, settings);
    const sink = await startSink();
    let status = 400;
    sink.reply(() => ({ status }));
    const { api } = deployment;
    await api.putTopic('handled', { eventRetentionInDays: 1 });
    await api.putSubscription('handled', 'hook', { url: sink.url('/hook') });
    const path = subscriptionPath('handled', 'hook');
    const over = async (action: string, body = {}): Promise<string> => {
      const { id } = await api.begin(path + action, body);
      expect(await api.jobOver(id)).toMatchObject({ status: 'succeeded', done: 1 });
      return id;
    };
    await api.accept('handled', eventOf({ id: 'handled' }));
    await traced(api, 'handled', 'handled', { hook: 'DeadLettered' });
    const redriven = await over('/deadletters:redrive');
    await until('it is given up again', async () => {
      const { value } = await livesOf(api, 'handled', 'handled');
      const [delivery] = value[0]!.deliveries;
      return delivery!.state === 'DeadLettered' && delivery!.steps.length === 3;
    });
    const purged = await over('/deadletters:purge');
    status = 200;
    const from = new Date(Date.now() - 600_000).toISOString();
    const replayed = await over(':replay', { from });
    const value = await until('the replayed one is delivered', async () => {
      const lives = await livesOf(api, 'handled', 'handled');
      const [life] = lives.value;
      return life!.deliveries.some(({ state }) => state === 'Delivered') && lives.value;
    });
    expect(value).toHaveLength(1);
    expect(value[0]!.deliveries).toHaveLength(2);
    const [again, first] = value[0]!.deliveries.toSorted((a) => (a.state === 'Delivered' ? -1 : 1));
    expect(again).toMatchObject({ origin: { cause: 'Replayed', job: replayed }, attempts: 1 });
    expect(first).toMatchObject({
      ...{ state: 'Dropped', reason: 'Purged', job: purged },
      steps: [
        { state: 'DeadLettered', attempt: { number: 1 } },
        { state: 'Deferred', reason: 'redriven', job: redriven },
        { state: 'DeadLettered', attempt: { number: 1 } },
        { state: 'Dropped', reason: 'Purged', job: purged },
      ],
    });
    await deployment.stop();
  }, 180_000);
});

describeTopologies('tracing with little room', (topology) => {
  test('lets go of successes first, keeps failures, and says from when on all is held', async () => {
    const ground = await topology.prepare();
    const deployment = await topology.start(ground, { GRIDPOST_ATTEMPT_LOG_BYTES_MAX: '65536' });
    const sink = await startSink();
    sink.reply(({ event }) => ({ status: event.attributes.type === 'bad' ? 400 : 200 }));
    const { api } = deployment;
    await api.putTopic('small');
    await api.putSubscription('small', 'hook', { url: sink.url('/hook') });
    const first = eventOf({ id: 'the first' });
    await api.accept('small', first);
    await traced(api, 'small', 'the first', { hook: 'Delivered' });
    const bad = Array.from({ length: 8 }, (_, index) => eventOf({ id: `bad ${index}`, type: 'bad' }));
    for (const event of bad) await api.accept('small', event);
    for (const { id } of bad) await traced(api, 'small', id as string, { hook: 'DeadLettered' });
    await until(
      'the first success is let go of',
      async () => {
        const batch = Array.from({ length: 100 }, () => eventOf());
        await api.publishBatch('small', batch);
        return (await livesOf(api, 'small', 'the first')).value.length === 0;
      },
      { everyMs: 50 },
    );
    const { heldFrom } = await livesOf(api, 'small', 'the first');
    expect(heldFrom.failures).toBeNull();
    expect(Date.parse(heldFrom.successes!)).toBeLessThanOrEqual(Date.now());
    for (const { id } of bad) await traced(api, 'small', id as string, { hook: 'DeadLettered' });
    await deployment.stop();
  }, 180_000);
});
