/** Ownership: claims, epochs, fencing, and what a takeover says about the end of the owner before. */
import { describe, expect, test } from '@jest/globals';
import { Fenced, type Store } from '../port.js';
import {
  dueNow,
  ended,
  event,
  hour,
  type Lacks,
  onlyEntries,
  type OpenStore,
  roomy,
  type Scene,
  settled,
  subA,
  texts,
  unless,
  withScene,
} from './scene.js';

const shortMs = 20;

/** Takes partition 0 over from an owner whose lease ends soon. */
async function takeOver(scene: Scene, worker: string, suspectEvents: number) {
  return scene.until(() => scene.store.claim(0, worker, hour, suspectEvents));
}

export function describeOwnership(open: OpenStore, lacks: Lacks): void {
  describe('ownership', () => {
    test(
      'is granted once, and to another only when the lease has run out',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const first = await store.claim(0, 'w1', hour, 100);
        expect(first!.epoch).toBeGreaterThan(0);
        expect(first!.suspectUpTo).toBeUndefined();
        expect(await store.claim(0, 'w2', hour, 100)).toBeUndefined();
        expect(await store.renew(0, 'w1', first!.epoch, shortMs)).toBe(true);
        const second = await takeOver(scene, 'w2', 100);
        expect(second.epoch).toBeGreaterThan(first!.epoch);
      }),
    );

    test(
      'is granted to one of several that ask at once',
      withScene(open, roomy, async ({ store }) => {
        const claims = await Promise.all(
          Array.from({ length: 10 }, (_, index) => store.claim(0, `w${index}`, hour, 100)),
        );
        expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
      }),
    );

    test(
      'is prolonged by renewing, also after its lease ran out unclaimed',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const { epoch } = (await store.claim(0, 'w1', shortMs, 100))!;
        await scene.pass(2 * shortMs);
        expect(await store.renew(0, 'w1', epoch, hour)).toBe(true);
        expect(await store.claim(0, 'w2', hour, 100)).toBeUndefined();
        expect(await store.renew(0, 'w1', epoch - 1, hour)).toBe(false);
        expect(await store.renew(0, 'w2', epoch, hour)).toBe(false);
      }),
    );

    test(
      'gives a worker that owns the partition already a new epoch, which fences the old one',
      withScene(open, roomy, async (scene) => {
        const old = await scene.own('w1');
        const renewed = await scene.store.claim(0, 'w1', hour, 100);
        expect(renewed!.epoch).toBeGreaterThan(old);
        await expect(scene.log(old)).rejects.toThrow(Fenced);
        expect(await scene.store.renew(0, 'w1', old, hour)).toBe(false);
      }),
    );

    test(
      'ends cleanly by release, after which the next owner finds nothing suspect',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        await scene.publish('one');
        const epoch = await scene.own('w1');
        await scene.log(epoch);
        await store.release(0, 'w1', epoch);
        await store.release(0, 'w1', epoch);
        const next = await store.claim(0, 'w2', hour, 100);
        expect(next!.epoch).toBeGreaterThan(epoch);
        expect(next!.suspectUpTo).toBeUndefined();
        expect(await store.renew(0, 'w1', epoch, hour)).toBe(false);
      }),
    );

    test(
      'is not ended by a release that comes too late or from somebody else',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        await scene.publish('one');
        const old = await scene.own('w1', shortMs);
        const { epoch } = await takeOver(scene, 'w2', 100);
        await store.release(0, 'w1', old);
        await store.release(0, 'w3', epoch);
        expect(await store.claim(0, 'w3', hour, 100)).toBeUndefined();
        expect(await store.renew(0, 'w2', epoch, shortMs)).toBe(true);
        expect((await takeOver(scene, 'w3', 100)).suspectUpTo).toBeDefined();
      }),
    );

    test(
      'passes on what the owner before may have been working on, if it did not release',
      withScene(open, roomy, async (scene) => {
        for (let index = 0; index < 5; index++) await scene.publish(`${index}a`, `${index}b`);
        const epoch = await scene.own('w1', shortMs);
        const entries = await scene.log(epoch);
        const { suspectUpTo } = await takeOver(scene, 'w2', 1_000);
        expect(suspectUpTo).toBe(entries[4]!.id);
      }),
    );

    test.each([
      [0, 0],
      [1, 0],
      [2, 1],
      [3, 1],
      [5, 2],
    ])('marks no entry suspect that has more than %i events before it', (suspectEvents, last) =>
      withScene(open, roomy, async (scene) => {
        for (let index = 0; index < 5; index++) await scene.publish(`${index}a`, `${index}b`);
        const epoch = await scene.own('w1', shortMs);
        const entries = await scene.log(epoch);
        const { suspectUpTo } = await takeOver(scene, 'w2', suspectEvents);
        expect(suspectUpTo).toBe(entries[last]!.id);
      })(),
    );

    test(
      'passes nothing on as suspect when the log is empty',
      withScene(open, roomy, async (scene) => {
        await scene.own('w1', shortMs);
        expect((await takeOver(scene, 'w2', 100)).suspectUpTo).toBeUndefined();
      }),
    );

    test(
      'refuses every call of an owner that has been replaced, and changes nothing by it',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const old = await scene.own('w1', shortMs);
        await scene.hold(old, 'deferred', dueNow);
        await scene.publish('in the log');
        const [entry] = await scene.log(old);
        const [leased] = (await scene.ask(old)).deliveries;
        const { epoch } = await takeOver(scene, 'w2', 100);
        const calls: Record<string, () => Promise<unknown>> = {
          read: () => store.read(0, old, undefined, { entriesMax: 1, bytesMax: 1 }),
          begin: () => store.begin(0, old, entry!.id, 0),
          settle: () => store.settle(0, old, onlyEntries(settled(entry!, [0, subA, dueNow]))),
          'settle an outcome': () => store.settle(0, old, ended(leased!)),
          'settle nothing': () => store.settle(0, old, onlyEntries()),
          due: () => scene.ask(old),
        };
        for (const [name, call] of Object.entries(calls)) {
          const error = await call().then(
            () => `${name} was let through`,
            (reason: unknown) => reason,
          );
          expect(error).toBeInstanceOf(Fenced);
        }
        expect(await scene.log(epoch)).toHaveLength(1);
        expect(await store.begin(0, epoch, entry!.id, 0)).toBe(0);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 1, deadLettered: 0 });
      }),
    );

    test(
      'counts the epochs that began to process an event, until its entry is settled',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        await scene.publish('first', 'second');
        let epoch = await scene.own('w1');
        const [entry] = await scene.log(epoch);
        expect(await store.begin(0, epoch, entry!.id, 1)).toBe(0);
        expect(await store.begin(0, epoch, entry!.id, 1)).toBe(0);
        for (let crashes = 1; crashes <= 3; crashes++) {
          epoch = await scene.own('w1');
          expect(await store.begin(0, epoch, entry!.id, 1)).toBe(crashes);
          expect(await store.begin(0, epoch, entry!.id, 1)).toBe(crashes);
        }
        expect(await store.begin(0, epoch, entry!.id, 0)).toBe(0);
        await store.settle(0, epoch, onlyEntries(settled(entry!)));
        epoch = await scene.own('w1');
        expect(await store.begin(0, epoch, entry!.id, 1)).toBe(0);
        epoch = await scene.own('w1');
        expect(await store.begin(0, epoch, entry!.id, 1)).toBe(0);
      }),
    );

    unless(lacks.partitions)(
      'of one partition says nothing about another',
      withScene(open, roomy, async ({ store }) => {
        const first = await store.claim(0, 'w1', hour, 100);
        const other = await store.claim(1, 'w2', hour, 100);
        expect(other).toBeDefined();
        await store.claim(1, 'w2', hour, 100);
        expect(await store.renew(0, 'w1', first!.epoch, hour)).toBe(true);
      }),
    );

    unless(lacks.reopening)(
      'and the log survive reopening: a new epoch, suspects, and the notes of what was begun',
      withScene(open, roomy, async (scene) => {
        await scene.publish('one', 'two');
        const before = await scene.own('w1', shortMs);
        const [entry] = await scene.log(before);
        await scene.store.begin(0, before, entry!.id, 1);
        await scene.reopen();
        const claim = await takeOver(scene, 'w2', 100);
        expect(claim.epoch).toBeGreaterThan(before);
        expect(claim.suspectUpTo).toBe(entry!.id);
        const [again] = await scene.log(claim.epoch);
        expect(again!.id).toBe(entry!.id);
        expect(again!.acceptedAt).toBe(entry!.acceptedAt);
        expect(texts(again!.events)).toEqual(['one', 'two']);
        expect(await scene.store.begin(0, claim.epoch, entry!.id, 1)).toBe(1);
        await expect(scene.log(before)).rejects.toThrow(Fenced);
        await scene.store.release(0, 'w2', claim.epoch);
        await scene.reopen();
        expect((await scene.store.claim(0, 'w3', hour, 100))!.suspectUpTo).toBeUndefined();
      }),
    );

    unless(lacks.sharing)(
      'holds between processes that share the store',
      withScene(open, roomy, async (scene) => {
        const other: Store = await scene.share();
        const epoch = await scene.own('w1');
        expect(await other.claim(0, 'w2', hour, 100)).toBeUndefined();
        await other.append(0, [event('from the other')]);
        expect((await scene.log(epoch)).flatMap(({ events }) => texts(events))).toEqual(['from the other']);
        await scene.store.release(0, 'w1', epoch);
        expect((await other.claim(0, 'w2', hour, 100))!.epoch).toBeGreaterThan(epoch);
        await expect(scene.log(epoch)).rejects.toThrow(Fenced);
      }),
    );
  });
}
