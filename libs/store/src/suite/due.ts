/** Due deliveries: order, rooms, parking, leases that run out, and being made due sooner. */
import { describe, expect, test } from '@jest/globals';
import type { Disposition, DueResult } from '../port.js';
import {
  dead,
  dueLater,
  dueNow,
  ended,
  expectTokensApart,
  freshState,
  hour,
  life,
  onlyEntries,
  type OpenStore,
  roomy,
  type Scene,
  settled,
  subA,
  subB,
  subC,
  texts,
  withScene,
} from './scene.js';

const dueIn = (dueInMs: number): Disposition => ({ kind: 'deferred', dueInMs, state: freshState });
const shortMs = 20;

/** Becomes the owner, with one delivery due for each of two subscriptions: `a` for the first, `b` for the second. */
async function ownTwoDue(scene: Scene): Promise<number> {
  const epoch = await scene.own();
  await scene.hold(epoch, 'a', dueNow, subA);
  await scene.hold(epoch, 'b', dueNow, subB);
  return epoch;
}

/** Asks until something is given. */
const given = (scene: Scene, epoch: number): Promise<DueResult['deliveries']> =>
  scene.until(async () => {
    const { deliveries } = await scene.ask(epoch);
    return deliveries.length ? deliveries : undefined;
  });

export function describeDue(open: OpenStore): void {
  describe('due deliveries', () => {
    test(
      'are given when they are due, and not before',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        expect(await scene.ask(epoch)).toMatchObject({ deliveries: [], nextInMs: undefined });
        const { now } = await scene.store.usage(0);
        await scene.hold(epoch, 'soon', dueIn(60));
        await scene.hold(epoch, 'later', dueLater);
        const answer = await scene.until(async () => {
          const due = await scene.ask(epoch);
          return due.deliveries.length ? due : undefined;
        });
        expect(texts(answer.deliveries)).toEqual(['soon']);
        expect(answer.now).toBeGreaterThanOrEqual(now + 60);
      }),
    );

    test(
      'come in the order in which they fell due, not in that of their events',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const delays = [30, 0, 45, 15];
        await scene.publish('third', 'first', 'fourth', 'second');
        const [entry] = await scene.log(epoch);
        const deferrals = delays.map((delay, index) => [index, subA, dueIn(delay)] as const);
        await scene.store.settle(0, epoch, onlyEntries(settled(entry!, ...deferrals)));
        await scene.pass(50);
        const { deliveries } = await scene.ask(epoch, { max: 3 });
        expect(texts(deliveries)).toEqual(['first', 'second', 'third']);
        expect(texts((await scene.ask(epoch, { max: 3 })).deliveries)).toEqual(['fourth']);
      }),
    );

    test(
      'of several subscriptions come earliest first where `max` leaves some behind',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'b', dueIn(5), subB);
        await scene.pass(30);
        await scene.hold(epoch, 'a', dueIn(0), subA);
        await scene.pass(30);
        const { deliveries, nextInMs } = await scene.ask(epoch, { max: 1 });
        expect(texts(deliveries)).toEqual(['b']);
        expect(nextInMs).toBe(0);
        expect(texts((await scene.ask(epoch, { max: 1 })).deliveries)).toEqual(['a']);
      }),
    );

    test(
      'are given at most as many as there is room for, per subscription and in all',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (const subscription of [subA, subB, subC]) {
          for (let index = 0; index < 4; index++) await scene.hold(epoch, `${index}`, dueNow, subscription);
        }
        const rooms = new Map([
          [subA, 0],
          [subB, 3],
        ]);
        const first = await scene.ask(epoch, { room: 2, rooms });
        const count = (subscription: string, from: typeof first) =>
          from.deliveries.filter((delivery) => delivery.subscription === subscription).length;
        expect([subA, subB, subC].map((subscription) => count(subscription, first))).toEqual([0, 3, 2]);
        expect(first.nextInMs).toBe(0);
        const second = await scene.ask(epoch, { room: 100, max: 5 });
        expect(second.deliveries).toHaveLength(5);
        const third = await scene.ask(epoch, { room: 100, max: 5 });
        expect(third.deliveries).toHaveLength(2);
        const all = [first, second, third].flatMap(({ deliveries }) => deliveries);
        expect(new Set(all.map(({ place, subscription }) => `${place.entry} ${subscription}`)).size).toBe(12);
        expectTokensApart([first, second, third]);
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
      }),
    );

    test(
      'of a parked subscription stay, until the parking is over',
      withScene(open, roomy, async (scene) => {
        const epoch = await ownTwoDue(scene);
        const parked = await scene.ask(epoch, {
          parked: new Map([
            [subA, 80],
            [subC, 80],
          ]),
        });
        expect(texts(parked.deliveries)).toEqual(['b']);
        if ((await scene.ask(epoch, { parked: new Map([[subA, 80]]) })).deliveries.length) {
          throw new Error('a parked subscription was attempted');
        }
        const after = await given(scene, epoch);
        expect(texts(after)).toEqual(['a']);
      }),
    );

    test(
      'of parked subscriptions stay, each for its own time',
      withScene(open, roomy, async (scene) => {
        const epoch = await ownTwoDue(scene);
        const parked = await scene.ask(epoch, {
          parked: new Map([
            [subA, hour],
            [subB, 80],
          ]),
        });
        expect(parked.deliveries).toEqual([]);
        expect(parked.nextInMs).toBeLessThanOrEqual(80);
        const after = await given(scene, epoch);
        expect(texts(after)).toEqual(['b']);
      }),
    );

    test(
      'of a parked subscription are not looked at by an ask that does not name it, unless hastened',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'a', dueNow, subA);
        await scene.hold(epoch, 'a too', dueLater, subA);
        await scene.ask(epoch, { parked: new Map([[subA, hour]]) });
        const left = await scene.ask(epoch);
        expect(left.deliveries).toEqual([]);
        expect(left.nextInMs).toBeGreaterThan(0);
        expect(left.nextInMs).toBeLessThanOrEqual(hour);
        await scene.store.hasten(0, subA);
        expect(texts((await scene.ask(epoch)).deliveries).sort()).toEqual(['a', 'a too']);
      }),
    );

    test(
      'of a subscription that was parked when it held nothing are not looked at',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.ask(epoch, { parked: new Map([[subA, hour]]) });
        await scene.hold(epoch, 'a', dueNow, subA);
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        await scene.store.hasten(0, subA);
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['a']);
        // Nor is parking left over that ended while it held nothing.
        await scene.ask(epoch, { parked: new Map([[subB, hour]]) });
        await scene.store.hasten(0, subB);
        await scene.hold(epoch, 'b', dueNow, subB);
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['b']);
      }),
    );

    test(
      'of a subscription that the owner before had parked are given to the next',
      withScene(open, roomy, async (scene) => {
        const epoch = await ownTwoDue(scene);
        const parked = new Map([
          [subA, hour],
          [subB, hour],
        ]);
        expect((await scene.ask(epoch, { parked })).deliveries).toEqual([]);
        const next = await scene.own();
        const still = new Map([[subB, hour]]);
        expect(texts((await scene.ask(next, { parked: still })).deliveries)).toEqual(['a']);
      }),
    );

    test(
      'are given again when their lease ends without an outcome, under a new token',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.hold(epoch, 'attempted', dueNow);
        const [first] = (await scene.ask(epoch, { leaseMs: shortMs })).deliveries;
        expect(first!.leaseExpired).toBe(false);
        const [second] = await given(scene, epoch);
        expect(second).toMatchObject({ place: first!.place, leaseExpired: true, state: first!.state });
        expect(second!.token).not.toBe(first!.token);
        // Too late: the delivery belongs to the second attempt.
        await store.settle(0, epoch, ended(first!));
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 1 });
        await store.settle(0, epoch, ended(second!, dueNow));
        const [third] = (await scene.ask(epoch)).deliveries;
        expect(third!.leaseExpired).toBe(false);
        await store.settle(0, epoch, ended(third!));
        expect(await scene.usageOf(subA)).toBeUndefined();
      }),
    );

    test(
      'written as leased by a settle are given when that lease ends',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const leased: Disposition = { kind: 'leased', leaseMs: shortMs, token: 't', state: freshState };
        await scene.hold(epoch, 'attempted', leased);
        const [delivery] = await given(scene, epoch);
        expect(delivery).toMatchObject({ leaseExpired: true, subscription: subA });
      }),
    );

    test(
      'accept the outcome of a lease that ran out, while nobody else has been given the delivery',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'attempted', dueNow);
        const [delivery] = (await scene.ask(epoch, { leaseMs: 1 })).deliveries;
        await scene.pass(5);
        await scene.store.settle(0, epoch, ended(delivery!));
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        expect(await scene.usageOf(subA)).toBeUndefined();
      }),
    );

    test(
      'can be had sooner by hastening, except what is leased',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const leased: Disposition = { kind: 'leased', leaseMs: hour / 2, token: 't', state: freshState };
        await scene.hold(epoch, 'attempted', leased);
        await scene.hold(epoch, 'later', dueLater);
        await scene.hold(epoch, 'dead', dead);
        await scene.hold(epoch, 'of another', dueLater, subB);
        await scene.store.hasten(0, subA);
        await scene.store.hasten(0, subA);
        await scene.store.hasten(0, life('nobody'));
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['later']);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 2, deadLettered: 1 });
      }),
    );

    test(
      'hastened come before what falls due after that, and after what was due before',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'second', dueLater);
        await scene.hold(epoch, 'first', dueNow);
        await scene.pass(5);
        await scene.store.hasten(0, subA);
        await scene.pass(5);
        await scene.hold(epoch, 'third', dueNow);
        await scene.hold(epoch, 'not yet', dueLater);
        const { deliveries } = await scene.ask(epoch);
        expect(texts(deliveries)).toEqual(['first', 'second', 'third']);
      }),
    );

    test(
      'may be deferred and leased for fractions of a millisecond',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'deferred', dueIn(0.4));
        const leased: Disposition = { kind: 'leased', leaseMs: 0.4, token: 't', state: freshState };
        await scene.hold(epoch, 'leased', leased, subB);
        await scene.pass(3);
        const { deliveries } = await scene.ask(epoch, { leaseMs: 1.5 });
        expect(texts(deliveries).sort()).toEqual(['deferred', 'leased']);
        await scene.pass(3);
        expect((await scene.ask(epoch)).deliveries).toHaveLength(2);
      }),
    );

    test(
      'say when the next one is due',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'now', dueNow);
        await scene.hold(epoch, 'in an hour', dueLater);
        const { nextInMs } = await scene.ask(epoch, { leaseMs: 3 * hour });
        expect(nextInMs).toBeGreaterThan(hour - 60_000);
        expect(nextInMs).toBeLessThanOrEqual(hour);
      }),
    );
  });
}
