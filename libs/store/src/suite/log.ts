/** Appending and reading: order, atomicity, packing, and bytes that come back as they went in. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { limits } from '@gridpost/model';
import type { PendingEvent } from '../port.js';
import {
  event,
  expectRefusal,
  hour,
  type Lacks,
  life,
  onlyEntries,
  type OpenStore,
  roomy,
  settled,
  texts,
  unless,
  withScene,
} from './scene.js';

const generous = { entriesMax: 1_000, bytesMax: 2 ** 24 };

export function describeLog(open: OpenStore, lacks: Lacks): void {
  describe('the log', () => {
    test(
      'gives entries in the order of their appends, with the store clock’s acceptance',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const before = (await scene.store.read(0, epoch, undefined, generous)).now;
        for (const content of ['one', 'two', 'three']) await scene.publish(content);
        const { entries, now } = await scene.store.read(0, epoch, undefined, generous);
        expect(entries.map(({ events }) => texts(events))).toEqual([['one'], ['two'], ['three']]);
        expect(new Set(entries.map(({ id }) => id)).size).toBe(3);
        for (const { id, acceptedAt, bytes } of entries) {
          expect(id).toMatch(/^[0-9a-f-]{1,32}$/);
          expect(acceptedAt).toBeGreaterThanOrEqual(before);
          expect(acceptedAt).toBeLessThanOrEqual(now);
          expect(bytes).toBeGreaterThan(3);
        }
      }),
    );

    test(
      'keeps topics and frames byte for byte',
      withScene(open, roomy, async (scene) => {
        const every = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index & 255));
        const sent = [
          event(every, life('t1')),
          event(randomBytes(5_000), life('t2')),
          event('\r\n\0', life('t3')),
        ];
        await scene.store.append(0, sent);
        const epoch = await scene.own();
        const [entry] = await scene.log(epoch);
        expect(entry!.events.map(({ topic }) => topic)).toEqual(sent.map(({ topic }) => topic));
        for (const [index, { frame }] of sent.entries()) {
          expect(frame.equals(entry!.events[index]!.frame)).toBe(true);
        }
      }),
    );

    test(
      'does not hold on to the buffers it was given',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const sent = event('as it was published');
        await scene.store.append(0, [sent]);
        sent.frame.fill(0);
        const [entry] = await scene.log(epoch);
        expect(texts(entry!.events)).toEqual(['as it was published']);
      }),
    );

    test(
      'packs a request into entries of at most 128 events',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.publish(
          ...Array.from({ length: 2 * limits.entryEventsMax + 1 }, (_, index) => `event ${index}`),
        );
        const entries = await scene.log(epoch);
        expect(entries.map(({ events }) => events.length)).toEqual([128, 128, 1]);
        const all = entries.flatMap(({ events }) => texts(events));
        expect(all).toEqual(Array.from({ length: 257 }, (_, index) => `event ${index}`));
      }),
    );

    test(
      'packs a request into entries of at most 256 KiB, and a larger event alone',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const half = limits.entryBytesMax / 2;
        const sizes = [half, half, 1, limits.entryBytesMax + 1, 10, limits.eventBytesMax, 20];
        await scene.publish(...sizes.map((size) => Buffer.alloc(size, 'x')));
        const entries = await scene.log(epoch);
        const packed = entries.map(({ events }) => events.map(({ frame }) => frame.length));
        expect(packed).toEqual([
          [half, half],
          [1],
          [limits.entryBytesMax + 1],
          [10],
          [limits.eventBytesMax],
          [20],
        ]);
      }),
    );

    test(
      'appends nothing for an empty request',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        await scene.store.append(0, []);
        expect(await scene.log(epoch)).toEqual([]);
      }),
    );

    test(
      'never mixes the events of requests made at the same time',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const requests = Array.from({ length: 20 }, (_, request) =>
          Array.from({ length: request % 5 === 0 ? 150 : 3 }, (_, index) => `${request}:${index}`),
        );
        await Promise.all(requests.map((contents) => scene.publish(...contents)));
        const all = (await scene.log(epoch)).flatMap(({ events }) => texts(events));
        const expected: string[] = [];
        for (const first of all.filter((content) => content.endsWith(':0'))) {
          expected.push(...requests[Number.parseInt(first, 10)]!);
        }
        expect(all).toEqual(expected);
        expect(all).toHaveLength(requests.flat().length);
      }),
    );

    test(
      'gives an owner that reads while requests arrive every entry once, and none before the ones it follows',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const seen: string[] = [];
        let publishing = true;
        const publishers = Promise.all(
          Array.from({ length: 8 }, async (_, publisher) => {
            for (let index = 0; index < 20; index++) await scene.publish(`${publisher}:${index}`);
          }),
        ).finally(() => {
          publishing = false;
        });
        let after: string | undefined;
        for (;;) {
          const last = !publishing;
          const { entries } = await scene.store.read(0, epoch, after, { entriesMax: 7, bytesMax: 2 ** 20 });
          seen.push(...entries.flatMap(({ events }) => texts(events)));
          after = entries.at(-1)?.id ?? after;
          if (last && !entries.length) break;
          if (!entries.length) await new Promise((resolve) => setImmediate(resolve));
        }
        await publishers;
        expect(new Set(seen).size).toBe(160);
        expect(seen).toHaveLength(160);
        for (let publisher = 0; publisher < 8; publisher++) {
          const own = seen.filter((content) => content.startsWith(`${publisher}:`));
          expect(own).toEqual(Array.from({ length: 20 }, (_, index) => `${publisher}:${index}`));
        }
      }),
    );

    test(
      'reads within the limits, and always at least one entry',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (let index = 0; index < 6; index++) await scene.publish(Buffer.alloc(10_000, String(index)));
        const [first] = await scene.log(epoch);
        const read = async (entriesMax: number, bytesMax: number, after?: string) =>
          (await scene.store.read(0, epoch, after, { entriesMax, bytesMax })).entries;
        expect(await read(4, 2 ** 20)).toHaveLength(4);
        expect(await read(4, 1)).toHaveLength(1);
        expect(await read(4, first!.bytes * 2)).toHaveLength(2);
        expect(await read(4, first!.bytes * 3 - 1)).toHaveLength(2);
        expect(await read(1, 2 ** 20, first!.id)).not.toContainEqual(first);
        for (const bounds of [
          { entriesMax: 5, bytesMax: 2 ** 20 },
          { entriesMax: 6, bytesMax: first!.bytes * 6 - 1 },
        ])
          expect((await scene.store.read(0, epoch, undefined, bounds)).more).toBe(true);
        expect((await scene.store.read(0, epoch, undefined, generous)).more).toBe(false);
      }),
    );

    test(
      'goes on after an entry that has been settled meanwhile',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        for (const content of ['one', 'two', 'three']) await scene.publish(content);
        const entries = await scene.log(epoch);
        await scene.store.settle(0, epoch, onlyEntries(settled(entries[0]!), settled(entries[1]!)));
        const { entries: rest } = await scene.store.read(0, epoch, entries[1]!.id, generous);
        expect(rest.flatMap(({ events }) => texts(events))).toEqual(['three']);
        expect(await scene.log(epoch)).toHaveLength(1);
      }),
    );

    test(
      'keeps partitions apart',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const last = store.info.partitions - 1;
        await store.append(last, [event('in the last partition')]);
        const claim = await store.claim(last, 'w1', hour, 100);
        const { entries } = await store.read(last, claim!.epoch, undefined, generous);
        expect(entries.flatMap(({ events }) => texts(events))).toEqual(['in the last partition']);
        expect((await store.usage(last)).logEntries).toBe(1);
        if (last > 0) {
          const epoch = await scene.own();
          expect(await scene.log(epoch)).toEqual([]);
          expect((await store.usage(0)).logEntries).toBe(0);
        }
        await expect(store.append(store.info.partitions, [event('nowhere')])).rejects.toThrow();
      }),
    );

    test(
      'wakes whoever has read the log to its end, empty or not',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const woken: number[] = [];
        const stop = scene.store.onAppend((partition) => woken.push(partition));
        for (const content of ['zero', 'one']) {
          woken.length = 0;
          expect((await scene.store.read(0, epoch, undefined, generous)).more).toBe(false);
          await scene.publish(content);
          await scene.until(async () => (woken.includes(0) ? true : undefined));
        }
        stop();
        stop();
        await scene.store.read(0, epoch, (await scene.log(epoch)).at(-1)!.id, generous);
        woken.length = 0;
        await scene.publish('two');
        await scene.log(epoch);
        expect(woken).toEqual([]);
      }),
    );

    unless(lacks.sharing)(
      'wakes whoever has read to the end also for what another process appends',
      withScene(open, roomy, async (scene) => {
        const other = await scene.share();
        const epoch = await scene.own();
        let woken = false;
        const stop = scene.store.onAppend((partition) => {
          woken ||= partition === 0;
        });
        await scene.until(async () => {
          const after = (await scene.log(epoch)).at(-1)?.id;
          await scene.store.read(0, epoch, after, generous);
          await other.append(0, [event('from the other')]);
          await new Promise((resolve) => setTimeout(resolve, 5));
          return woken || undefined;
        });
        stop();
      }),
    );

    test(
      'refuses with a catalogue error once closed',
      withScene(open, roomy, async ({ store }) => {
        await store.close();
        const refused: PendingEvent[] = [event('too late')];
        await expectRefusal(store.append(0, refused), 'StoreUnavailable');
        expect((await store.health()).ok).toBe(false);
      }),
    );
  });
}
