/**
 * Workers come and go, each in good order, while subscriptions are made whose events fail at first: what waits for a retry
 * changes hands before its next owner can know whose it is.
 */
import { expect, test } from '@jest/globals';
import { eventOf } from '../support/api.js';
import { areShared, metricOf, redis } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';
import { kills } from './load.js';

const topic = 'hands';
/** Several entries, so that every partition gets some. */
const entries = 16;
/** With so many an endpoint begins. Every other one is held back for them, if one worker sees most of them. */
const failures = 5;

describeWithRedis('partitions that change hands', () => {
  test(
    'lose nothing of subscriptions that are made meanwhile',
    async () => {
      const deployment = await redis.start();
      const { api, ground } = deployment;
      const sink = await startSink();
      const accepted: string[] = [];
      const delivered = new Set<string>();
      const requests = new Map<string, number>();
      sink.reply(({ path, event }) => {
        const number = (requests.get(path) ?? 0) + 1;
        requests.set(path, number);
        if (number <= failures) return { status: 500 };
        delivered.add(`${path} ${event.attributes.id}`);
        return { status: 200 };
      });
      await api.putTopic(topic);
      const workers: ServerProcess[] = [...deployment.workers];
      let made = 0;

      async function subscribeAndPublish(): Promise<void> {
        const type = `sub-${++made}`;
        await api.putSubscription(topic, type, {
          url: sink.url(`/${type}`),
          filter: { includedEventTypes: [type] },
          properties: {
            retryPolicy: { delaysInSeconds: [0.1] },
            probation: { maxFailures: (made % 2) * (failures - 2), maxProbeIntervalInSeconds: 5 },
          },
        });
        for (let i = 0; i < entries; i++) {
          const event = eventOf({ type });
          await api.accept(topic, event);
          accepted.push(`/${type} ${event.id}`);
        }
      }
      async function publishUntilShared(): Promise<void> {
        do await subscribeAndPublish();
        while (!(await areShared(workers)));
      }

      await until('partitions are shared', () => areShared(workers));
      for (let round = 0; round < kills; round++) {
        workers.push(await startServer({ ...ground.settings, GRIDPOST_ROLES: 'delivery' }));
        await publishUntilShared();
        const stopping = workers.shift()!.stop();
        await publishUntilShared();
        expect((await stopping).code).toBe(0);
      }
      await until('everything is delivered', () => accepted.every((each) => delivered.has(each)));
      process.stderr.write(`fault: changing hands: ${accepted.length} of ${made} subscriptions\n`);
      expect(await metricOf(workers, 'gridpost_dropped_events_total')).toBe(0);
      await Promise.all(workers.map((worker) => worker.stop()));
      await deployment.stop();
    },
    120_000 + kills * 30_000,
  );
});
