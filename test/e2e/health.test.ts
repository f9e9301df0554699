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
  }, 120_000);
  afterAll(() => deployment?.stop());
  beforeEach(async () => {
    topic = `h-${++topics}`;
    await deployment.api.putTopic(topic);
    await deployment.api.putSubscription(topic, 'hook', {
      url: sink.url(`/${topic}`),
      properties: { probation },
    });
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
  const backlog = (): Promise<number> =>
    deployment.metric('gridpost_subscription_backlog_events', { topic, subscription: 'hook' });
  const received = (): number => new Set(sink.on(`/${topic}`).map(({ event }) => event.attributes.id)).size;

  /** Until the endpoint is held back and all attempts begun before are over. */
  async function goDown(): Promise<void> {
    sink.reply({ status: 500 });
    // In several entries, so that every worker has some.
    for (let i = 0; i < 16; i++) await publish(2);
    await until('it is held back', async () => (await state()) === 'Probation');
    await until(
      'nothing is attempted',
      async () => (await deployment.metric('gridpost_attempts_in_flight')) === 0,
    );
  }

  test('one probe at a time over all workers and a restart; what has waited follows at a pace that grows', async () => {
    const waiting = 2_000;
    await goDown();
    for (let sent = 0; sent < waiting; sent += 50) await publish(50);
    const before = sink.on(`/${topic}`).length;
    await until('two probes were made', () => sink.on(`/${topic}`).length >= before + 2, {
      withinMs: 20_000,
    });
    await deployment.stopServers();
    const down = sink.on(`/${topic}`).length;
    deployment = await topology.start(ground);
    const { health } = (await shown()).properties;
    expect(health).toMatchObject({ state: 'Probation', failures: { ServerError: expect.any(Number) } });
    await until('two more were made', () => sink.on(`/${topic}`).length >= down + 2, { withinMs: 30_000 });
    const probes = sink.on(`/${topic}`).slice(before);
    const gaps = probes.slice(1).map(({ at }, i) => at - probes[i]!.at);
    expect(gaps.filter((gap) => gap < closestMs)).toEqual([]);

    sink.reply({ status: 200, afterMs: 20 });
    const already = sink.on(`/${topic}`).length;
    await until('everything is delivered', () => received() === 32 + waiting, { withinMs: 40_000 });
    await until('it is healthy', async () => (await state()) === 'Healthy');
    const drained = sink.on(`/${topic}`).slice(already);
    const [first] = drained;
    const bins: number[] = [];
    for (const { at } of drained) {
      const bin = Math.floor((at - first!.at) / 1_000);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const mean = drained.length / bins.length;
    expect(Math.max(...bins)).toBeLessThanOrEqual(3 * mean);
    // One attempt of 20 ms at a time and worker for half a second, two of each until the second is over, and some slack.
    expect(bins[0]).toBeLessThanOrEqual(deployment.workers.length * 100);
    expect(Math.max(...bins)).toBeGreaterThan(2 * bins[0]!);
  }, 180_000);

  test('a reset has events follow at once', async () => {
    await goDown();
    await publish(50);
    sink.reply({ status: 200 });
    const { properties } = await operate('reset');
    expect(properties.health).toEqual({ state: 'Healthy' });
    await until('everything is delivered', () => received() === 82, { withinMs: 10_000 });
    expect(await state()).toBe('Healthy');
  }, 60_000);

  test('what one worker was asked for with Retry-After all keep to, over a restart, until a reset', async () => {
    sink.reply({ status: 503, headers: { 'retry-after': '240' } });
    await publish(1);
    await until('it is noted', async () => (await shown()).properties.health.retryAfter !== undefined);
    sink.reply({ status: 200 });
    const { health } = (await shown()).properties;
    expect(health).toMatchObject({ state: 'Healthy', retryAfter: { status: 503 } });
    // An event is matched only by what was written before it, so each worker knows by then.
    for (let i = 0; i < 16; i++) await publish(2);
    await until('all of them wait', async () => (await backlog()) === 33, { withinMs: 25_000 });
    await deployment.stopServers();
    deployment = await topology.start(ground);
    await publish(2);
    await until('these wait as well', async () => (await backlog()) === 35, { withinMs: 25_000 });
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
    await until('everything is delivered', () => received() === 35, { withinMs: 10_000 });
  }, 120_000);

  test('a paused subscription gets nothing until it is resumed, and says so', async () => {
    sink.reply({ status: 200 });
    await publish(1);
    await until('it is delivered', () => received() === 1);
    expect((await operate('pause')).properties.status).toMatchObject({ state: 'Paused' });
    // What was answered is kept to from two seconds on.
    await pause(2_000);
    for (let i = 0; i < 16; i++) await publish(5);
    await until('all of them wait', async () => (await backlog()) === 80, { withinMs: 25_000 });
    expect(received()).toBe(1);
    const explained = await deployment.api.send('POST', `${subscriptionPath(topic, 'hook')}:explain`, {
      event: eventOf(),
    });
    expect(explained.json<{ obstacles: object[] }>().obstacles).toMatchObject([{ kind: 'Paused' }]);
    expect((await operate('resume')).properties.status).toEqual({ state: 'Active' });
    await until('everything is delivered', () => received() === 81, { withinMs: 10_000 });
  }, 60_000);
});
