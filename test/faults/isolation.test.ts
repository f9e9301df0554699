/**
 * Two hundred subscriptions, half of them dead: some refuse connections, some never answer. The healthy half must not notice:
 * their latency is compared with that of a second deployment that has no other.
 */
import { test } from '@jest/globals';
import { embedded } from '../support/deployment.js';
import { startSink } from '../support/sink.js';
import { expectHeld, latency } from './latency.js';

const half = 100;

/** Returns what measures the latency of the healthy deliveries, and what ends it all. */
async function setup(withDead: boolean): Promise<{ measure(): Promise<number>; end(): Promise<void> }> {
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
  return {
    measure: () => latency({ api, sink }, 'shared', (number) => `type.${number % half}`),
    async end() {
      await deployment.kill();
      await sink.close();
    },
  };
}

test('a hundred dead subscriptions do not slow a hundred healthy ones', async () => {
  const [scene, calm] = await Promise.all([setup(true), setup(false)]);
  await expectHeld('a hundred of two hundred dead', scene.measure, calm.measure);
  await Promise.all([scene.end(), calm.end()]);
}, 240_000);
