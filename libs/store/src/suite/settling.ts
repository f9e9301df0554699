/** Settling: what removes an entry, what that defers, what ends a lease, and that saying it twice changes nothing. */
import { describe, expect, test } from '@jest/globals';
import { chargedBytes } from '../bounds.js';
import type { DeliveryState, Disposition, SettleBatch } from '../port.js';
import {
  dead,
  dueLater,
  dueNow,
  ended,
  freshState,
  hour,
  type Lacks,
  life,
  onlyEntries,
  type OpenStore,
  roomy,
  settled,
  subA,
  subB,
  subC,
  text,
  texts,
  unless,
  withScene,
} from './scene.js';

const leased = (token: string, leaseMs = hour): Disposition => ({
  kind: 'leased',
  leaseMs,
  token,
  state: freshState,
});

/** A state in which nothing is missing, to see that all of it comes back. */
const fullState: DeliveryState = {
  attempts: 7,
  liveFrom: 1_700_000_000_123,
  lastAttemptAt: 1_700_000_001_234,
  lastOutcome: 'ServerError',
  lastStatus: 503,
  lastError: 'the endpoint said "no" — and\nnothing more: ü€😀',
};

export function describeSettling(open: OpenStore, lacks: Lacks): void {
  describe('settling', () => {
    test(
      'removes entries, once',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.publish('one');
        await scene.publish('two');
        await scene.publish('three');
        const [one, two] = await scene.log(epoch);
        const batch = onlyEntries(settled(two!), settled(one!), settled(two!));
        expect(await store.settle(0, epoch, batch)).toEqual({ removed: 2, quotaEffects: [] });
        expect(await store.settle(0, epoch, batch)).toEqual({ removed: 0, quotaEffects: [] });
        expect((await scene.log(epoch)).flatMap(({ events }) => texts(events))).toEqual(['three']);
        expect((await store.usage(0)).logEntries).toBe(1);
      }),
    );

    test(
      'defers what was not finished only if this call removed the entry',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.publish('one', 'two');
        const [entry] = await scene.log(epoch);
        const first = onlyEntries(settled(entry!, [1, subA, dueNow], [1, subB, dueNow], [0, subB, dueLater]));
        expect((await store.settle(0, epoch, first)).removed).toBe(1);
        const other = onlyEntries(settled(entry!, [0, subC, dueNow], [0, subA, dueNow]));
        for (const again of [first, other, first]) {
          expect((await store.settle(0, epoch, again)).removed).toBe(0);
        }
        const { deliveries } = await scene.ask(epoch);
        const got = deliveries.map(({ subscription, frame }) => `${subscription} ${text({ frame })}`);
        expect(got.sort()).toEqual([`${subA} two`, `${subB} two`]);
        expect(await scene.usageOf(subB)).toMatchObject({ deferred: 2 });
        expect(await scene.usageOf(subC)).toBeUndefined();
        // A repetition does not revive what has been leased since, nor what is finished.
        await store.settle(0, epoch, first);
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        for (const delivery of deliveries) await store.settle(0, epoch, ended(delivery));
        await store.settle(0, epoch, first);
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        expect(await scene.usageOf(subA)).toBeUndefined();
        expect(await scene.usageOf(subB)).toMatchObject({ deferred: 1 });
      }),
    );

    test(
      'keeps a delivery’s place, topic, acceptance, state and frame',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const frame = Buffer.from(Array.from({ length: 2_000 }, (_, index) => (index * 7) & 255));
        await store.append(0, [
          { topic: life('t0'), frame: Buffer.from('other') },
          { topic: life('t1'), frame },
        ]);
        const [entry] = await scene.log(epoch);
        const disposition: Disposition = { kind: 'deferred', dueInMs: 0, state: fullState };
        await store.settle(0, epoch, onlyEntries(settled(entry!, [1, subA, disposition])));
        const [delivery, ...more] = (await scene.ask(epoch, { token: 'worker.1_x-' })).deliveries;
        expect(more).toEqual([]);
        expect(delivery).toMatchObject({
          place: { partition: 0, entry: entry!.id, index: 1 },
          subscription: subA,
          topic: life('t1'),
          acceptedAt: entry!.acceptedAt,
          state: fullState,
          leaseExpired: false,
        });
        expect(delivery!.token.startsWith('worker.1_x-')).toBe(true);
        expect(delivery!.frame.equals(frame)).toBe(true);
      }),
    );

    test(
      'writes a delivery as leased, and applies its outcome by token',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const place = await scene.hold(epoch, 'long attempt', leased('t-1'));
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        const attempt = { place, subscription: subA, token: 't-1' };
        await store.settle(0, epoch, ended({ ...attempt, token: 't-0' }));
        await store.settle(0, epoch, ended({ ...attempt, token: '' }));
        await store.settle(0, epoch, ended({ ...attempt, subscription: subB }));
        await store.settle(0, epoch, ended({ ...attempt, place: { ...place, index: 1 } }));
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 1 });
        await store.settle(0, epoch, ended(attempt));
        expect(await scene.usageOf(subA)).toBeUndefined();
        expect((await store.settle(0, epoch, ended(attempt))).removed).toBe(0);
      }),
    );

    test(
      'lets one batch remove an entry and end a lease, also that of its own deferral',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const place = await scene.hold(epoch, 'first', leased('t-1'));
        await scene.publish('second');
        const [entry] = await scene.log(epoch);
        const batch: SettleBatch = {
          entries: [settled(entry!, [0, subB, leased('t-2')])],
          outcomes: [
            ...ended({ place, subscription: subA, token: 't-1' }).outcomes,
            ...ended({ place: { ...place, entry: entry!.id }, subscription: subB, token: 't-2' }, dueNow)
              .outcomes,
          ],
        };
        expect((await store.settle(0, epoch, batch)).removed).toBe(1);
        expect(await scene.usageOf(subA)).toBeUndefined();
        expect(texts((await scene.ask(epoch)).deliveries)).toEqual(['second']);
      }),
    );

    test(
      'ends a lease as deferred, leased anew, dead-lettered or finished, and forgets the token',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.hold(epoch, 'the event', dueNow);
        const [first] = (await scene.ask(epoch)).deliveries;
        const retry = ended(first!, { kind: 'deferred', dueInMs: 0, state: fullState });
        await store.settle(0, epoch, retry);
        const [second] = (await scene.ask(epoch)).deliveries;
        expect(second).toMatchObject({ place: first!.place, state: fullState, leaseExpired: false });
        expect(second!.token).not.toBe(first!.token);
        // The outcome of the attempt before says nothing about this one.
        await store.settle(0, epoch, retry);
        await store.settle(0, epoch, ended(first!));
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
        const prolonged = ended(second!, leased('t-3'));
        await store.settle(0, epoch, prolonged);
        await store.settle(0, epoch, prolonged);
        await store.settle(0, epoch, ended(second!));
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 1, deadLettered: 0 });
        const given = ended({ ...second!, token: 't-3' }, dead);
        await store.settle(0, epoch, given);
        await store.settle(0, epoch, given);
        await store.settle(0, epoch, ended({ ...second!, token: 't-3' }));
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 0, deadLettered: 1 });
        expect((await scene.ask(epoch)).deliveries).toEqual([]);
      }),
    );

    test(
      'counts what each subscription holds, exactly',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const sizes = [100, 2_000, 30_000];
        await scene.publish(...sizes.map((size) => Buffer.alloc(size, 'x')));
        const [entry] = await scene.log(epoch);
        const usage = async () => {
          const { subscriptions } = await store.usage(0);
          return subscriptions.toSorted((a, b) => (a.subscription < b.subscription ? -1 : 1));
        };
        expect(await usage()).toEqual([]);
        await store.settle(
          0,
          epoch,
          onlyEntries(
            settled(entry!, [0, subA, dueNow], [1, subA, leased('t')], [2, subA, dead], [1, subB, dueLater]),
          ),
        );
        const charge = (...indexes: number[]) =>
          indexes.reduce((sum, index) => sum + chargedBytes(sizes[index]!), 0);
        const { acceptedAt } = entry!;
        const forA = {
          subscription: subA,
          deferred: 2,
          deferredBytes: charge(0, 1),
          deadLettered: 1,
          deadLetteredBytes: charge(2),
          oldestAcceptedAt: acceptedAt,
        };
        const forB = {
          subscription: subB,
          deferred: 1,
          deferredBytes: charge(1),
          deadLettered: 0,
          deadLetteredBytes: 0,
          oldestAcceptedAt: acceptedAt,
        };
        expect(await usage()).toEqual([forA, forB]);
        const [delivery] = (await scene.ask(epoch)).deliveries;
        expect(await usage()).toEqual([forA, forB]);
        await store.settle(0, epoch, ended(delivery!));
        expect(await usage()).toEqual([{ ...forA, deferred: 1, deferredBytes: charge(1) }, forB]);
        const { place } = delivery!;
        await store.settle(
          0,
          epoch,
          ended({ place: { ...place, index: 1 }, subscription: subA, token: 't' }, dead),
        );
        expect(await usage()).toEqual([
          {
            ...forA,
            deferred: 0,
            deferredBytes: 0,
            deadLettered: 2,
            deadLetteredBytes: charge(1, 2),
            oldestAcceptedAt: undefined,
          },
          forB,
        ]);
      }),
    );

    test(
      'names the acceptance of the oldest delivery that is still open',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const accepted: number[] = [];
        for (const content of ['one', 'two', 'three']) {
          await scene.publish(content);
          const entry = (await scene.log(epoch)).at(-1)!;
          accepted.push(entry.acceptedAt);
          await scene.store.settle(0, epoch, onlyEntries(settled(entry, [0, subA, dueNow])));
          await scene.pass(3);
        }
        expect(accepted[1]).toBeGreaterThan(accepted[0]!);
        const { deliveries } = await scene.ask(epoch);
        for (const [index, delivery] of deliveries.entries()) {
          expect((await scene.usageOf(subA))!.oldestAcceptedAt).toBe(accepted[index]);
          await scene.store.settle(0, epoch, ended(delivery));
        }
      }),
    );

    test(
      'takes thousands of deferrals in one step',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.publish(...Array.from({ length: 500 }, (_, index) => `event ${index}`));
        const entries = await scene.log(epoch);
        const subscriptions = Array.from({ length: 5 }, (_, index) => life(`many${index}`));
        const batch = onlyEntries(
          ...entries.map((entry) =>
            settled(
              entry,
              ...entry.events.flatMap((_, index) =>
                subscriptions.map((subscription) => [index, subscription, dueNow] as const),
              ),
            ),
          ),
        );
        expect((await store.settle(0, epoch, batch)).removed).toBe(entries.length);
        const { deliveries, nextInMs } = await scene.ask(epoch, { max: 2_400 });
        expect(deliveries).toHaveLength(2_400);
        expect(nextInMs).toBe(0);
        const outcomes = deliveries.flatMap((delivery) => ended(delivery).outcomes);
        await store.settle(0, epoch, { entries: [], outcomes });
        const { subscriptions: left } = await store.usage(0);
        expect(left.reduce((sum, { deferred }) => sum + deferred, 0)).toBe(100);
      }),
    );

    unless(lacks.reopening)(
      'is there after reopening: deliveries, leases and counts',
      withScene(open, roomy, async (scene) => {
        let epoch = await scene.own('w1', 20);
        await scene.publish('now', 'later', 'attempted', 'dead');
        const [entry] = await scene.log(epoch);
        const deferred: Disposition = { kind: 'deferred', dueInMs: 0, state: fullState };
        const batch = onlyEntries(
          settled(
            entry!,
            [0, subA, deferred],
            [1, subA, dueLater],
            [2, subA, leased('t-1')],
            [3, subA, dead],
          ),
        );
        await scene.store.settle(0, epoch, batch);
        const before = await scene.store.usage(0);
        await scene.reopen();
        expect((await scene.store.usage(0)).subscriptions).toEqual(before.subscriptions);
        epoch = await scene.own('w2');
        expect((await scene.store.settle(0, epoch, batch)).removed).toBe(0);
        const { deliveries } = await scene.ask(epoch);
        expect(texts(deliveries)).toEqual(['now']);
        expect(deliveries[0]).toMatchObject({ state: fullState, acceptedAt: entry!.acceptedAt });
        const attempted = { partition: 0, entry: entry!.id, index: 2 };
        await scene.store.settle(0, epoch, ended({ place: attempted, subscription: subA, token: 't-1' }));
        expect(await scene.usageOf(subA)).toMatchObject({ deferred: 2, deadLettered: 1 });
        const page = await scene.store.deadLetters(0, subA, undefined, 10);
        expect(texts(page.deadLetters)).toEqual(['dead']);
      }),
    );
  });
}
