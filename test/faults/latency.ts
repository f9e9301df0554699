/** The latency of healthy subscriptions under a light, steady load, and what is allowed of it while others are in trouble. */
import { Agent } from 'node:http';
import { expect } from '@jest/globals';
import { type Api, eventOf, expectStatus, publishPath } from '../support/api.js';
import { quantile } from '../support/checker.js';
import { type Answer, call } from '../support/http.js';
import type { Sink } from '../support/sink.js';
import { until } from '../support/waiting.js';
import { thorough } from './load.js';

/** What is promised is twice. The short runs share their machine. */
const factorMax = thorough ? 2 : 4;
/** Below this, in milliseconds, a ratio says more about the scheduler than about the router. */
const floorMs = 10;
/** What is promised is about p99; that of a few seconds beside other work is one stall of one process. */
const share = thorough ? 0.99 : 0.9;
/** `p99`, as far as reports are concerned. */
const shareName = `p${100 * share}`;
const runSeconds = thorough ? 10 : 4;
/** Where the machine is shared, little enough that no process is at its limit by that alone. */
const eventsPerSecond = thorough ? 200 : 100;

/**
 * Milliseconds from before the publish request to the receipt, of one run, that `share` of the events do not exceed.
 * `typeOf`: the type of an event by its number, each for one subscription whose endpoint's path begins with `/healthy`.
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
    share,
  );
}

/**
 * Measures beside the fault and, at the same time, where there is none: what else the machine does meanwhile befalls both.
 * The median of three runs is judged by what is promised; where the machine is shared, one of at most five is enough.
 */
export async function expectHeld(
  name: string,
  beside: () => Promise<number>,
  alone: () => Promise<number>,
): Promise<void> {
  // What a process does for the first time takes it several times as long.
  if (thorough) await Promise.all([beside(), alone()]);
  const ratios: number[] = [];
  while (ratios.length < (thorough ? 3 : 5)) {
    const [during, without] = await Promise.all([beside(), alone()]);
    ratios.push(Math.max(during, floorMs) / Math.max(without, floorMs));
    process.stderr.write(
      `fault: ${name}: ${shareName} ${during.toFixed(1)} ms, without it ${without.toFixed(1)} ms\n`,
    );
    if (!thorough && ratios.at(-1)! <= factorMax) return;
  }
  ratios.sort((a, b) => a - b);
  expect(ratios[thorough ? 1 : 0]).toBeLessThanOrEqual(factorMax);
}
