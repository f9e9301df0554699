/** Keys of the secrets in the store, changed under whole servers: subscriptions go on, and the store tells less. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { eventOf, expectStatus, subscriptionPath } from '../support/api.js';
import { canary, filesIn, sightings } from '../support/canaries.js';
import { describeStores, embedded } from '../support/deployment.js';
import { startSink } from '../support/sink.js';
import { temporaryDirectory } from '../support/teardown.js';
import { until } from '../support/waiting.js';
const topic = 'sealed';
const [older, newer] = [canary(), canary()];

describeStores('secrets in the store', (topology) => {
  test('outlive the rotation of their key, process by process', async () => {
    const token = canary();
    const sink = await startSink();
    const ground = await topology.prepare();
    const destination = {
      endpointType: 'WebHook',
      properties: { endpointUrl: sink.url('/hook'), credentials: { type: 'bearer', token } },
    };
    // The last one holds nothing of the first, so that whatever it opens was sealed again.
    for (const [step, keys] of [[older], [older, newer], [newer, older], [newer]].entries()) {
      const deployment = await topology.start(ground, { GRIDPOST_SECRETS_KEY: keys.join() });
      const { api, servers } = deployment;
      if (step === 0) {
        await api.putTopic(topic);
        const body = { properties: { destination } };
        expectStatus(await api.send('PUT', subscriptionPath(topic, 'hook'), body), 201);
      }
      await api.accept(topic, eventOf({ id: `step-${step}` }));
      const [receipt] = await sink.received(({ event }) => event.attributes.id === `step-${step}`);
      expect(receipt!.headers.authorization).toBe(`Bearer ${token}`);
      if (step === 2) {
        await until('secrets are sealed with the new key', () =>
          servers.some(({ log }) => log.join().includes('secrets sealed with the first key')),
        );
      }
      for (const { code } of await deployment.stopServers()) expect(code).toBe(0);
      expect(servers.flatMap(({ log }) => log).join()).not.toMatch(/lies in the store|not sealed again/);
    }
    expect(sightings({ token, older, newer }, filesIn(await ground.saved!()))).toEqual([]);
    await ground.close();
  }, 240_000);
});

test('a server without a key says that it lies in the store, and takes one from a file later', async () => {
  const file = join(temporaryDirectory(), 'key');
  writeFileSync(file, `${older}\n`);
  const first = await embedded.start();
  const { log } = first.servers[0]!;
  // Standard error is read beside standard output, on which the server said that it listens.
  await until('the log says where the key lies', () =>
    log.join().includes('the key that seals secrets lies in the store beside them'),
  );
  await first.api.putTopic(topic);
  const keys = (await first.api.send('GET', `/topics/${topic}/keys`)).json();
  await first.stopServers();
  const second = await embedded.start(first.ground, { GRIDPOST_SECRETS_KEY_FILE: file });
  expect((await second.api.send('GET', `/topics/${topic}/keys`)).json()).toEqual(keys);
  await second.stop();
  expect(second.servers[0]!.log.join()).not.toContain('lies in the store');
});
