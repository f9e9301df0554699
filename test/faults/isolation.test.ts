/**
 * Two hundred subscriptions, half of them dead: some refuse connections, some never answer. The healthy half must not
 * notice. Latency is compared in pairs of runs that follow each other, with and without the dead; `npm run faults`
 * takes the median of five pairs against the promised factor. The short version shares its machine with other tests:
 * there, one pair of at most five within a generous factor is enough. Dead subscriptions that held up healthy ones would
 * show in each.
 */
import { test } from '@jest/globals';
import { embedded } from '../support/deployment.js';
import { startSink } from '../support/sink.js';
import { expectHeld, latency, runSeconds } from './latency.js';

const pairs = 5;
const half = 100;

/** One run; the latency of the healthy deliveries. */
async function run(withDead: boolean): Promise<number> {
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
  const found = await latency({ api, sink }, 'shared', (number) => `type.${number % half}`);
  for (const server of deployment.servers) server.kill();
  await sink.close();
  return found;
}

test(
  'a hundred dead subscriptions do not slow a hundred healthy ones',
  async () => {
    await expectHeld('a hundred of two hundred dead', pairs, async () => {
      const alone = await run(false);
      return { beside: await run(true), alone };
    });
  },
  60_000 + pairs * 2 * (runSeconds + 20) * 1_000,
);
