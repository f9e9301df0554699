/**
 * An endpoint that goes down and comes back, on every topology, with as many workers as it has: held back, probed by one of
 * them at a time, over a restart as well, and given what has waited at a pace that grows. One that asks to be left alone is,
 * by all of them. And what operators can do.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { eventOf, expectStatus, subscriptionPath } from '../support/api.js';
import { type Deployment, describeStores, type Ground } from '../support/deployment.js';
import { type Sink, startSink } from '../support/sink.js';
import { pause, until } from '../support/waiting.js';

interface Shown {
  readonly etag: string;
  readonly properties: {
    readonly status: { readonly state: string };
    readonly health: {
      readonly state: string;
      readonly since?: string;
      readonly heldBackUntil?: string;
      readonly failures?: Readonly<Record<string, number>>;
      readonly retryAfter?: { readonly until: string; readonly status: number };
    };
  };
}

/** Probes are 5 s apart from the second on, up to a fifth sooner. */
const probation = { maxFailures: 5, maxProbeIntervalInSeconds: 5 };
const closestMs = 3_900;
/** A step of the ramp takes 500 ms, by a pace that each worker has of its own up to a fifth less (docs/health.md). */
const shortestStepMs = 400;

describeStores('endpoint health', (topology) => {
  let ground: Ground;
  let deployment: Deployment;
  let sink: Sink;
  let topic: string;
  let topics = 0;

  beforeAll(async () => {
    ground = await topology.prepare();
    deployment = await topology.start(ground);
    sink = await startSink();
  });
  afterAll(() => deployment?.stop());
  beforeEach(async () => {
    topic = `h-${++topics}`;
    await deployment.api.putTopic(topic);
    await subscribe();
  });

  const subscribe = (properties: object = {}): Promise<void> =>
    deployment.api.putSubscription(topic, 'hook', {
      url: sink.url(`/${topic}`),
      properties: { probation, ...properties },
    });
  const shown = async (): Promise<Shown> =>
    (await deployment.api.send('GET', subscriptionPath(topic, 'hook'))).json<Shown>();
  const state = async (): Promise<string> => (await shown()).properties.health.state;
  const operate = async (operation: string): Promise<Shown> => {
    const answer = await deployment.api.send('POST', `${subscriptionPath(topic, 'hook')}:${operation}`);
    expectStatus(answer, 200);
    return answer.json<Shown>();
  };
  const events = (count: number): unknown[] => Array.from({ length: count }, () => eventOf());
  const publish = async (count: number): Promise<void> =>
    expectStatus(await deployment.api.publishBatch(topic, events(count)), 200);
  const received = (): number => new Set(sink.on(`/${topic}`).map(({ event }) => event.attributes.id)).size;

  /** Deliveries that wait; those of a process are counted from its start. */
  const deferred = (count: number, labels: object = {}): Promise<void> =>
    deployment.counted('gridpost_deliveries_deferred_total', count, { topic, ...labels });
  /**
   * Until every worker knows of what is shown. It is shown a moment before; but whatever is written and answered after it is
   * known to nobody who does not know it as well.
   */
  const known = (): Promise<void> => deployment.api.putTopic(topic);

  /** Until every worker holds the endpoint back and all attempts begun before are over. */
  async function goDown(): Promise<void> {
    sink.reply({ status: 500 });
    // In several entries, so that every worker has some.
    for (let i = 0; i < 16; i++) await publish(2);
    await until('it is held back', async () => (await state()) === 'Probation');
    await known();
    await until(
      'nothing is attempted',
      async () => (await deployment.metric('gridpost_attempts_in_flight')) === 0,
    );
  }

  test('one probe at a time over all workers and a restart; what has waited follows at a pace that grows', async () => {
    const waiting = 2_000;
    await goDown();
    for (let sent = 0; sent < waiting; sent += 50) await publish(50);
    const probes = sink.on(`/${topic}`).length;
    await until('two probes were made', () => sink.on(`/${topic}`).length >= probes + 2);
    await deployment.stopServers();
    const before = sink.on(`/${topic}`).length;
    deployment = await topology.start(ground);
    const { health } = (await shown()).properties;
    expect(health).toMatchObject({ state: 'Probation', failures: { ServerError: expect.any(Number) } });
    await until('one more was made', () => sink.on(`/${topic}`).length > before);

    let open = 0;
    const openAt: { readonly at: number; readonly open: number }[] = [];
    sink.reply(async ({ at }) => {
      openAt.push({ at, open: ++open });
      await pause(50);
      open--;
      return { status: 200 };
    });
    await until('everything is delivered', () => received() === 32 + waiting);
    await until('it is healthy', async () => (await state()) === 'Healthy');
    const [working] = openAt;
    const apart = sink
      .on(`/${topic}`)
      .slice(probes)
      .filter(({ at }) => at <= working!.at)
      .map(({ at }, i, all) => at - (all[i - 1]?.at ?? Number.NEGATIVE_INFINITY));
    expect(apart.length).toBeGreaterThanOrEqual(4);
    expect(apart.filter((ms) => ms < closestMs)).toEqual([]);
    // One at a time and worker after the probe, and twice as many with each step. What a busy machine receives late was
    // sent when fewer were allowed.
    const allowed = (at: number): number =>
      deployment.workers.length * 2 ** Math.floor((at - working!.at) / shortestStepMs);
    expect(openAt.filter(({ at, open }) => open > allowed(at))).toEqual([]);
    expect(Math.max(...openAt.map(({ open }) => open))).toBeGreaterThan(4 * deployment.workers.length);
  }, 180_000);

  test('a reset has events follow at once', async () => {
    // What has failed would by itself come again in ten minutes.
    await subscribe({ retryPolicy: { delaysInSeconds: [600] } });
    await goDown();
    await publish(50);
    sink.reply({ status: 200 });
    const { properties } = await operate('reset');
    expect(properties.health).toEqual({ state: 'Healthy' });
    await until('everything is delivered', () => received() === 82);
    expect(await state()).toBe('Healthy');
  });

  test('what one worker was asked for with Retry-After all keep to, over a restart, until a reset', async () => {
    sink.reply({ status: 503, headers: { 'retry-after': '240' } });
    await publish(1);
    await until('it is noted', async () => (await shown()).properties.health.retryAfter !== undefined);
    sink.reply({ status: 200 });
    const { health } = (await shown()).properties;
    expect(health).toMatchObject({ state: 'Healthy', retryAfter: { status: 503 } });
    await known();
    for (let i = 0; i < 16; i++) await publish(2);
    await deferred(33);
    await deployment.stopServers();
    deployment = await topology.start(ground);
    await publish(2);
    await deferred(2);
    expect(sink.on(`/${topic}`)).toHaveLength(1);
    expect((await shown()).properties.health).toEqual(health);
    const explained = await deployment.api.send('POST', `${subscriptionPath(topic, 'hook')}:explain`, {
      event: eventOf(),
    });
    const { until: leftAloneUntil } = health.retryAfter!;
    expect(explained.json<{ obstacles: object[] }>().obstacles).toMatchObject([
      { kind: 'RetryAfter', until: leftAloneUntil },
    ]);
    expect((await operate('reset')).properties.health).toEqual({ state: 'Healthy' });
    await until('everything is delivered', () => received() === 35);
  });

  test('a paused subscription gets nothing until it is resumed, and says so', async () => {
    sink.reply({ status: 200 });
    await publish(1);
    await until('it is delivered', () => received() === 1);
    expect((await operate('pause')).properties.status).toMatchObject({ state: 'Paused' });
    // What was answered is kept to from two seconds on.
    await pause(2_000);
    for (let i = 0; i < 16; i++) await publish(5);
    await deferred(80, { reason: 'paused' });
    expect(received()).toBe(1);
    const explained = await deployment.api.send('POST', `${subscriptionPath(topic, 'hook')}:explain`, {
      event: eventOf(),
    });
    expect(explained.json<{ obstacles: object[] }>().obstacles).toMatchObject([{ kind: 'Paused' }]);
    expect((await operate('resume')).properties.status).toEqual({ state: 'Active' });
    await until('everything is delivered', () => received() === 81);
  });
});
