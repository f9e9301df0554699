/**
 * What one subscription's trouble costs the others: a slow endpoint with a long backlog (F18), an endpoint that comes
 * back to one (F31), and half of all endpoints failing (F32). The latency of healthy subscriptions is compared with that of
 * a second deployment where nothing fails; as in `isolation.test.ts` the short runs share their machine, and allow more. A
 * fault that did not strike fails the test.
 */
import { describe, expect, test } from '@jest/globals';
import { type Api, eventOf, expectStatus } from '../support/api.js';
import { areShared, type Deployment, embedded, redis, type Topology } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { type Sink, startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';
import { expectHeld, latency } from './latency.js';
import { thorough } from './load.js';

const backlog = thorough ? 100_000 : 4_000;
const failing = thorough ? 500 : 20;
const healthy = thorough ? 500 : 20;
const topic = 'shared';
const timeoutMs = thorough ? 900_000 : 240_000;

interface Scene {
  readonly deployment: Deployment;
  readonly api: Api;
  readonly sink: Sink;
}

async function setup(topology: Topology): Promise<Scene> {
  const deployment = await topology.start();
  const { api, workers } = deployment;
  // While one is handed over, attempts of both owners are under way.
  await until('partitions are shared evenly', () => areShared(workers));
  const sink = await startSink();
  await api.putTopic(topic);
  for (let i = 0; i < healthy; i++)
    await api.putSubscription(topic, `healthy-${i}`, {
      url: sink.url(`/healthy/${i}`),
      filter: { includedEventTypes: [`healthy.${i}`] },
    });
  return { deployment, api, sink };
}

async function end({ deployment, sink }: Scene): Promise<void> {
  await deployment.kill();
  await sink.close();
}

/** Publishes events of a type, many at once. */
async function publishMany(api: Api, type: string, count: number): Promise<void> {
  const most = 1_000;
  for (let sent = 0; sent < count; sent += most) {
    const events = Array.from({ length: Math.min(most, count - sent) }, () => eventOf({ type }));
    expectStatus(await api.publishBatch(topic, events), 200);
  }
}

/** Resolves when nearly all of the backlog has been deferred. */
const untilDeferred = (deployment: Deployment, subscription: string): Promise<true> =>
  until(
    'a backlog',
    async () =>
      (await deployment.metric('gridpost_deliveries_deferred_total', { subscription })) >= backlog * 0.9 &&
      true,
    { withinMs: 120_000, everyMs: 200 },
  );

const latencyIn = (scene: Scene): Promise<number> =>
  latency(scene, topic, (number) => `healthy.${number % healthy}`);

/** Compares with what is healthy in another deployment. */
const expectFair = (name: string, scene: Scene, calm: Scene): Promise<void> =>
  expectHeld(
    `fairness, ${name}`,
    () => latencyIn(scene),
    () => latencyIn(calm),
  );

function describeFairness(topology: Topology): void {
  test(
    'a slow endpoint with a long backlog does not slow the others',
    async () => {
      const [scene, calm] = await Promise.all([setup(topology), setup(topology)]);
      const { api, sink, deployment } = scene;
      let open = 0;
      let most = 0;
      sink.reply(async ({ path }) => {
        if (path !== '/slow') return { status: 200 };
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 29_000).unref());
        open--;
        return { status: 200 };
      });
      await api.putSubscription(topic, 'slow', {
        url: sink.url('/slow'),
        filter: { includedEventTypes: ['slow'] },
      });
      await publishMany(api, 'slow', backlog);
      await untilDeferred(deployment, 'slow');
      await until('attempts are under way', () => open > 0);
      await expectFair(`slow with ${backlog} deferred, ${topology.name}`, scene, calm);
      // All that began together have just ended together, or are under way.
      await until('attempts are under way still', () => open > 0);
      expect(most).toBeLessThanOrEqual(64);
      await Promise.all([end(scene), end(calm)]);
    },
    timeoutMs,
  );

  test(
    'an endpoint that comes back to a long backlog gets it evenly, and no more at once than its limit',
    async () => {
      const [scene, calm] = await Promise.all([setup(topology), setup(topology)]);
      const { api, sink, deployment } = scene;
      // Short runs are slow, so that they take some seconds.
      const answerMs = thorough ? 20 : 100;
      let up = false;
      let open = 0;
      let most = 0;
      const taken: number[] = [];
      sink.reply(async ({ path }) => {
        if (path !== '/back') return { status: 200 };
        if (!up) return 'reset';
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, answerMs));
        open--;
        taken.push(performance.now());
        return { status: 200 };
      });
      await api.putSubscription(topic, 'back', {
        url: sink.url('/back'),
        filter: { includedEventTypes: ['back'] },
        properties: { probation: { maxProbeIntervalInSeconds: 5 } },
      });
      await publishMany(api, 'back', backlog);
      await untilDeferred(deployment, 'back');
      const refused = sink.on('/back').length;
      expect(refused).toBeGreaterThan(0);
      // Held back, it is not asked for every event.
      expect(refused).toBeLessThan(backlog / 2);
      up = true;
      await until('the first is taken', () => taken.length > 0, { withinMs: 200_000 });
      await Promise.all([
        expectFair(`back to ${backlog}, ${topology.name}`, scene, calm),
        until('everything is taken', () => taken.length >= backlog, { withinMs: 400_000, everyMs: 200 }),
      ]);
      const bins = new Map<number, number>();
      for (const at of taken) {
        const bin = Math.floor((at - taken[0]!) / 1_000);
        bins.set(bin, (bins.get(bin) ?? 0) + 1);
      }
      const seconds = Math.max(...bins.keys()) + 1;
      const mean = taken.length / seconds;
      process.stderr.write(
        `fairness: back, ${topology.name}: ${taken.length} in ${seconds} s, most in a second ${Math.max(...bins.values())}, at once ${most}\n`,
      );
      // Beside other work some seconds of these few are the machine's; how it begins is looked at in `e2e/health.test.ts`.
      if (thorough) expect(Math.max(...bins.values())).toBeLessThanOrEqual(3 * mean);
      expect(most).toBeLessThanOrEqual(64);
      await Promise.all([end(scene), end(calm)]);
    },
    timeoutMs,
  );

  test(
    'half of all endpoints failing costs the others little, and few of the requests are retries',
    async () => {
      const [scene, calm] = await Promise.all([setup(topology), setup(topology)]);
      const { sink } = scene;
      sink.reply(({ path }) => ({ status: path.startsWith('/failing') ? 500 : 200 }));
      // In the other deployment these do not fail.
      for (const each of [scene, calm])
        for (let i = 0; i < failing; i++)
          await each.api.putSubscription(topic, `failing-${i}`, {
            url: each.sink.url(`/failing/${i}`),
            filter: { includedEventTypes: [`healthy.${i % healthy}`] },
            // As much of a storm as a policy can ask for.
            properties: { retryPolicy: { delaysInSeconds: [0.1] } },
          });
      await expectFair(`${failing} failing, ${topology.name}`, scene, calm);
      const { length: requests } = sink.receipts;
      const retries = sink.receipts.filter(({ repetition }) => repetition > 0).length;
      process.stderr.write(
        `fairness: failing, ${topology.name}: ${retries} retries of ${requests} requests\n`,
      );
      expect(retries).toBeGreaterThan(0);
      expect(retries).toBeLessThan(requests / 2);
      await Promise.all([end(scene), end(calm)]);
    },
    timeoutMs,
  );
}

describe('fair shares, embedded', () => describeFairness(embedded));
describeWithRedis('fair shares, redis', () => describeFairness(redis));
