/** What operators and processes see of a store: its description, its health, its workers. */
import { describe, expect, test } from '@jest/globals';
import { durabilityClasses } from '@gridpost/model';
import { type Lacks, type OpenStore, roomy, withScene } from './scene.js';

export function describeOperation(open: OpenStore, lacks: Lacks): void {
  describe('operation', () => {
    test(
      'the store says what it is',
      withScene(open, roomy, async ({ store }) => {
        const { kind, place, partitions, durability } = store.info;
        expect(kind).toMatch(/^[a-z-]+$/);
        expect(place).not.toBe('');
        expect(partitions).toBeGreaterThanOrEqual(1);
        expect(durabilityClasses).toContain(durability);
        expect(store.supports.sharing).toBe(lacks.sharing === undefined);
        expect(partitions > 1).toBe(lacks.partitions === undefined);
      }),
    );

    test(
      'the store is well while it is open, and may be closed twice',
      withScene(open, roomy, async ({ store }) => {
        expect(await store.health()).toEqual({ ok: true });
        await Promise.all([store.close(), store.close()]);
        await store.close();
        const { ok, reason } = await store.health();
        expect(ok).toBe(false);
        expect(reason).toBeTruthy();
      }),
    );

    test(
      'processes of a kind see each other while they are announced',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        expect(await store.announce('w-b', 60_000)).toEqual(['w-b']);
        expect(await store.announce('w-A', 20)).toEqual(['w-A', 'w-b']);
        expect(await store.announce('w-b', 60_000)).toContain('w-b');
        await scene.until(async () => {
          const workers = await store.announce('w-c', 60_000);
          return workers.length === 2 ? workers : undefined;
        });
        expect(await store.announce('w-b', 60_000)).toEqual(['w-b', 'w-c']);
        expect(await store.announce('w-b', 60_000, 'gateway')).toEqual(['w-b']);
        expect(await store.announce('g-1', 60_000, 'gateway')).toEqual(['g-1', 'w-b']);
        await store.withdraw('w-b');
        await store.withdraw('w-b');
        await store.withdraw('w-x');
        await store.withdraw('g-1', 'gateway');
        expect(await store.announce('w-b', 60_000, 'gateway')).toEqual(['w-b']);
        expect(await store.announce('w-c', 60_000)).toEqual(['w-c']);
      }),
    );
  });
}
