/** An event that brings its worker down whenever it is attempted: given up after three crashes, and alone in that. */
import { expect, test } from '@jest/globals';
import { Api, eventOf, expectStatus } from '../support/api.js';
import { deploy, embedded, type Ground, redis } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { startServer } from '../support/server.js';
import { startSink } from '../support/sink.js';
import { thorough } from './load.js';

const crashesMax = 3;
/**
 * Longer than a busy machine takes to kill a worker: an attempt that outlasts the window goes to its queue, from where it
 * is repeated when its lease ends, and is not suspect.
 */
const settleWindowMs = '10000';

/** Publishes the poison among neighbours and kills the worker each time it attempts it, until it does no more. */
async function poison(ground: Ground): Promise<void> {
  const { servers, workers } = await deploy(ground, { GRIDPOST_SETTLE_WINDOW_MS: settleWindowMs });
  let worker = workers[0]!;
  /** The worker as soon as it is known: it may attempt the poison before it has said that it listens. */
  let starting = Promise.resolve(worker);
  const sink = await startSink();
  let crashes = 0;
  sink.reply(async ({ event }) => {
    if (event.attributes.id !== 'poison') return { status: 200 };
    crashes++;
    (await starting).kill();
    return 'silence';
  });
  /** The API of whichever process serves it now. */
  const api = (): Api => new Api((servers.length > 1 ? servers[0]! : worker).url);
  await api().putTopic('poisoned');
  await api().putSubscription('poisoned', 'hook', { url: sink.url('/hook') });
  // One request is one log entry: the poison has neighbours before and after it.
  const ids = Array.from({ length: 20 }, (_, i) => (i === 10 ? 'poison' : `neighbour-${i}`));
  const batch = ids.map((id) => eventOf({ id }));
  // The process that answers may be the one that dies of it.
  const answer = await api()
    .publishBatch('poisoned', batch)
    .catch(() => undefined);
  if (answer) expectStatus(answer, 200);
  for (let crash = 0; crash < crashesMax; crash++) {
    await worker.exited;
    starting = startServer(worker.settings);
    worker = await starting;
  }
  const [letter] = await api().deadLettered('poisoned', 'hook', 1, 60_000);
  expect(letter).toMatchObject({ deadLetterReason: 'Quarantined', event: { id: 'poison' } });
  expect(crashes).toBe(crashesMax);
  await api().accept('poisoned', eventOf({ id: 'later' }));
  // Neighbours may come more than once.
  for (const id of [...ids, 'later']) await sink.received(({ event }) => event.attributes.id === id);
  expect(new Set(sink.receipts.map(({ event }) => event.attributes.id))).toEqual(new Set([...ids, 'later']));
  expect(await api().deadLetters('poisoned', 'hook')).toHaveLength(1);
  expect((await worker.stop()).code).toBe(0);
}

const behaviour = 'a poisonous event is quarantined after three crashes, and its neighbours flow';

test(`${behaviour}, embedded`, async () => poison(await embedded.prepare()), 180_000);

describeWithRedis('redis', () => {
  // Each crash takes the ten seconds of an ownership to be noticed, which the short run has no time for.
  (thorough ? test : test.skip)(
    behaviour,
    async () => poison({ ...(await redis.prepare()), processes: ['gateway', 'delivery'] }),
    240_000,
  );
});
