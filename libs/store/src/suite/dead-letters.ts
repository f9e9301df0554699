/** Dead letters: paging, giving them another life, and forgetting a deleted subscription's. */
import { describe, expect, test } from '@jest/globals';
import type { DeadLetter, Disposition } from '../port.js';
import {
  dead,
  dueLater,
  dueNow,
  ended,
  hour,
  type Lacks,
  life,
  onlyEntries,
  type OpenStore,
  roomy,
  type Scene,
  settled,
  subA,
  subB,
  texts,
  topic,
  unless,
  withScene,
} from './scene.js';

async function allPages(scene: Scene, subscription: string, max: number): Promise<DeadLetter[]> {
  const all: DeadLetter[] = [];
  let after: string | undefined;
  do {
    const { deadLetters, next } = await scene.store.deadLetters(0, subscription, after, max);
    expect(deadLetters.length).toBeLessThanOrEqual(max);
    all.push(...deadLetters);
    after = next;
  } while (after !== undefined);
  return all;
}

export function describeDeadLetters(open: OpenStore, lacks: Lacks): void {
  describe('dead letters', () => {
    test(
      'keep the delivery, its reason and its state, and are not attempted',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const { now } = await scene.store.usage(0);
        const given: Disposition = {
          kind: 'deadLettered',
          reason: 'MaxDeliveryAttemptsExceeded',
          state: { attempts: 30, liveFrom: 1, lastAttemptAt: 2, lastOutcome: 'Busy', lastStatus: 429 },
        };
        const place = await scene.hold(epoch, 'the event', given);
        const { deadLetters, next } = await scene.store.deadLetters(0, subA, undefined, 10);
        expect(next).toBeUndefined();
        expect(deadLetters).toHaveLength(1);
        const { reason, state } = given;
        expect(deadLetters[0]).toMatchObject({ place, subscription: subA, topic, reason, state });
        expect(texts(deadLetters)).toEqual(['the event']);
        const { acceptedAt, deadLetteredAt } = deadLetters[0]!;
        expect(acceptedAt).toBeGreaterThanOrEqual(now);
        expect(deadLetteredAt).toBeGreaterThanOrEqual(acceptedAt);
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        expect((await scene.store.deadLetters(0, subB, undefined, 10)).deadLetters).toEqual([]);
      }),
    );

    test(
      'are paged through in the order of dead-lettering',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'accepted first, given up last', dueNow);
        await scene.hold(epoch, 'of another', dead, subB);
        const expected: string[] = [];
        for (let index = 0; index < 7; index++) {
          await scene.hold(epoch, `number ${index}`, dead);
          expected.push(`number ${index}`);
          await scene.pass(2);
        }
        const [delivery] = (await scene.ask(epoch)).deliveries;
        await scene.store.settle(0, epoch, ended(delivery!, dead));
        expected.push('accepted first, given up last');
        for (const max of [1, 3, 8, 100]) expect(texts(await allPages(scene, subA, max))).toEqual(expected);
      }),
    );

    test(
      'given up in one step are all paged through, each once',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const contents = Array.from({ length: 40 }, (_, index) => `event ${index}`);
        await scene.publish(...contents);
        const [entry] = await scene.log(epoch);
        const all = contents.map((_, index) => [index, subA, dead] as const);
        await scene.store.settle(0, epoch, onlyEntries(settled(entry!, ...all)));
        expect(texts(await allPages(scene, subA, 7)).sort()).toEqual(contents.sort());
      }),
    );

    test(
      'are not paged through from a place that no page gave out',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'dead', dead);
        await expect(scene.store.deadLetters(0, subA, 'nowhere', 10)).rejects.toThrow(RangeError);
        await expect(scene.store.history(0, topic, 'nowhere', 10)).rejects.toThrow(RangeError);
      }),
    );

    test(
      'go on from a place in the list that has been redriven meanwhile',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (let index = 0; index < 4; index++) {
          await scene.hold(epoch, `${index}`, dead);
          await scene.pass(2);
        }
        const { deadLetters, next } = await scene.store.deadLetters(0, subA, undefined, 2);
        await scene.store.redrive(0, subA, { places: deadLetters.map(({ place }) => place) });
        const rest = await scene.store.deadLetters(0, subA, next, 10);
        expect(texts(rest.deadLetters)).toEqual(['2', '3']);
      }),
    );

    test(
      'are redriven by place: due now, no attempts made, a new time to live',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const { now } = await scene.store.usage(0);
        const places = [];
        for (let index = 0; index < 3; index++) places.push(await scene.hold(epoch, `${index}`, dead));
        const ghost = { partition: 0, entry: places[0]!.entry, index: 9 };
        const which = { places: [places[1]!, places[2]!, ghost] };
        expect(await scene.store.redrive(0, subB, which)).toBe(0);
        expect(await scene.store.redrive(0, subA, which)).toBe(2);
        expect(await scene.store.redrive(0, subA, which)).toBe(0);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 2, deadLettered: 1 });
        const { deliveries } = await scene.ask(epoch);
        expect(texts(deliveries).sort()).toEqual(['1', '2']);
        for (const { state, leaseExpired, place } of deliveries) {
          expect(state.attempts).toBe(0);
          expect(state.liveFrom).toBeGreaterThanOrEqual(now);
          expect(leaseExpired).toBe(false);
          expect(places).toContainEqual(place);
        }
        for (const delivery of deliveries) await scene.store.settle(0, epoch, ended(delivery));
        expect(await scene.store.redrive(0, subA, which)).toBe(0);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 0, deadLettered: 1 });
      }),
    );

    test(
      'that are redriven wake the owner, and nobody when there are none or nobody listens',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        let woken: number[] = [];
        const stop = scene.store.onRedrive((partition) => woken.push(partition));
        await scene.log(epoch);
        for (const content of ['0', '1']) {
          woken = [];
          await scene.hold(epoch, content, dead);
          await scene.store.redrive(0, subA, { max: 1 });
          await scene.until(async () => (woken.includes(0) ? true : undefined));
        }
        woken = [];
        expect(await scene.store.redrive(0, subA, { max: 1 })).toBe(0);
        stop();
        stop();
        await scene.hold(epoch, '2', dead);
        expect(await scene.store.redrive(0, subA, { max: 1 })).toBe(1);
        await scene.log(epoch);
        expect(woken).toEqual([]);
      }),
    );

    unless(lacks.sharing)(
      'that another process redrives wake the owner',
      withScene(open, roomy, async (scene) => {
        const other = await scene.share();
        const epoch = await scene.own();
        let woken = false;
        const stop = scene.store.onRedrive((partition) => {
          woken ||= partition === 0;
        });
        await scene.until(async () => {
          await scene.log(epoch);
          await scene.hold(epoch, 'again', dead);
          await other.redrive(0, subA, { max: 1 });
          await new Promise((resolve) => setTimeout(resolve, 5));
          return woken || undefined;
        });
        stop();
      }),
    );

    test(
      'are redriven all, oldest first, at most so many at a time',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'deferred', dueLater);
        for (let index = 0; index < 5; index++) {
          await scene.hold(epoch, `${index}`, dead);
          await scene.pass(2);
        }
        expect(await scene.store.redrive(0, subA, { max: 2 })).toBe(2);
        expect(texts((await scene.ask(epoch)).deliveries).sort()).toEqual(['0', '1']);
        expect(await scene.store.redrive(0, subA, { max: 100 })).toBe(3);
        expect(await scene.store.redrive(0, subA, { max: 100 })).toBe(0);
        expect(texts((await scene.ask(epoch)).deliveries).sort()).toEqual(['2', '3', '4']);
        expect(await scene.store.redrive(0, life('nobody'), { max: 5 })).toBe(0);
      }),
    );

    test(
      'are found by their place, and only there',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const place = await scene.hold(epoch, 'dead', dead);
        const deferred = await scene.hold(epoch, 'deferred', dueLater);
        const { store } = scene;
        const [letter] = (await store.deadLetters(0, subA, undefined, 10)).deadLetters;
        expect(await store.deadLetter(0, subA, place)).toEqual(letter);
        expect(await store.deadLetter(0, subB, place)).toBeUndefined();
        expect(await store.deadLetter(0, life('nobody'), place)).toBeUndefined();
        expect(await store.deadLetter(0, subA, { ...place, index: 9 })).toBeUndefined();
        expect(await store.deadLetter(0, subA, { ...place, entry: 'nonsense' })).toBeUndefined();
        expect(await store.deadLetter(0, subA, deferred)).toBeUndefined();
        await store.redrive(0, subA, { places: [place] });
        expect(await store.deadLetter(0, subA, place)).toBeUndefined();
      }),
    );

    test(
      'are let go when they are kept elsewhere: those named, each once, and nothing else',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.publish('of both');
        const [entry] = await scene.log(epoch);
        const of = [subA, subB].map((subscription) => [0, subscription, dead] as const);
        await scene.store.settle(0, epoch, onlyEntries(settled(entry!, ...of)));
        for (const content of ['1', '2']) await scene.hold(epoch, content, dead);
        const { store } = scene;
        const letters = await allPages(scene, subA, 10);
        const ghost = { ...letters[0]!, place: { ...letters[0]!.place, index: 9 } };
        const named = [letters[0]!, letters[2]!, ghost, letters[0]!];
        expect(await store.letGo(0, life('nobody'), named)).toBe(0);
        expect(await store.letGo(0, subA, [])).toBe(0);
        expect(await store.letGo(0, subA, named)).toBe(2);
        expect(await store.letGo(0, subA, named)).toBe(0);
        expect(texts(await allPages(scene, subA, 10))).toEqual([texts(letters)[1]]);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 0, deadLettered: 1 });
        // The event of both is still held for the other.
        expect(texts(await allPages(scene, subB, 10))).toEqual(['of both']);
        await store.letGo(0, subA, letters);
        expect(await scene.usageOf(subA)).toBeUndefined();
      }),
    );

    test(
      'are not let go once they have been redriven, nor when they have been given up again since',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'dead', dead);
        const { store } = scene;
        const before = await allPages(scene, subA, 10);
        await scene.pass(2);
        await store.redrive(0, subA, { max: 1 });
        expect(await store.letGo(0, subA, before)).toBe(0);
        const [delivery] = (await scene.ask(epoch)).deliveries;
        await store.settle(0, epoch, ended(delivery!, dead));
        expect(await store.letGo(0, subA, before)).toBe(0);
        const since = await allPages(scene, subA, 10);
        expect(texts(since)).toEqual(['dead']);
        expect(await store.letGo(0, subA, since)).toBe(1);
      }),
    );

    test(
      'redriven for a parked subscription wait for it no longer once it is hastened',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'dead', dead);
        await scene.store.redrive(0, subA, { max: 1 });
        expect((await scene.ask(epoch, { parked: new Map([[subA, hour]]) })).deliveries).toEqual([]);
        await scene.store.hasten(0, subA);
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['dead']);
      }),
    );

    test(
      'and deferred deliveries of a deleted subscription are purged in bounded steps',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (let index = 0; index < 3; index++) await scene.hold(epoch, `dead ${index}`, dead);
        for (let index = 0; index < 3; index++) await scene.hold(epoch, `deferred ${index}`, dueNow);
        await scene.hold(epoch, 'of another', dueNow, subB);
        const [leased] = (await scene.ask(epoch, { max: 1, rooms: new Map([[subB, 0]]) })).deliveries;
        let purged = 0;
        for (const expected of [2, 2, 2, 0, 0]) {
          expect(await scene.store.purge(0, subA, 2)).toBe(expected);
          purged += expected;
          const usage = await scene.usageOf(subA);
          expect((usage?.deferred ?? 0) + (usage?.deadLettered ?? 0)).toBe(6 - purged);
        }
        expect(await scene.usageOf(subA)).toBeUndefined();
        await scene.store.settle(0, epoch, ended(leased!, dueNow));
        expect(await scene.usageOf(subA)).toBeUndefined();
        expect((await scene.store.deadLetters(0, subA, undefined, 10)).deadLetters).toEqual([]);
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['of another']);
      }),
    );

    unless(lacks.reopening)(
      'survive reopening, in their order, redriven or not',
      withScene(open, roomy, async (scene) => {
        let epoch = await scene.own('w1', 20);
        for (let index = 0; index < 4; index++) {
          await scene.hold(epoch, `${index}`, dead);
          await scene.pass(2);
        }
        await scene.store.redrive(0, subA, { max: 1 });
        await scene.reopen();
        epoch = await scene.own('w2');
        expect(texts(await allPages(scene, subA, 2))).toEqual(['1', '2', '3']);
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['0']);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 1, deadLettered: 3 });
      }),
    );
  });
}
