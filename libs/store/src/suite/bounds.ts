/** Nothing grows without bound: quotas of subscriptions, a full store, and payloads that are held once and let go. */
import { describe, expect, test } from '@jest/globals';
import { quotaOf } from '../bounds.js';
import type { LeasedDelivery, SettleBatch, StoreLimits } from '../port.js';
import {
  dead,
  dueLater,
  dueNow,
  ended,
  event,
  expectRefusal,
  hour,
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
  withScene,
} from './scene.js';

/**
 * A quota of some twenty deliveries of this size or more, up to eight partitions; the fifth that is kept free for dead
 * letters takes more than the three that a test looks at.
 */
const frameBytes = 20_000;
const small: StoreLimits = { bytesMax: 32 * 2 ** 20, subscriptionShare: 0.1 };
/** Everything may belong to one subscription, so that the store fills before a quota does. */
const unshared: StoreLimits = { bytesMax: 24 * 2 ** 20, subscriptionShare: 1 };

/** Appends until the store refuses; returns how many requests it took. */
async function fill(scene: Scene, bytes: number): Promise<number> {
  const request = Array.from({ length: 4 }, () => event(Buffer.alloc(bytes / 4, 'x')));
  for (let count = 0; ; count++) {
    if ((count * bytes) / 2 > unshared.bytesMax) throw new Error('the store never became full');
    const error: unknown = await scene.store.append(0, request).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    await expectRefusal(Promise.reject(error), 'StoreFull');
    return count;
  }
}

export function describeBounds(open: OpenStore): void {
  describe('bounds', () => {
    test(
      'turn the oldest deferred deliveries of a subscription over 4/5 of its quota into dead letters',
      withScene(open, small, async (scene) => {
        const epoch = await scene.own();
        const { deferredBytesMax, bytesMax } = quotaOf(small, scene.store.info.partitions);
        let held = 0;
        let turned = 0;
        while (turned < 3) {
          await scene.publish(`${held} `.padEnd(frameBytes, 'x'));
          const [entry] = await scene.log(epoch);
          const batch = onlyEntries(settled(entry!, [0, subA, dueLater]));
          const { quotaEffects } = await scene.store.settle(0, epoch, batch);
          expect((await scene.store.settle(0, epoch, batch)).quotaEffects).toEqual([]);
          held++;
          for (const effect of quotaEffects) {
            expect(effect).toMatchObject({ subscription: subA, dropped: 0 });
            turned += effect.deadLettered;
          }
          if (held * frameBytes > bytesMax) throw new Error('the quota was not enforced');
        }
        const usage = (await scene.usageOf(subA))!;
        expect(usage).toMatchObject({ deferred: held - turned, deadLettered: turned });
        expect(usage.deferredBytes).toBeLessThanOrEqual(deferredBytesMax);
        expect(usage.deferredBytes).toBeGreaterThan(deferredBytesMax - 2 * frameBytes);
        const { deadLetters } = await scene.store.deadLetters(0, subA, undefined, 10);
        expect(deadLetters.map(({ reason }) => reason)).toEqual(Array(turned).fill('QuotaExceeded'));
        expect(texts(deadLetters).map((content) => Number.parseInt(content, 10))).toEqual([0, 1, 2]);
      }),
    );

    test(
      'leave the attempts that are running alone',
      withScene(open, small, async (scene) => {
        const epoch = await scene.own();
        const { deferredBytesMax } = quotaOf(small, scene.store.info.partitions);
        const content = (index: number) => `${index} `.padEnd(frameBytes, 'x');
        await scene.hold(epoch, content(0), dueNow);
        const [leased] = (await scene.ask(epoch)).deliveries;
        const enough = Math.ceil(deferredBytesMax / frameBytes) + 1;
        for (let index = 1; index <= enough; index++) await scene.hold(epoch, content(index), dueLater);
        const { deadLetters } = await scene.store.deadLetters(0, subA, undefined, 1);
        expect(Number.parseInt(texts(deadLetters)[0]!, 10)).toBe(1);
        const before = (await scene.usageOf(subA))!.deferred;
        await scene.store.settle(0, epoch, ended(leased!));
        expect((await scene.usageOf(subA))!.deferred).toBe(before - 1);
      }),
    );

    test(
      'let the oldest dead letters of a subscription go when they and the deferred exceed its quota',
      withScene(open, small, async (scene) => {
        const epoch = await scene.own();
        const { bytesMax } = quotaOf(small, scene.store.info.partitions);
        let held = 0;
        let dropped = 0;
        while (dropped < 2) {
          await scene.publish(`${held} `.padEnd(frameBytes, 'x'));
          const [entry] = await scene.log(epoch);
          const batch = onlyEntries(settled(entry!, [0, subA, dead], [0, subB, dueLater]));
          const { quotaEffects } = await scene.store.settle(0, epoch, batch);
          held++;
          dropped += quotaEffects.find(({ subscription }) => subscription === subA)?.dropped ?? 0;
          if (held * frameBytes > 2 * bytesMax) throw new Error('the quota was not enforced');
          await scene.pass(1);
        }
        const usage = (await scene.usageOf(subA))!;
        expect(usage.deadLettered).toBe(held - dropped);
        expect(usage.deferredBytes + usage.deadLetteredBytes).toBeLessThanOrEqual(bytesMax);
        const { deadLetters } = await scene.store.deadLetters(0, subA, undefined, 1);
        expect(Number.parseInt(texts(deadLetters)[0]!, 10)).toBe(dropped);
      }),
    );

    test(
      'enforce both halves of a quota in one settle, and for each subscription by itself',
      withScene(open, small, async (scene) => {
        const epoch = await scene.own();
        const { deferredBytesMax, bytesMax } = quotaOf(small, scene.store.info.partitions);
        const count = Math.ceil((2 * bytesMax) / frameBytes);
        await scene.publish(...Array.from({ length: count }, () => Buffer.alloc(frameBytes, 'x')));
        const entries = await scene.log(epoch);
        const batch = onlyEntries(
          ...entries.map((entry) =>
            settled(entry, ...entry.events.map((_, index) => [index, subA, dueLater] as const)),
          ),
        );
        const { quotaEffects } = await scene.store.settle(0, epoch, batch);
        const usage = (await scene.usageOf(subA))!;
        expect(usage.deferredBytes).toBeLessThanOrEqual(deferredBytesMax);
        expect(usage.deferredBytes + usage.deadLetteredBytes).toBeLessThanOrEqual(bytesMax);
        expect(usage.deadLettered).toBeGreaterThan(0);
        expect(quotaEffects).toEqual([
          {
            subscription: subA,
            deadLettered: count - usage.deferred,
            dropped: count - usage.deferred - usage.deadLettered,
          },
        ]);
        await scene.hold(epoch, 'small', dueNow, subB);
        expect(await scene.usageOf(subB)).toMatchObject({ deferred: 1, deadLettered: 0 });
      }),
    );

    test(
      'refuse publishers when the store is full, while settling goes on, until there is room again',
      withScene(open, unshared, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const requestBytes = 2 ** 18;
        const accepted = await fill(scene, requestBytes);
        expect(accepted * requestBytes).toBeGreaterThan(unshared.bytesMax / 4);
        const entries = await scene.log(epoch);
        expect(entries.flatMap(({ events }) => events)).toHaveLength(accepted * 4);
        const [first, second, third] = entries;
        const settling: SettleBatch[] = [
          onlyEntries(settled(first!, [0, subA, dueNow])),
          onlyEntries(settled(second!, [0, subA, dead])),
          onlyEntries(settled(third!)),
        ];
        for (const batch of settling) expect((await store.settle(0, epoch, batch)).removed).toBe(1);
        const [delivery] = (await scene.ask(epoch)).deliveries;
        await store.settle(0, epoch, ended(delivery!, dead));
        expect(await store.redrive(0, subA, { max: 1 })).toBe(1);
        const [received] = (await scene.receive({ max: 1 })).deliveries;
        expect((await store.conclude(0, ended(received!, dead).outcomes)).applied).toEqual([true]);
        expect(await store.renew(0, 'w1', epoch, hour)).toBe(true);
        expect((await store.resources.put('topics/t', {})).kind).toBe('created');
        await store.settle(0, epoch, onlyEntries(...entries.map((entry) => settled(entry))));
        await scene.until(() =>
          store.append(0, [event(Buffer.alloc(requestBytes, 'x'))]).catch((error: { code?: string }) => {
            if (error.code !== 'StoreFull') throw error;
            return undefined;
          }),
        );
      }),
    );

    test(
      'count a payload once, however many subscriptions hold it',
      withScene(open, unshared, async (scene) => {
        const epoch = await scene.own();
        const payload = Buffer.alloc(2 ** 20, 'x');
        await scene.publish(payload);
        const [entry] = await scene.log(epoch);
        const subscriptions = Array.from({ length: 40 }, (_, index) => life(`sub${index}x`));
        const each = subscriptions.map((subscription) => [0, subscription, dueNow] as const);
        const batch = onlyEntries(settled(entry!, ...each));
        expect((await scene.store.settle(0, epoch, batch)).quotaEffects).toEqual([]);
        // Forty copies would have filled the store.
        await scene.publish(payload);
        const deliveries: LeasedDelivery[] = [];
        await scene.until(async () => {
          const { deliveries: more } = await scene.ask(epoch);
          deliveries.push(...more);
          return deliveries.length >= 40 || undefined;
        });
        expect(deliveries).toHaveLength(40);
        for (const { frame } of deliveries) expect(frame.equals(payload)).toBe(true);
        // The last member, and no other, takes the payload with it.
        for (const delivery of deliveries.slice(1)) await scene.store.settle(0, epoch, ended(delivery));
        await scene.store.settle(0, epoch, ended(deliveries[0]!, dueNow));
        const [last, ...more] = (await scene.ask(epoch)).deliveries;
        expect(more).toEqual([]);
        expect(last!.frame.equals(payload)).toBe(true);
        await scene.store.settle(0, epoch, ended(last!));
        expect((await scene.store.usage(0)).subscriptions).toEqual([]);
      }),
    );

    test(
      'keep pages small, also where events are large',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const count = 7;
        const payloads = Array.from({ length: count }, (_, index) => Buffer.alloc(2 ** 20, String(index)));
        const requests = payloads.map((payload) => [event(payload)]);
        for (const request of requests) await store.append(0, request, { retained: new Set([topic]) });
        const entries = await scene.log(epoch);
        const batch = entries.map((entry) => settled(entry, [0, subA, dead]));
        await store.settle(0, epoch, onlyEntries(...batch));
        const deadLetters = (after?: string) => store.deadLetters(0, subA, after, 100);
        const pages = [];
        for (let page = await deadLetters(); ; page = await deadLetters(page.next)) {
          pages.push(page.deadLetters.length);
          if (page.next === undefined) break;
        }
        expect(pages.length).toBeGreaterThan(1);
        expect(pages.reduce((sum, length) => sum + length)).toBe(count);
        for (const order of ['oldestFirst', 'newestFirst'] as const) {
          const history = (after?: string) => store.history(0, topic, after, 100, order);
          pages.length = 0;
          for (let page = await history(); ; page = await history(page.next)) {
            pages.push(page.events.length);
            if (page.next === undefined) break;
          }
          expect(pages.length).toBeGreaterThan(1);
          expect(pages.reduce((sum, length) => sum + length)).toBe(count);
        }
        await store.redrive(0, subA, { max: count });
        const due = await scene.ask(epoch);
        expect(due.deliveries.length).toBeGreaterThan(0);
        if (due.deliveries.length < count) expect(due.nextInMs).toBe(0);
        expect((await scene.ask(epoch)).deliveries.length + due.deliveries.length).toBe(count);
      }),
    );

    test(
      'leave nothing behind of deliveries that are finished, dead letters that are dropped, and histories trimmed',
      withScene(open, unshared, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const payload = Buffer.alloc(2 ** 20, 'x');
        // Several times what the store can hold passes through every way an event can go.
        for (let round = 0; round < 12; round++) {
          await store.append(
            0,
            Array.from({ length: 4 }, () => event(payload)),
            { retained: new Set([topic]) },
          );
          const entries = await scene.log(epoch);
          const ways = [dueNow, dueNow, dead, undefined];
          const batch = onlyEntries(
            ...entries.map((entry, index) => {
              const way = ways[index];
              return way ? settled(entry, [0, subA, way], [0, subB, way]) : settled(entry);
            }),
          );
          await store.settle(0, epoch, batch);
          const { deliveries } = await scene.ask(epoch);
          expect(deliveries).toHaveLength(4);
          for (const [index, delivery] of deliveries.entries()) {
            await store.settle(0, epoch, ended(delivery, index % 2 ? dead : { kind: 'finished' }));
          }
          for (const subscription of [subA, subB]) {
            while ((await store.purge(0, subscription, 2)) > 0);
          }
          while ((await store.trimHistory(0, topic, { ageMs: 0 }, 2)) > 0);
        }
        expect((await store.usage(0)).subscriptions).toEqual([]);
      }),
    );
  });
}
