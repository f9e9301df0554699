/** What publishers are told while the store cannot be reached or is full, and that it passes by itself. */
import { describe, expect, test } from '@jest/globals';
import { publishingWithinMs } from '../faults/load.js';
import { eventOf, expectStatus } from '../support/api.js';
import { deploy, embedded, type Ground } from '../support/deployment.js';
import type { Answer } from '../support/http.js';
import { describeWithRedis, startOwnRedis } from '../support/redis.js';
import { startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

/**
 * The store's command timeout, and what a busy machine may add to it: a gateway that does not get its turns counts them as
 * its own pauses. Without the timeout it would be the test's own, of a minute.
 */
const answerWithinMs = 2_000 + 10_000;

async function timed(request: Promise<Answer>): Promise<Answer & { elapsedMs: number }> {
  const began = performance.now();
  const answer = await request;
  return { ...answer, elapsedMs: performance.now() - began };
}

describeWithRedis('a Redis that cannot be reached', () => {
  test.each(['frozen', 'killed'] as const)(
    'when it is %s: 503 in time, and everything goes on when it is back',
    async (how) => {
      const redis = await startOwnRedis();
      const { api, servers } = await deploy({
        settings: { GRIDPOST_STORE: redis.url },
        processes: ['gateway', 'delivery'],
        close: () => redis.stop(),
      });
      const sink = await startSink();
      await api.putTopic('reached');
      await api.putSubscription('reached', 'hook', { url: sink.url('/hook') });
      await api.accept('reached', eventOf({ id: 'before' }));
      await sink.received('/hook');

      if (how === 'frozen') await redis.kill('SIGSTOP');
      else await redis.kill();
      for (let i = 0; i < 3; i++) {
        const { status, headers, elapsedMs } = await timed(
          api.publish('reached', eventOf({ id: `during-${i}` })),
        );
        expect(status).toBe(503);
        expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
        expect(elapsedMs).toBeLessThan(answerWithinMs);
      }
      expect((await api.send('GET', '/livez')).status).toBe(200);
      expect((await api.send('GET', '/readyz')).status).toBe(503);

      if (how === 'frozen') await redis.kill('SIGCONT');
      else await redis.restart();
      const backAt = performance.now();
      await until(
        'publishing goes on',
        async () => (await api.publish('reached', eventOf({ id: 'after' }))).status === 200,
      );
      expect(performance.now() - backAt).toBeLessThan(publishingWithinMs);
      await sink.received(({ event }) => event.attributes.id === 'after');
      await until('readiness is back', async () => (await api.send('GET', '/readyz')).status === 200);
      // A frozen Redis may carry out what it had been sent: unknown, and said so. A dead one stored nothing.
      if (how === 'killed')
        expect(
          sink.receipts
            .map(({ event }) => event.attributes.id)
            .filter((id) => String(id).startsWith('during')),
        ).toEqual([]);
      for (const server of servers) expect((await server.stop()).code).toBe(0);
    },
    90_000,
  );
});

describe('a store that is full', () => {
  const mebibyte = 1_048_576;

  async function fill(ground: Ground) {
    const { api, ...deployment } = await deploy(ground, {
      GRIDPOST_STORE_BYTES_MAX: String(16 * mebibyte),
      GRIDPOST_SUBSCRIPTION_SHARE: '1',
    });
    const sink = await startSink();
    sink.reply({ status: 400 });
    await api.putTopic('full');
    await api.putSubscription('full', 'hook', { url: sink.url('/hook') });
    const filler = 'x'.repeat(200_000);
    let accepted = 0;
    const refusal = await until(
      'the store is full',
      async () => {
        const answer = await api.publish('full', eventOf({ id: `f-${accepted}`, data: filler }));
        if (answer.status !== 200) return answer;
        accepted++;
        return false;
      },
      { everyMs: 0 },
    );
    return { api, deployment, sink, accepted, refusal };
  }

  test('refuses publishers, goes on settling, and takes events again when there is room', async () => {
    const { api, deployment, sink, accepted, refusal } = await fill(await embedded.prepare());
    expect(refusal.status).toBe(503);
    expect(refusal.body.toString()).toContain('StoreFull');
    expect(Number(refusal.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(accepted).toBeGreaterThan(20);
    // Every accepted event was settled although the store was full: attempted, and kept or dropped with its reason.
    await sink.received('/hook', accepted);
    await until('all are settled', async () => {
      const held = await deployment.metric('gridpost_deadlettered_events_total', { topic: 'full' });
      return held >= accepted;
    });

    sink.reply({ status: 200 });
    expectStatus(await api.redrive('full', 'hook'), 200, 202);
    await until(
      'publishing goes on',
      async () => (await api.publish('full', eventOf({ id: 'after' }))).status === 200,
    );
    await sink.received(({ event }) => event.attributes.id === 'after');
    await deployment.stop();
  });
});

test('while the process drains, publishers are told so or cut off, and nobody is told 200 for nothing', async () => {
  const ground = await embedded.prepare();
  const first = await deploy(ground);
  const sink = await startSink();
  sink.reply({ status: 200, afterMs: 500 });
  await first.api.putTopic('draining');
  await first.api.putSubscription('draining', 'hook', { url: sink.url('/hook') });
  await first.api.accept('draining', eventOf({ id: 'in-flight' }));
  await sink.received('/hook');
  const stopping = first.stopServers();
  let told200 = 0;
  for (let i = 0; i < 20; i++) {
    const answer = await first.api.publish('draining', eventOf({ id: `late-${i}` })).catch(() => undefined);
    if (answer?.status === 200) told200++;
    else if (answer)
      expect([answer.status, answer.body.toString()]).toEqual([503, expect.stringContaining('Draining')]);
  }
  await stopping;
  const again = await deploy(ground);
  await again.api.accept('draining', eventOf({ id: 'marker' }));
  await sink.received(({ event }) => event.attributes.id === 'marker');
  const late = await sink.received(({ event }) => String(event.attributes.id).startsWith('late'), told200);
  expect(late).toHaveLength(told200);
});
