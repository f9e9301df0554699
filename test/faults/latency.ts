/** The latency of healthy subscriptions under a light, steady load, and what is allowed of it while others are in trouble. */
import { Agent } from 'node:http';
import { type Api, eventOf, expectStatus, publishPath } from '../support/api.js';
import { quantile } from '../support/checker.js';
import { type Answer, call } from '../support/http.js';
import type { Sink } from '../support/sink.js';
import { until } from '../support/waiting.js';
import { thorough } from './load.js';

/** What is promised is twice. The short runs share their machine. */
export const factorMax = thorough ? 2 : 4;
/** Below this, in milliseconds, a ratio says more about the scheduler than about the router. */
const floorMs = 10;
export const runSeconds = thorough ? 10 : 4;
const eventsPerSecond = 200;

/**
 * p99 in milliseconds from before the publish request to the receipt, of one run. `typeOf`: the type of an event by its
 * number, each for one subscription whose endpoint's path begins with `/healthy`.
 */
export async function latency(
  { api, sink }: { readonly api: Api; readonly sink: Sink },
  topic: string,
  typeOf: (number: number) => string,
): Promise<number> {
  const sentAt = new Map<string, number>();
  const latencies: number[] = [];
  sink.onReceipt(({ path, event, at }) => {
    const began = path.startsWith('/healthy') ? sentAt.get(String(event.attributes.id)) : undefined;
    if (began !== undefined) latencies.push(at - began);
  });
  const agent = new Agent({ keepAlive: true });
  const flights: Promise<Answer>[] = [];
  const count = eventsPerSecond * runSeconds;
  await new Promise<void>((resolve) => {
    const ticking = setInterval(() => {
      const event = eventOf({ type: typeOf(flights.length) });
      sentAt.set(String(event.id), performance.now());
      flights.push(
        call(api.url + publishPath(topic), {
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
  for (const answer of await Promise.all(flights)) expectStatus(answer, 200);
  await until('all healthy deliveries', () => latencies.length >= count, { withinMs: 60_000 });
  agent.destroy();
  return quantile(
    latencies.sort((a, b) => a - b),
    0.99,
  );
}

/** How many times as long as before, of two p99. */
export function timesAsLong(during: number, before: number): number {
  return Math.max(during, floorMs) / Math.max(before, floorMs);
}
