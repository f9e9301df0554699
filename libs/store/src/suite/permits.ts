/** Permits of a subscription that go round among the workers. */
import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import type { Permit, Store } from '../port.js';
import { hour, type Lacks, type OpenStore, roomy, subA, subB, unless, withScene } from './scene.js';

/** What one worker is told of one subscription. */
async function ask(
  store: Store,
  worker: string,
  wanted: number,
  { limit = 1, ttlMs = hour, subscription = subA } = {},
): Promise<Permit> {
  const [answer] = await store.permits(worker, [{ subscription, limit, wanted }], ttlMs);
  return answer!;
}

export function describePermits(open: OpenStore, lacks: Lacks): void {
  describe('permits', () => {
    test(
      'are held by one after the other, in the order in which they came',
      withScene(open, roomy, async ({ store }) => {
        expect(await ask(store, 'a', 1)).toEqual({ held: 1, waiting: 0 });
        expect(await ask(store, 'b', 1)).toEqual({ held: 0, waiting: 0 });
        expect(await ask(store, 'c', 1)).toEqual({ held: 0, waiting: 1 });
        expect(await ask(store, 'a', 1)).toEqual({ held: 1, waiting: 2 });
        expect(await ask(store, 'a', 0)).toEqual({ held: 0, waiting: 2 });
        expect(await ask(store, 'c', 1)).toEqual({ held: 0, waiting: 1 });
        expect(await ask(store, 'a', 1)).toEqual({ held: 0, waiting: 2 });
        expect(await ask(store, 'b', 1)).toEqual({ held: 1, waiting: 2 });
        await ask(store, 'b', 0);
        expect(await ask(store, 'a', 1)).toEqual({ held: 0, waiting: 1 });
        expect(await ask(store, 'c', 1)).toEqual({ held: 1, waiting: 1 });
      }),
    );

    test(
      'are as many as are free, one kept for each who waits',
      withScene(open, roomy, async ({ store }) => {
        expect(await ask(store, 'a', 5, { limit: 3 })).toEqual({ held: 3, waiting: 0 });
        expect(await ask(store, 'b', 2, { limit: 3 })).toEqual({ held: 0, waiting: 0 });
        expect(await ask(store, 'a', 1, { limit: 3 })).toEqual({ held: 1, waiting: 1 });
        expect(await ask(store, 'a', 3, { limit: 3 })).toEqual({ held: 2, waiting: 1 });
        expect(await ask(store, 'b', 2, { limit: 3 })).toEqual({ held: 1, waiting: 0 });
        // A limit that was lowered takes what is over from whoever asks first.
        expect(await ask(store, 'a', 2, { limit: 2 })).toEqual({ held: 1, waiting: 0 });
      }),
    );

    test(
      'come back when who held them has not asked for long',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        expect(await ask(store, 'a', 1, { ttlMs: 20 })).toEqual({ held: 1, waiting: 0 });
        await scene.pass(25);
        expect(await ask(store, 'b', 1)).toEqual({ held: 1, waiting: 0 });
        expect(await ask(store, 'c', 1, { ttlMs: 20 })).toEqual({ held: 0, waiting: 0 });
        await scene.pass(25);
        expect(await ask(store, 'b', 1)).toEqual({ held: 1, waiting: 0 });
      }),
    );

    test(
      'of several subscriptions are asked for at once, and have nothing to do with each other',
      withScene(open, roomy, async ({ store }) => {
        await ask(store, 'a', 1);
        const asks = [
          { subscription: subA, limit: 1, wanted: 1 },
          { subscription: subB, limit: 2, wanted: 2 },
        ];
        expect(await store.permits('b', asks, hour)).toEqual([
          { held: 0, waiting: 0 },
          { held: 2, waiting: 0 },
        ]);
        expect(await store.permits('b', [], hour)).toEqual([]);
      }),
    );

    test(
      'never sum up to more than there are, and everybody gets one in turn',
      withScene(open, roomy, async ({ store }) => {
        const random = seededRandom(11);
        const workers = ['a', 'b', 'c', 'd', 'e'];
        const held = new Map<string, number>();
        const turns = new Map<string, number>();
        for (let i = 0; i < 400; i++) {
          const worker = workers[Math.floor(random() * workers.length)]!;
          const had = held.get(worker) ?? 0;
          // Who holds some gives them back, or some of them.
          const wanted = had > 0 ? Math.floor(random() * had) : 1 + Math.floor(random() * 2);
          const answer = await ask(store, worker, wanted, { limit: 2 });
          held.set(worker, answer.held);
          if (had === 0 && answer.held > 0) turns.set(worker, (turns.get(worker) ?? 0) + 1);
          expect([...held.values()].reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(2);
        }
        expect(turns.size).toBe(5);
        expect(Math.min(...turns.values())).toBeGreaterThan(10);
      }),
    );

    unless(lacks.sharing)(
      'are the same for all processes',
      withScene(open, roomy, async (scene) => {
        const other = await scene.share();
        expect(await ask(scene.store, 'a', 1)).toEqual({ held: 1, waiting: 0 });
        expect(await ask(other, 'b', 1)).toEqual({ held: 0, waiting: 0 });
      }),
    );
  });
}
