/** Histories: written with the log, read by place, trimmed by age and count. */
import { describe, expect, test } from '@jest/globals';
import type { HistoryOrder, HistoryPage, HistoryStart } from '../port.js';
import {
  apartMs,
  event,
  life,
  oldMs,
  onlyEntries,
  type OpenStore,
  roomy,
  type Scene,
  settled,
  texts,
  withScene,
} from './scene.js';

const kept = life('kept');
const other = life('other');
const passing = life('passing');
const retained = new Set([kept, other]);

/** A whole history, at most `max` at a time. */
export async function allPages(
  scene: Scene,
  topic: string,
  max: number,
  order?: HistoryOrder,
  start?: HistoryStart,
) {
  const events: HistoryPage['events'][number][] = [];
  let after = start;
  do {
    const page = await scene.store.history(0, topic, after, max, order);
    expect(page.events.length).toBeLessThanOrEqual(max);
    events.push(...page.events);
    after = page.next;
  } while (after !== undefined);
  return events;
}

export function describeHistory(open: OpenStore): void {
  describe('histories', () => {
    test(
      'keep the events of retained topics under their places, after they are settled as well',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await store.append(0, [event('a', kept), event('b', passing), event('c', other), event('d', kept)], {
          retained,
        });
        await store.append(0, [event('not kept', kept)]);
        await store.append(0, [event('e', kept)], { retained: new Set([kept]) });
        const entries = await scene.log(epoch);
        const before = await allPages(scene, kept, 10);
        expect(texts(before)).toEqual(['a', 'd', 'e']);
        expect(before.map(({ place }) => place)).toEqual([
          { partition: 0, entry: entries[0]!.id, index: 0 },
          { partition: 0, entry: entries[0]!.id, index: 3 },
          { partition: 0, entry: entries[2]!.id, index: 0 },
        ]);
        expect(before.map(({ acceptedAt }) => acceptedAt)).toEqual(
          [0, 0, 2].map((index) => entries[index]!.acceptedAt),
        );
        await store.settle(0, epoch, onlyEntries(...entries.map((entry) => settled(entry))));
        expect(await scene.log(epoch)).toEqual([]);
        for (const max of [1, 2, 3, 10]) {
          expect(await allPages(scene, kept, max)).toEqual(before);
          expect(await allPages(scene, kept, max, 'newestFirst')).toEqual(before.toReversed());
        }
        expect(texts(await allPages(scene, other, 10))).toEqual(['c']);
        expect(await allPages(scene, passing, 10)).toEqual([]);
        expect((await store.histories(0)).toSorted()).toEqual([kept, other]);
      }),
    );

    test(
      'are paged through whole when one request holds more than a page',
      withScene(open, roomy, async (scene) => {
        const contents = Array.from({ length: 300 }, (_, index) => `event ${index}`);
        await scene.store.append(
          0,
          contents.map((content, index) => event(content, index % 3 ? kept : passing)),
          { retained },
        );
        const expected = contents.filter((_, index) => index % 3);
        for (const max of [7, 64, 1_000]) {
          expect(texts(await allPages(scene, kept, max))).toEqual(expected);
          expect(texts(await allPages(scene, kept, max, 'newestFirst'))).toEqual(expected.toReversed());
        }
      }),
    );

    test(
      'are trimmed by age, oldest first, in bounded steps',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        for (const content of ['one', 'two', 'three'])
          await store.append(0, [event(content, kept)], { retained });
        await scene.pass(apartMs);
        await store.append(0, [event('young', kept)], { retained });
        await store.append(0, [event('of another', other)], { retained });
        expect(await store.trimHistory(0, kept, { ageMs: 50_000 }, 10)).toBe(0);
        expect(await store.trimHistory(0, kept, { ageMs: oldMs }, 2)).toBe(2);
        expect(texts(await allPages(scene, kept, 10))).toEqual(['three', 'young']);
        expect(await store.trimHistory(0, kept, { ageMs: oldMs }, 2)).toBe(1);
        expect(texts(await allPages(scene, kept, 10))).toEqual(['young']);
      }),
    );

    test(
      'begin at an instant, in either order',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        for (let moment = 0; moment < 5; moment++) {
          await store.append(
            0,
            Array.from({ length: 150 }, (_, i) => event(`${moment}/${i}`, kept)),
            { retained },
          );
          await scene.pass(20);
        }
        const all = await allPages(scene, kept, 200);
        expect(all).toHaveLength(750);
        const instants = [...new Set(all.map(({ acceptedAt }) => acceptedAt))];
        for (const at of [...instants, instants[0]! - 1, instants.at(-1)! + 1, instants[2]! + 0.5]) {
          for (const order of ['oldestFirst', 'newestFirst'] as const) {
            const expected = all.filter(({ acceptedAt }) =>
              order === 'oldestFirst' ? acceptedAt >= at : acceptedAt <= at,
            );
            const found = await allPages(scene, kept, 100, order, { acceptedAt: at });
            expect(found).toEqual(order === 'oldestFirst' ? expected : expected.toReversed());
          }
        }
        expect((await store.history(0, other, { acceptedAt: 0 }, 10)).events).toEqual([]);
      }),
    );

    test(
      'are trimmed to their bytes, oldest first, in bounded steps',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const fill = async (from: number, count: number): Promise<void> => {
          for (let i = from; i < from + count; i++)
            await store.append(0, [event(String(i).padStart(100, '0'), kept), event('x', other)], {
              retained,
            });
        };
        const held = async (): Promise<number[]> => texts(await allPages(scene, kept, 1_000)).map(Number);
        await fill(0, 30);
        const frameBytes = (await allPages(scene, kept, 1))[0]!.frame.length;
        const bounds = { ageMs: 3_600_000, bytesMax: 10 * frameBytes };
        expect(await store.trimHistory(0, kept, { ...bounds, bytesMax: 30 * frameBytes }, 100)).toBe(0);
        expect(await store.trimHistory(0, kept, bounds, 15)).toBe(15);
        expect(await store.trimHistory(0, kept, bounds, 15)).toBe(5);
        expect(await held()).toEqual(Array.from({ length: 10 }, (_, i) => 20 + i));
        expect(await store.trimHistory(0, kept, { ...bounds, bytesMax: 10 * frameBytes - 1 }, 15)).toBe(1);
        await fill(30, 5);
        expect(await store.trimHistory(0, kept, bounds, 15)).toBe(4);
        expect(await held()).toEqual(Array.from({ length: 10 }, (_, i) => 25 + i));
        expect(await store.trimHistory(0, kept, { ...bounds, bytesMax: 0 }, 100)).toBe(10);
        expect(await store.histories(0)).toEqual([other]);
        await fill(35, 11);
        expect(await store.trimHistory(0, kept, bounds, 100)).toBe(1);
        expect(await allPages(scene, other, 100)).toHaveLength(46);
      }),
    );

    test(
      'are emptied by trimming to no age, and named no longer',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        for (const content of ['one', 'two', 'three'])
          await store.append(0, [event(content, kept)], { retained });
        await store.append(0, [event('of another', other)], { retained });
        const { events, next } = await store.history(0, kept, undefined, 1);
        expect(texts(events)).toEqual(['one']);
        while ((await store.trimHistory(0, kept, { ageMs: 0 }, 2)) > 0);
        expect(await allPages(scene, kept, 10)).toEqual([]);
        expect((await store.history(0, kept, next, 10)).events).toEqual([]);
        expect(await store.histories(0)).toEqual([other]);
        expect(await store.trimHistory(0, kept, { ageMs: 0 }, 2)).toBe(0);
        await store.append(0, [event('again', kept)], { retained });
        expect(texts(await allPages(scene, kept, 10))).toEqual(['again']);
      }),
    );
  });
}
