/** Documents: preconditions, requirements, listing, removal with what lies below, and the change log. */
import { describe, expect, test } from '@jest/globals';
import { changeLogMax } from '../bounds.js';
import type { ResourceDocument } from '../port.js';
import { event, hour, type Lacks, type OpenStore, roomy, unless, withScene } from './scene.js';

const paths = (documents: readonly ResourceDocument[]) => documents.map(({ path }) => path);

export function describeResources(open: OpenStore, lacks: Lacks): void {
  describe('resources', () => {
    test(
      'are written, read, replaced and removed',
      withScene(open, roomy, async ({ store: { resources } }) => {
        expect(await resources.get('topics/t')).toBeUndefined();
        const value = { text: 'ü€😀"\n', list: [1, null, true], nested: { empty: {} } };
        const created = await resources.put('topics/t', value);
        expect(created.kind).toBe('created');
        if (created.kind !== 'created') return;
        expect(await resources.get('topics/t')).toEqual({ path: 'topics/t', etag: created.etag, value });
        const replaced = await resources.put('topics/t', value);
        expect(replaced.kind).toBe('replaced');
        if (replaced.kind !== 'replaced') return;
        expect(replaced.etag).not.toBe(created.etag);
        expect(replaced.version).toBeGreaterThan(created.version);
        expect((await resources.get('topics/t'))!.etag).toBe(replaced.etag);
        expect(await resources.remove('topics/t')).toBe('removed');
        expect(await resources.remove('topics/t')).toBe('missing');
        expect(await resources.get('topics/t')).toBeUndefined();
      }),
    );

    test(
      'never give a recreated document an etag it had before',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const etags = new Set<string>();
        for (let round = 0; round < 5; round++) {
          const put = await resources.put('topics/t', {});
          if ('etag' in put) etags.add(put.etag);
          await resources.remove('topics/t');
        }
        expect(etags.size).toBe(5);
      }),
    );

    test(
      'are written only under the preconditions given',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const failed = { kind: 'preconditionFailed' };
        expect(await resources.put('a', 1, { ifMatch: '*' })).toEqual(failed);
        expect(await resources.put('a', 1, { ifMatch: 'x' })).toEqual(failed);
        expect(await resources.get('a')).toBeUndefined();
        const first = await resources.put('a', 1, { ifNoneMatch: '*' });
        expect(first.kind).toBe('created');
        expect(await resources.put('a', 2, { ifNoneMatch: '*' })).toEqual(failed);
        const { etag } = first as { etag: string };
        const second = await resources.put('a', 3, { ifMatch: etag });
        expect(second.kind).toBe('replaced');
        expect(await resources.put('a', 4, { ifMatch: etag })).toEqual(failed);
        expect((await resources.put('a', 5, { ifMatch: '*' })).kind).toBe('replaced');
        expect((await resources.get('a'))!.value).toBe(5);
        expect(await resources.remove('a', { ifMatch: etag })).toBe('preconditionFailed');
        const { etag: current } = (await resources.get('a'))!;
        expect(await resources.remove('a', { ifMatch: current })).toBe('removed');
        expect(await resources.remove('a', { ifMatch: current })).toBe('missing');
      }),
    );

    test(
      'are written by one of several that expect the same etag',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const created = await Promise.all(
          Array.from({ length: 8 }, (_, index) => resources.put('a', index, { ifNoneMatch: '*' })),
        );
        expect(created.filter(({ kind }) => kind === 'created')).toHaveLength(1);
        const { etag } = (await resources.get('a'))!;
        const replaced = await Promise.all(
          Array.from({ length: 8 }, (_, index) => resources.put('a', index, { ifMatch: etag })),
        );
        expect(replaced.filter(({ kind }) => kind === 'replaced')).toHaveLength(1);
      }),
    );

    test(
      'are written only where the document they require exists',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const missing = { kind: 'requirementMissing' };
        const below = 'topics/t/eventsubscriptions/s';
        expect(await resources.put(below, {}, { requires: { path: 'topics/t' } })).toEqual(missing);
        const parent = (await resources.put('topics/t', {})) as { etag: string };
        expect(await resources.put(below, {}, { requires: { path: 'topics/t', etag: 'x' } })).toEqual(
          missing,
        );
        expect(await resources.get(below)).toBeUndefined();
        const requires = { path: 'topics/t', etag: parent.etag };
        expect((await resources.put(below, {}, { requires })).kind).toBe('created');
        await resources.put('topics/t', {});
        expect(await resources.put(below, {}, { requires })).toEqual(missing);
        expect((await resources.put(below, {}, { requires: { path: 'topics/t' } })).kind).toBe('replaced');
      }),
    );

    test(
      'are listed by prefix in bytewise order, page by page',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const all = ['a', 'a-b', 'a.b', 'a/', 'a/B', 'a/_', 'a/b', 'a/b/c', 'a0', 'aa', 'b', 'ab/c'];
        for (const path of all.toReversed()) await resources.put(path, path);
        const bytewise = all.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        const listed = await resources.list('', undefined, 100);
        expect(paths(listed)).toEqual(bytewise);
        expect(listed.map(({ value }) => value)).toEqual(bytewise);
        for (const { path, etag } of listed) expect((await resources.get(path))!.etag).toBe(etag);
        expect(paths(await resources.list('a/', undefined, 100))).toEqual([
          'a/',
          'a/B',
          'a/_',
          'a/b',
          'a/b/c',
        ]);
        expect(paths(await resources.list('a/', 'a/B', 2))).toEqual(['a/_', 'a/b']);
        expect(paths(await resources.list('a/', 'a/_a', 2))).toEqual(['a/b', 'a/b/c']);
        expect(paths(await resources.list('a/', 'a/b/c', 2))).toEqual([]);
        expect(paths(await resources.list('c', undefined, 2))).toEqual([]);
      }),
    );

    test(
      'are removed together with all that lies below, and nothing beside',
      withScene(open, roomy, async ({ store: { resources } }) => {
        for (const path of ['t', 't/s', 't/s/deep', 't/z', 't-u', 't.u', 't0', 'tt', 'tt/s']) {
          await resources.put(path, path);
        }
        const { version } = await resources.changes(0);
        expect(await resources.remove('t')).toBe('removed');
        expect(paths(await resources.list('', undefined, 100))).toEqual(['t-u', 't.u', 't0', 'tt', 'tt/s']);
        const changes = await resources.changes(version);
        expect(changes).toMatchObject({ complete: true, changedPaths: ['t'], documents: [] });
        expect(changes.version).toBeGreaterThan(version);
      }),
    );

    test(
      'tell what changed since a version',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const empty = await resources.changes(0);
        expect(empty.documents).toEqual([]);
        const a = (await resources.put('a', 1)) as { version: number };
        await resources.put('b', 1);
        await resources.put('a', 2);
        await resources.put('c', 1);
        await resources.put('d', 1);
        await resources.remove('c');
        const since = await resources.changes(a.version);
        expect(since.complete).toBe(true);
        expect(since.changedPaths.toSorted()).toEqual(['a', 'b', 'c', 'd']);
        expect(paths(since.documents).toSorted()).toEqual(['a', 'b', 'd']);
        expect(since.documents.find(({ path }) => path === 'a')!.value).toBe(2);
        const none = await resources.changes(since.version);
        expect(none).toEqual({ version: since.version, complete: true, changedPaths: [], documents: [] });
        const everything = await resources.changes(0);
        expect(paths(everything.documents).toSorted()).toEqual(['a', 'b', 'd']);
        expect(everything.version).toBe(since.version);
      }),
    );

    test(
      'do not change by a write that is refused',
      withScene(open, roomy, async ({ store: { resources } }) => {
        await resources.put('a', 1);
        const { version } = await resources.changes(0);
        await resources.put('a', 2, { ifNoneMatch: '*' });
        await resources.put('b', 2, { requires: { path: 'nowhere' } });
        await resources.remove('nowhere');
        await resources.remove('a', { ifMatch: 'x' });
        expect(await resources.changes(version)).toMatchObject({ version, changedPaths: [] });
      }),
    );

    test(
      'give everything to whoever is further behind than the change log reaches',
      withScene(open, roomy, async ({ store: { resources } }) => {
        const first = (await resources.put('a', 'kept')) as { version: number };
        await resources.put('b', 'removed');
        await resources.remove('b');
        let behind = await resources.changes(first.version);
        expect(behind.complete).toBe(true);
        for (let round = 0; behind.complete; round++) {
          if (round > 20) throw new Error('the change log has no bound');
          await Promise.all(
            Array.from({ length: changeLogMax / 2 }, (_, index) => resources.put(`c/${index % 10}`, index)),
          );
          behind = await resources.changes(first.version);
          if (round === 0) expect(behind.complete).toBe(true);
        }
        expect(paths(behind.documents).toSorted()).toEqual([
          'a',
          ...Array.from({ length: 10 }, (_, index) => `c/${index}`),
        ]);
        expect((await resources.changes(behind.version)).complete).toBe(true);
      }),
    );

    test(
      'are seen by whoever reads or appends after the write was answered, in every partition',
      withScene(open, roomy, async ({ store }) => {
        const epochs: number[] = [];
        for (let partition = 0; partition < store.info.partitions; partition++) {
          epochs.push((await store.claim(partition, 'w1', hour, 100))!.epoch);
        }
        let last = 0;
        const see = async (version: number) => {
          expect(version).toBeGreaterThan(last);
          last = version;
          for (const [partition, epoch] of epochs.entries()) {
            const read = await store.read(partition, epoch, undefined, { entriesMax: 1, bytesMax: 1 });
            expect(read.version).toBeGreaterThanOrEqual(version);
            const appended = await store.append(partition, [event('one')]);
            expect(appended.version).toBeGreaterThanOrEqual(version);
          }
        };
        for (let index = 0; index < 3; index++) {
          const put = await store.resources.put('a', index);
          if ('version' in put) await see(put.version);
        }
        await store.resources.remove('a');
        const { version, documents } = await store.resources.changes(last);
        expect(documents).toEqual([]);
        await see(version);
      }),
    );

    unless(lacks.sharing)(
      'are one for all processes that share the store',
      withScene(open, roomy, async (scene) => {
        const other = await scene.share();
        const { resources } = scene.store;
        const put = (await resources.put('a', 1)) as { version: number; etag: string };
        expect(await other.resources.get('a')).toEqual({ path: 'a', etag: put.etag, value: 1 });
        expect((await other.append(0, [event('one')])).version).toBeGreaterThanOrEqual(put.version);
        expect((await other.resources.put('a', 2, { ifMatch: put.etag })).kind).toBe('replaced');
        expect((await resources.put('a', 3, { ifMatch: put.etag })).kind).toBe('preconditionFailed');
        expect(paths((await resources.changes(put.version)).documents)).toEqual(['a']);
      }),
    );

    unless(lacks.reopening)(
      'survive reopening, with their etags, their version and the change log',
      withScene(open, roomy, async (scene) => {
        await scene.store.resources.put('a', { one: 1 });
        const { version } = await scene.store.resources.changes(0);
        await scene.store.resources.put('b', 2);
        await scene.store.resources.put('c', 3);
        await scene.store.resources.remove('c');
        const before = await scene.store.resources.list('', undefined, 10);
        const changes = await scene.store.resources.changes(version);
        await scene.reopen();
        const { resources } = scene.store;
        expect(await resources.list('', undefined, 10)).toEqual(before);
        const after = await resources.changes(version);
        expect({ ...after, changedPaths: after.changedPaths.toSorted() }).toEqual({
          ...changes,
          changedPaths: changes.changedPaths.toSorted(),
        });
        const put = (await resources.put('a', 2)) as { version: number; etag: string };
        expect(put.version).toBeGreaterThan(changes.version);
        expect(before.map(({ etag }) => etag)).not.toContain(put.etag);
      }),
    );
  });
}
