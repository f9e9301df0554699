/** An event that brings its worker down whenever it is attempted: given up after three crashes, and alone in that. */
import { expect, test } from '@jest/globals';
import { Api, eventOf, expectStatus } from '../support/api.js';
import { embedded } from '../support/deployment.js';
import { startServer } from '../support/server.js';
import { startSink } from '../support/sink.js';

const crashesMax = 3;

test('a poisonous event is quarantined after three crashes, and its neighbours flow', async () => {
  const ground = await embedded.prepare();
  let server = await startServer({ ...ground.settings });
  const sink = await startSink();
  let crashes = 0;
  let crashed = (): void => {};
  sink.reply(({ event }) => {
    if (event.attributes.id !== 'poison') return { status: 200 };
    crashes++;
    server.kill();
    crashed();
    return 'silence';
  });
  const api = new Api(server.url);
  await api.putTopic('poisoned');
  await api.putSubscription('poisoned', 'hook', { url: sink.url('/hook') });
  // One request is one log entry: the poison has neighbours before and after it.
  const ids = Array.from({ length: 20 }, (_, i) => (i === 10 ? 'poison' : `neighbour-${i}`));
  const crash = new Promise<void>((resolve) => {
    crashed = resolve;
  });
  const published = api
    .publishBatch(
      'poisoned',
      ids.map((id) => eventOf({ id })),
    )
    .catch(() => undefined);
  await crash;
  const answer = await published;
  if (answer) expectStatus(answer, 200);
  for (let crash = 1; crash < crashesMax; crash++) {
    await server.exited;
    const next = new Promise<void>((resolve) => {
      crashed = resolve;
    });
    server = await startServer(ground.settings);
    await next;
  }
  await server.exited;
  server = await startServer(ground.settings);
  const after = new Api(server.url);
  const [letter] = await after.deadLettered('poisoned', 'hook', 1, 60_000);
  expect(letter).toMatchObject({ deadLetterReason: 'Quarantined', event: { id: 'poison' } });
  expect(crashes).toBe(crashesMax);
  await after.accept('poisoned', eventOf({ id: 'later' }));
  await sink.received(({ event }) => event.attributes.id === 'later');
  const seen = new Set(sink.receipts.map(({ event }) => event.attributes.id));
  expect(seen).toEqual(new Set([...ids, 'later']));
  expect(await after.deadLetters('poisoned', 'hook')).toHaveLength(1);
  expect((await server.stop()).code).toBe(0);
}, 180_000);
