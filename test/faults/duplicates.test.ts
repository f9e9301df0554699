/**
 * Publishers that send each event to every gateway until it is accepted, over gateways that are killed: a topic with
 * duplicate detection has stored each event once. What was stored twice would be delivered under two message ids.
 */
import { expect, test } from '@jest/globals';
import { eventOf } from '../support/api.js';
import { describeTopologies } from '../support/deployment.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { startSink } from '../support/sink.js';
import { pause, until } from '../support/waiting.js';
import { kills } from './load.js';

const topic = 'once';
const publishersCount = 16;
/** Events accepted between two kills. */
const spacing = 100;

describeTopologies('duplicate detection', (topology) => {
  test(
    'stores every event once that is published until it is accepted, while gateways are killed',
    async () => {
      const ground = await topology.prepare();
      const shared = ground.processes.length > 1;
      const processes = shared ? (['gateway', 'gateway', 'delivery'] as const) : ground.processes;
      const deployment = await topology.start({ ...ground, processes });
      const sink = await startSink();
      await deployment.api.putTopic(topic, { duplicateDetection: {} });
      await deployment.api.putSubscription(topic, 'all', { url: sink.url('/all') });

      let unanswered = 0;
      let duplicates = 0;
      const publish = async (url: string, id: string): Promise<void> => {
        for (;;) {
          const answer = await deployment.apis
            .find((api) => api.url === url)!
            .publish(topic, eventOf({ id }))
            .catch(() => undefined);
          if (answer?.status === 200) {
            duplicates += Number(answer.headers['gridpost-duplicates'] ?? 0);
            return;
          }
          expect(answer === undefined || answer.status === 503).toBe(true);
          unanswered++;
          await pause(20);
        }
      };

      const accepted = new Set<string>();
      let running = true;
      const publishers = Array.from({ length: publishersCount }, async (_, publisher) => {
        for (let number = 0; running; number++) {
          const id = `${publisher}-${number}`;
          await Promise.all(deployment.apis.map(({ url }) => publish(url, id)));
          accepted.add(id);
        }
      });
      const servers: ServerProcess[] = [...deployment.gateways];
      for (let kill = 0; kill < kills; kill++) {
        const before = accepted.size;
        await until('publishing goes on', () => accepted.size > before + spacing);
        const victim = servers[kill % servers.length]!;
        victim.kill();
        await victim.exited;
        const settings = { ...victim.settings, GRIDPOST_PORT: String(victim.port) };
        servers[kill % servers.length] = await startServer(settings);
      }
      running = false;
      await Promise.all(publishers);

      const ids = new Map<string, Set<string>>();
      await until(
        'everything is delivered',
        () => {
          ids.clear();
          for (const { event, headers } of sink.on('/all')) {
            const id = String(event.attributes.id);
            ids.set(id, (ids.get(id) ?? new Set()).add(String(headers['webhook-id'])));
          }
          return ids.size >= accepted.size;
        },
        { withinMs: 60_000 },
      );
      expect([...ids.keys()].toSorted()).toEqual([...accepted].toSorted());
      expect([...ids].filter(([, messages]) => messages.size > 1)).toEqual([]);
      // The fault struck, and there was something to detect.
      expect(unanswered).toBeGreaterThan(0);
      if (shared) expect(duplicates).toBeGreaterThanOrEqual(accepted.size);
      for (const server of servers) await server.stop();
      for (const worker of deployment.workers) await worker.stop();
      await ground.close();
    },
    120_000 + kills * 40_000,
  );
});

describeTopologies('duplicate detection', (topology) => {
  test('stores one of a hundred that are published at the same time', async () => {
    const deployment = await topology.start();
    const sink = await startSink();
    await deployment.api.putTopic(topic, { duplicateDetection: { windowInMinutes: 1 } });
    await deployment.api.putSubscription(topic, 'all', { url: sink.url('/all') });
    const { apis } = deployment;
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, at) => apis[at % apis.length]!.publish(topic, eventOf({ id: 'same' }))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200));
    expect(answers.filter(({ headers }) => headers['gridpost-duplicates'] === undefined)).toHaveLength(1);
    await deployment.api.publish(topic, eventOf({ id: 'last' }));
    await sink.received('/all', 2);
    expect(
      sink
        .on('/all')
        .map(({ event }) => event.attributes.id)
        .toSorted(),
    ).toEqual(['last', 'same']);
    expect(await deployment.metric('gridpost_events_published_total', { topic, outcome: 'duplicate' })).toBe(
      99,
    );
    await deployment.stop();
  });
});
