/**
 * Two hundred subscriptions, half of them dead: some refuse connections, some never answer. The healthy half must not
 * notice. Latency is compared in pairs of runs that follow each other, with and without the dead; `npm run faults`
 * takes the median of five pairs against the promised factor. The short version shares its machine with other tests,
 * and a p99 of a few seconds is one stall of it: there, one pair of at most five within a generous factor is enough. Dead
 * subscriptions that held up healthy ones would show in each.
 */
import { Agent } from 'node:http';
import { expect, test } from '@jest/globals';
import { eventOf, publishPath } from '../support/api.js';
import { quantile } from '../support/checker.js';
import { embedded } from '../support/deployment.js';
import { call } from '../support/http.js';
import { startSink } from '../support/sink.js';
import { thorough } from './load.js';

const pairs = 5;
const runSeconds = thorough ? 10 : 4;
/** What is promised is twice. */
const factorMax = thorough ? 2 : 4;
/** Below this, in milliseconds, a ratio says more about the scheduler than about the router. */
const floorMs = 10;
const half = 100;
const eventsPerSecond = 200;

/** One run; the healthy deliveries' latencies from before the publish request to the receipt, ascending. */
async function run(withDead: boolean): Promise<number[]> {
  const deployment = await embedded.start();
  const { api } = deployment;
  const sink = await startSink();
  sink.reply(({ path }) => (path.startsWith('/healthy') ? { status: 200 } : 'silence'));
  await api.putTopic('shared');
  for (let i = 0; i < half; i++) {
    const filter = { includedEventTypes: [`type.${i}`] };
    await api.putSubscription('shared', `healthy-${i}`, { url: sink.url(`/healthy/${i}`), filter });
    if (!withDead) continue;
    const url = i % 2 === 0 ? 'http://127.0.0.1:1/' : sink.url(`/dead/${i}`);
    await api.putSubscription('shared', `dead-${i}`, { url, filter });
  }
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  sink.onReceipt(({ path, event, at }) => {
    if (path.startsWith('/healthy')) latencies.push(at - sentAt.get(String(event.attributes.id))!);
  });
  const agent = new Agent({ keepAlive: true });
  const flights: Promise<unknown>[] = [];
  const count = eventsPerSecond * runSeconds;
  await new Promise<void>((resolve) => {
    const ticking = setInterval(() => {
      const number = flights.length;
      const event = eventOf({ type: `type.${number % half}` });
      sentAt.set(String(event.id), performance.now());
      flights.push(
        call(api.url + publishPath('shared'), {
          method: 'POST',
          headers: { 'content-type': 'application/cloudevents+json' },
          body: JSON.stringify(event),
          agent,
        }),
      );
      if (flights.length < count) return;
      clearInterval(ticking);
      resolve();
    }, 1_000 / eventsPerSecond);
  });
  await Promise.all(flights);
  await sink.received(({ path }) => path.startsWith('/healthy'), count);
  for (const server of deployment.servers) server.kill();
  agent.destroy();
  await sink.close();
  return latencies.sort((a, b) => a - b);
}

test(
  'a hundred dead subscriptions do not slow a hundred healthy ones',
  async () => {
    const ratios: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const alone = quantile(await run(false), 0.99);
      const amongDead = quantile(await run(true), 0.99);
      ratios.push(Math.max(amongDead, floorMs) / Math.max(alone, floorMs));
      process.stderr.write(
        `isolation: p99 of healthy deliveries ${alone.toFixed(1)} ms alone, ${amongDead.toFixed(1)} ms among dead ones\n`,
      );
      if (!thorough && ratios[pair]! <= factorMax) return;
    }
    const ascending = ratios.sort((a, b) => a - b);
    expect(ascending[thorough ? Math.floor(pairs / 2) : 0]).toBeLessThanOrEqual(factorMax);
  },
  60_000 + pairs * 2 * (runSeconds + 20) * 1_000,
);
