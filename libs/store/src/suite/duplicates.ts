/** Duplicate detection: what was stored within the window is not stored again, and what is remembered for it is bounded. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import { identityStepMax } from '../bounds.js';
import type { AppendOptions, PendingEvent, Store, StoreLimits } from '../port.js';
import {
  apartMs,
  event,
  expectRefusal,
  hour,
  type Lacks,
  life,
  oldMs,
  onlyEntries,
  type OpenStore,
  roomy,
  type Scene,
  settled,
  texts,
  unless,
  withScene,
} from './scene.js';

const once = life('once');
const other = life('other');
const plain = life('plain');

/** An event whose identity is that of its content. */
function known(content: string, of = once, frame: string | Buffer = content): PendingEvent {
  return { ...event(frame, of), identity: createHash('md5').update(content).digest() };
}

const within = (windowMs: number, identitiesMax = 10_000): AppendOptions => ({
  unique: new Map([once, other].map((topic) => [topic, { windowMs, identitiesMax }])),
});

async function stored(scene: Scene): Promise<string[]> {
  return (await scene.log(await scene.own())).flatMap(({ events }) => texts(events));
}

async function remembered(store: Store, topic = once): Promise<number> {
  return (await store.identities(0)).find((each) => each.topic === topic)?.count ?? 0;
}

export function describeDuplicates(open: OpenStore, lacks: Lacks): void {
  describe('duplicate detection', () => {
    test(
      'stores what is new of a request, names the rest, and counts what a request holds twice once',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const options = within(hour);
        expect(
          await store.append(
            0,
            ['a', 'b'].map((content) => known(content)),
            options,
          ),
        ).not.toHaveProperty('duplicates');
        const mixed = ['c', 'a', 'd', 'c', 'b'].map((content) => known(content));
        expect(await store.append(0, mixed, options)).toMatchObject({ duplicates: [1, 3, 4] });
        expect(await store.append(0, mixed, options)).toMatchObject({ duplicates: [0, 1, 2, 3, 4] });
        expect(await stored(scene)).toEqual(['a', 'b', 'c', 'd']);
        expect(await store.identities(0)).toEqual([{ topic: once, count: 4 }]);
      }),
    );

    test(
      'keeps topics apart, and leaves alone what has no identity or is of another topic',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const request = [known('a'), known('a', other), known('a', plain), event('a', once)];
        const options = within(hour);
        expect(await store.append(0, request, options)).not.toHaveProperty('duplicates');
        expect(await store.append(0, request, options)).toMatchObject({ duplicates: [0, 1] });
        expect(await store.append(0, request)).not.toHaveProperty('duplicates');
        expect(await stored(scene)).toHaveLength(4 + 2 + 4);
        expect(await remembered(store, plain)).toBe(0);
      }),
    );

    test(
      'ends with the window, which a duplicate does not prolong',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const windowMs = 200;
        await store.append(0, [known('a')], within(windowMs));
        await scene.pass(windowMs / 2);
        // A longer window, which a call that was held up does not miss.
        expect(await store.append(0, [known('a')], within(hour))).toMatchObject({ duplicates: [0] });
        await scene.pass(windowMs / 2 + 5);
        expect(await store.append(0, [known('a')], within(windowMs))).not.toHaveProperty('duplicates');
        expect(await store.append(0, [known('a')], within(hour))).toMatchObject({ duplicates: [0] });
        expect(await stored(scene)).toEqual(['a', 'a']);
        expect(await remembered(store)).toBe(1);
      }),
    );

    test(
      'goes by the window of the call: a longer one finds what is remembered, a shorter one does not look so far back',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        await store.append(0, [known('a'), known('b')], within(hour));
        await scene.pass(20);
        expect(await store.append(0, [known('a')], within(2 * hour))).toMatchObject({ duplicates: [0] });
        expect(await store.append(0, [known('a')], within(10))).not.toHaveProperty('duplicates');
        expect(await remembered(store)).toBe(1);
      }),
    );

    test(
      'stores one of a hundred that come at the same time, alone and among others',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, index) =>
            store.append(0, [known(`own ${index}`), known('shared')], within(hour)),
          ),
        );
        expect(answers.filter(({ duplicates }) => duplicates === undefined)).toHaveLength(1);
        const all = await stored(scene);
        expect(all.filter((content) => content === 'shared')).toHaveLength(1);
        expect(all).toHaveLength(101);
      }),
    );

    unless(lacks.sharing)(
      'stores one of what several processes append at the same time',
      withScene(open, roomy, async (scene) => {
        const stores = [scene.store, await scene.share(), await scene.share()];
        const answers = await Promise.all(
          Array.from({ length: 60 }, (_, index) =>
            stores[index % 3]!.append(0, [known(String(index % 5))], within(hour)),
          ),
        );
        expect(answers.filter(({ duplicates }) => duplicates === undefined)).toHaveLength(5);
        expect((await stored(scene)).toSorted()).toEqual(['0', '1', '2', '3', '4']);
      }),
    );

    test(
      'packs and keeps events as other appends do',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const half = limits.entryBytesMax / 2;
        const sizes = [half, half, 1, limits.entryBytesMax + 1, 10, limits.eventBytesMax, 20];
        const large = sizes.map((size, index) => known(String(index), once, Buffer.alloc(size, index)));
        const small = Array.from({ length: 257 }, (_, index) => known(`small ${index}`));
        for (const request of [large, small]) {
          await store.append(0, request);
          await store.append(0, request, { ...within(hour), retained: new Set([once]) });
          await store.append(0, request, { ...within(hour), retained: new Set([once]) });
        }
        const entries = await scene.log(await scene.own());
        const shapes = entries.map(({ events }) =>
          events.map(({ topic, frame }) => [topic, frame.toString('latin1')]),
        );
        expect(shapes.slice(6, 12)).toEqual(shapes.slice(0, 6));
        expect(shapes.slice(15)).toEqual(shapes.slice(12, 15));
        let count = 0;
        for (let after: string | undefined; ; ) {
          const page = await store.history(0, once, after, 1_000);
          count += page.events.length;
          if ((after = page.next) === undefined) break;
        }
        expect(count).toBe(large.length + small.length);
      }),
    );

    test(
      'takes as many events as a request may have',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const all = Array.from({ length: limits.requestEventsMax }, (_, index) => known(String(index)));
        await store.append(0, all.slice(0, 2_500), within(hour));
        const { duplicates } = await store.append(0, all, within(hour));
        expect(duplicates).toEqual(Array.from({ length: 2_500 }, (_, index) => index));
        expect(await stored(scene)).toEqual(
          Array.from({ length: limits.requestEventsMax }, (_, i) => `${i}`),
        );
        expect(await remembered(store)).toBe(limits.requestEventsMax);
      }),
    );

    test(
      'forgets the oldest where there are too many to remember, and says how many',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const options = within(hour, 3);
        for (const content of ['a', 'b', 'c']) {
          expect(await store.append(0, [known(content)], options)).not.toHaveProperty('forgotten');
          await scene.pass(2);
        }
        const { forgotten } = await store.append(0, [known('d'), known('e')], options);
        expect(forgotten).toEqual(new Map([[once, 2]]));
        expect(await remembered(store)).toBe(3);
        await scene.pass(2);
        const request = ['c', 'd', 'e', 'a'].map((content) => known(content));
        expect(await store.append(0, request, options)).toMatchObject({ duplicates: [0, 1, 2] });
        // One that is outlived is not missed.
        await scene.pass(2);
        expect(await store.append(0, [known('f')], within(1, 1))).not.toHaveProperty('forgotten');
      }),
    );

    test(
      'forgets what is outlived with the appends that follow, in bounded steps',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const many = Array.from({ length: 2 * identityStepMax + 50 }, (_, index) => known(String(index)));
        await store.append(0, many, within(hour));
        await scene.pass(20);
        await store.append(0, [known('a')], within(10));
        const left = await remembered(store);
        expect(left).toBeGreaterThan(identityStepMax);
        expect(left).toBeLessThanOrEqual(many.length + 1 - identityStepMax);
        await store.append(0, [known('b')], within(10));
        await store.append(0, [known('c')], within(10));
        expect(await remembered(store)).toBeLessThanOrEqual(3);
      }),
    );

    test(
      'forgets by age when it is asked to, oldest first, until nothing is left',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        for (const content of ['a', 'b', 'c']) await store.append(0, [known(content)], within(hour));
        await scene.pass(apartMs);
        await store.append(0, [known('young'), known('of another', other)], within(hour));
        expect(await store.forgetIdentities(0, once, 50_000, 10)).toBe(0);
        expect(await store.forgetIdentities(0, once, oldMs, 2)).toBe(2);
        expect(await store.forgetIdentities(0, once, oldMs, 2)).toBe(1);
        expect(await store.forgetIdentities(0, once, oldMs, 2)).toBe(0);
        expect(await store.append(0, [known('young')], within(hour))).toMatchObject({ duplicates: [0] });
        expect(await store.forgetIdentities(0, once, 0, 2_500)).toBe(1);
        expect(await store.identities(0)).toEqual([{ topic: other, count: 1 }]);
        expect(await store.append(0, [known('young')], within(hour))).not.toHaveProperty('duplicates');
        expect(await store.forgetIdentities(0, life('nobody'), 0, 10)).toBe(0);
      }),
    );

    unless(lacks.reopening)(
      'outlives the process',
      withScene(open, roomy, async (scene) => {
        await scene.store.append(0, [known('a')], within(hour));
        await scene.reopen();
        const request = [known('a'), known('b')];
        expect(await scene.store.append(0, request, within(hour))).toMatchObject({ duplicates: [0] });
        expect(await remembered(scene.store)).toBe(2);
        expect(await stored(scene)).toEqual(['a', 'b']);
      }),
    );

    test(
      'remembers nothing of an append that was refused',
      withScene(open, tight, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const filling = Buffer.alloc(2 ** 18, 'x');
        const append = (count: number) =>
          store.append(0, [known(String(count), once, filling)], within(hour)).then(
            () => undefined,
            (error: unknown) => error,
          );
        let count = 0;
        let refusal: unknown;
        while ((refusal = await append(count)) === undefined) {
          if (++count * filling.length > 2 * tight.bytesMax) throw new Error('the store never became full');
        }
        await expectRefusal(Promise.reject(refusal), 'StoreFull');
        const entries = await scene.log(epoch);
        expect(entries.flatMap(({ events }) => events)).toHaveLength(count);
        await store.settle(0, epoch, onlyEntries(...entries.map((entry) => settled(entry))));
        const { duplicates } = await scene.until(() =>
          store.append(0, [known(String(count), once, filling)], within(hour)).catch(() => undefined),
        );
        expect(duplicates).toBeUndefined();
        expect((await scene.log(epoch)).flatMap(({ events }) => events)).toHaveLength(1);
      }),
    );
  });
}

const tight: StoreLimits = { bytesMax: 24 * 2 ** 20, subscriptionShare: 1 };
