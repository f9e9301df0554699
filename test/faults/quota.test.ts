/**
 * One publisher sends ten times what its topic's quota allows (S20): what is over is refused, with when to try again, and
 * another topic's events take as long as in a second deployment, where nobody does that. As in `fairness.test.ts` the short runs
 * share their machine, and allow more.
 */
import { Agent } from 'node:http';
import { expect, test } from '@jest/globals';
import { type Api, eventOf, publishPath } from '../support/api.js';
import { describeStores, type Topology } from '../support/deployment.js';
import { call } from '../support/http.js';
import { startSink } from '../support/sink.js';
import { atEnd } from '../support/teardown.js';
import { expectHeld, latency } from './latency.js';
import { thorough } from './load.js';

/** Refusing costs a gateway something as well, which beside other work may be all that it has. */
const eventsPerSecond = thorough ? 50 : 10;
const sentPerSecond = 10 * eventsPerSecond;
const timeoutMs = 180_000;

interface Flood {
  /** Stops it, and resolves with what became of the requests when all are answered. */
  stop(): Promise<{ accepted: number; refused: number; odd: string[]; seconds: number }>;
}

/** Publishes at the rate whatever is answered, as one who does not heed `Retry-After`. */
function flood(api: Api, topic: string): Flood {
  const agent = new Agent({ keepAlive: true });
  const flights = new Set<Promise<void>>();
  const odd: string[] = [];
  const began = performance.now();
  let [sent, accepted, refused] = [0, 0, 0];
  const publish = async (): Promise<void> => {
    const { status, headers } = await call(api.url + publishPath(topic), {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(eventOf({ data: 'x'.repeat(1_000) })),
      agent,
    });
    if (status === 200) accepted++;
    else if (status === 429 && Number(headers['retry-after']) >= 1) refused++;
    else odd.push(`${status}, retry-after: ${headers['retry-after']}`);
  };
  const ticking = setInterval(() => {
    for (; sent < ((performance.now() - began) / 1_000) * sentPerSecond; sent++) {
      const flight = publish().finally(() => flights.delete(flight));
      flights.add(flight);
    }
  }, 5);
  atEnd(() => clearInterval(ticking));
  return {
    async stop() {
      clearInterval(ticking);
      await Promise.all(flights);
      agent.destroy();
      // Until the last was answered: what a busy machine comes to later is taken later.
      return { accepted, refused, odd, seconds: (performance.now() - began) / 1_000 };
    },
  };
}

async function setup(topology: Topology) {
  const deployment = await topology.start();
  const { api } = deployment;
  const sink = await startSink();
  await api.putTopic('calm');
  await api.putSubscription('calm', 'healthy', { url: sink.url('/healthy') });
  return { deployment, api, sink, run: () => latency({ api, sink }, 'calm', () => 'calm') };
}

describeStores('a publisher at ten times its quota', (topology) => {
  test(
    'does not slow another topic, and is told when to try again',
    async () => {
      const [scene, calm] = await Promise.all([setup(topology), setup(topology)]);
      const { deployment, api, sink } = scene;
      await api.putTopic('loud', { publishQuota: { eventsPerSecond } });
      await api.putSubscription('loud', 'all', { url: sink.url('/loud') });
      const loud = flood(api, 'loud');
      await expectHeld(`quota, ${topology.name}`, scene.run, calm.run);
      const { accepted, refused, odd, seconds } = await loud.stop();
      process.stderr.write(
        `fault: quota, ${topology.name}: ${refused} refused of ${accepted + refused} in ${seconds.toFixed(1)} s\n`,
      );
      expect(odd).toEqual([]);
      // A second's worth may be saved up, and one request more than is left passes.
      expect(accepted).toBeLessThanOrEqual((seconds + 1) * eventsPerSecond + 1);
      expect(refused).toBeGreaterThan(accepted);
      const throttled = await deployment.metric('gridpost_publish_throttled_total', { topic: 'loud' });
      expect(throttled).toBeGreaterThan(0);
      for (const each of [scene, calm]) {
        await each.sink.close();
        await each.deployment.stop();
      }
    },
    timeoutMs,
  );
});
