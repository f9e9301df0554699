/** Consumers: leases of one subscription's deliveries without owning the partition, and what they make of them. */
import { describe, expect, test } from '@jest/globals';
import type { Incarnation } from '@gridpost/model';
import type { Disposition, LeasedDelivery, LeaseOutcome } from '../port.js';
import {
  apartMs,
  dead,
  dueLater,
  dueNow,
  ended,
  expectTokensApart,
  freshState,
  hour,
  life,
  oldMs,
  type OpenStore,
  onlyEntries,
  roomy,
  settled,
  subA,
  subB,
  texts,
  withScene,
} from './scene.js';

const shortMs = 20;

const outcomeOf = (
  { place, subscription, token }: LeasedDelivery,
  disposition: LeaseOutcome['disposition'] = { kind: 'finished' },
): LeaseOutcome => ({ entry: place.entry, index: place.index, subscription, token, disposition });

const releasedIn = (dueInMs: number, attempts = 1): Disposition => ({
  kind: 'deferred',
  dueInMs,
  state: { ...freshState, attempts },
});

export function describeReceiving(open: OpenStore): void {
  describe('receiving', () => {
    test(
      'gives what is due of one subscription, earliest first, and counts it',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        expect(await scene.receive()).toMatchObject({ deliveries: [], nextInMs: undefined });
        const places = [];
        for (const content of ['one', 'two', 'three']) places.push(await scene.hold(epoch, content, dueNow));
        await scene.hold(epoch, 'later', dueLater);
        await scene.hold(epoch, 'of another', dueNow, subB);
        const first = await scene.receive({ max: 2 });
        expect(texts(first.deliveries)).toEqual(['one', 'two']);
        expect(first.nextInMs).toBe(0);
        expect(first.deliveries.map(({ place }) => place)).toEqual(places.slice(0, 2));
        for (const { state, leaseExpired, subscription } of first.deliveries) {
          expect(state).toEqual({ ...freshState, attempts: 1, lastAttemptAt: first.now });
          expect(leaseExpired).toBe(false);
          expect(subscription).toBe(subA);
        }
        const second = await scene.receive();
        expect(texts(second.deliveries)).toEqual(['three']);
        expect(second.nextInMs).toBeGreaterThan(hour / 2);
        expect((await scene.receive()).deliveries).toEqual([]);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 4 });
      }),
    );

    test(
      'never gives two consumers the same, nor the same token',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.publish(...Array.from({ length: 40 }, (_, index) => `${index}`));
        const [entry] = await scene.log(epoch);
        const deferrals = entry!.events.map((_, index) => [index, subA, dueNow] as const);
        await scene.store.settle(0, epoch, onlyEntries(settled(entry!, ...deferrals)));
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, each) => scene.receive({ max: 5, token: `c${each}-` })),
        );
        const all = answers.flatMap(({ deliveries }) => deliveries);
        expect(all).toHaveLength(40);
        expect(new Set(texts(all)).size).toBe(40);
        expectTokensApart(answers);
      }),
    );

    test(
      'ends an answer where it is large enough, and says that there is more',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (let index = 0; index < 7; index++) await scene.hold(epoch, Buffer.alloc(2 ** 20, '.'), dueNow);
        const first = await scene.receive();
        expect(first.deliveries.length).toBeGreaterThan(0);
        expect(first.deliveries.length).toBeLessThan(7);
        expect(first.nextInMs).toBe(0);
        let count = first.deliveries.length;
        for (let left = 7; left > 0; left--) count += (await scene.receive()).deliveries.length;
        expect(count).toBe(7);
      }),
    );

    test(
      'is not disturbed by parking, and the owner who parks gets nothing of it',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const parked = new Map([[subA, hour]]);
        expect((await scene.ask(epoch, { parked })).deliveries).toEqual([]);
        await scene.hold(epoch, 'a', dueNow);
        await scene.hold(epoch, 'b', dueNow, subB);
        expect(texts((await scene.ask(epoch, { parked })).deliveries)).toEqual(['b']);
        const { deliveries } = await scene.receive();
        expect(texts(deliveries)).toEqual(['a']);
        await scene.store.conclude(0, [outcomeOf(deliveries[0]!, releasedIn(0))]);
        await scene.hold(epoch, 'c', dueNow, subB);
        expect(texts((await scene.ask(epoch, { parked })).deliveries)).toEqual(['c']);
        expect(texts((await scene.receive()).deliveries)).toEqual(['a']);
      }),
    );

    test(
      'gives again what nobody concluded in time, counted once more',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'event', dueNow);
        const [first] = (await scene.receive({ leaseMs: shortMs })).deliveries;
        const [second] = await scene.until(async () => {
          const { deliveries } = await scene.receive();
          return deliveries.length ? deliveries : undefined;
        });
        expect(second).toMatchObject({ place: first!.place, leaseExpired: true, state: { attempts: 2 } });
        expect(second!.token).not.toBe(first!.token);
        const { applied } = await scene.store.conclude(0, [outcomeOf(first!), outcomeOf(second!)]);
        expect(applied).toEqual([false, true]);
        expect(await scene.usageOf(subA)).toBeUndefined();
      }),
    );

    test(
      'ends by acknowledging, releasing and rejecting, each once',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (const content of ['done', 'again', 'later', 'dead']) await scene.hold(epoch, content, dueNow);
        const [done, again, later, rejected] = (await scene.receive()).deliveries;
        const outcomes = [
          outcomeOf(done!),
          outcomeOf(again!, releasedIn(0)),
          outcomeOf(later!, releasedIn(hour)),
          outcomeOf(rejected!, dead),
        ];
        expect(await scene.store.conclude(0, outcomes)).toEqual({
          applied: [true, true, true, true],
          quotaEffects: [],
        });
        expect((await scene.store.conclude(0, outcomes)).applied).toEqual([false, false, false, false]);
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 2, deadLettered: 1 });
        const received = await scene.receive();
        expect(texts(received.deliveries)).toEqual(['again']);
        expect(received.deliveries[0]!.state.attempts).toBe(2);
        const { deadLetters } = await scene.store.deadLetters(0, subA, undefined, 10);
        expect(texts(deadLetters)).toEqual(['dead']);
      }),
    );

    test(
      'counts an outcome only while the lease has not ended, and can prolong it until then',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'kept', dueNow);
        await scene.hold(epoch, 'lost', dueNow);
        const [kept] = (await scene.receive({ max: 1, leaseMs: hour / 2 })).deliveries;
        const [lost] = (await scene.receive({ max: 1, leaseMs: shortMs })).deliveries;
        const renewed: Disposition = {
          kind: 'leased',
          leaseMs: hour,
          token: kept!.token,
          state: kept!.state,
        };
        expect((await scene.store.conclude(0, [outcomeOf(kept!, renewed)])).applied).toEqual([true]);
        await scene.pass(shortMs + 10);
        expect((await scene.store.conclude(0, [outcomeOf(lost!)])).applied).toEqual([false]);
        expect((await scene.store.conclude(0, [outcomeOf(kept!)])).applied).toEqual([true]);
        expect(texts((await scene.receive()).deliveries)).toEqual(['lost']);
        // An owner's outcomes go by the token alone.
        await scene.hold(epoch, 'owned', dueNow, subB);
        const [owned] = (await scene.ask(epoch, { leaseMs: 1 })).deliveries;
        await scene.pass(shortMs);
        await scene.store.settle(0, epoch, ended(owned!));
        expect(await scene.usageOf(subB)).toBeUndefined();
      }),
    );

    test(
      'applies nothing to what is not there, was purged, or is leased under another token',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'event', dueNow);
        const [leased] = (await scene.receive()).deliveries;
        const none = [
          { ...outcomeOf(leased!), token: 'c1-other' },
          { ...outcomeOf(leased!), subscription: life('nobody') },
          { ...outcomeOf(leased!), index: 7 },
          { ...outcomeOf(leased!), entry: 'ffff' },
        ];
        expect((await scene.store.conclude(0, none)).applied).toEqual([false, false, false, false]);
        await scene.hold(epoch, 'another', dueNow);
        const [another] = (await scene.receive()).deliveries;
        const once = outcomeOf(another!);
        const { applied } = await scene.store.conclude(0, [once, { ...once, index: 256 }, once]);
        expect(applied).toEqual([true, false, false]);
        await scene.store.purge(0, subA, 10);
        expect((await scene.store.conclude(0, [outcomeOf(leased!)])).applied).toEqual([false]);
        expect((await scene.receive()).deliveries).toEqual([]);
        expect((await scene.store.usage(0)).subscriptions).toEqual([]);
      }),
    );

    test(
      'finds for a sweep what was accepted long enough ago, without counting it',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.hold(epoch, 'old', dueNow);
        await scene.pass(apartMs);
        await scene.hold(epoch, 'young', dueNow);
        expect((await scene.receive({ waitedMs: 60_000 })).deliveries).toEqual([]);
        const { deliveries } = await scene.receive({ waitedMs: oldMs });
        expect(texts(deliveries)).toEqual(['old']);
        expect(deliveries[0]!.state).toEqual(freshState);
        expect(texts((await scene.receive()).deliveries)).toEqual(['young']);
      }),
    );

    test(
      'is hinted at when something is announced or given back',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const woken = new Map<Incarnation, number[]>();
        let heard: () => void = () => {};
        const hint = () => new Promise<void>((resolve) => (heard = resolve));
        const listen = (subscription: Incarnation) =>
          scene.store.onDeferred(subscription, (partition) => {
            woken.set(subscription, [...(woken.get(subscription) ?? []), partition]);
            if (subscription === subA) heard();
          });
        const stopA = listen(subA);
        const stopB = listen(subB);
        const announce = async (subscription: Incarnation) => {
          await scene.publish('event');
          const entries = (await scene.log(epoch)).map((entry) => settled(entry, [0, subscription, dueNow]));
          await scene.store.settle(0, epoch, { entries, outcomes: [], announced: new Set([subscription]) });
        };
        // Until the store's own listening stands, hints are lost: announce until one is heard. Of the other subscription,
        // for those that are still on their way must not be counted below.
        await scene.until(async () => {
          await announce(subB);
          return woken.get(subB)?.includes(0) || undefined;
        });
        woken.clear();
        const first = hint();
        await announce(subA);
        await first;
        const { deliveries } = await scene.receive();
        const second = hint();
        await scene.store.conclude(0, [outcomeOf(deliveries[0]!, releasedIn(0))]);
        await second;
        expect(woken.get(subA)).toEqual([0, 0]);
        stopA();
        stopB();
        stopA();
      }),
    );
  });
}
