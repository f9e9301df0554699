/** Journals: order, pages, bounds by count and age, and what they are apart from. */
import { describe, expect, test } from '@jest/globals';
import { journalRecordBytesMax } from '../bounds.js';
import type { JournalRecord } from '../port.js';
import {
  apartMs,
  hour,
  type Lacks,
  oldMs,
  type OpenStore,
  roomy,
  type Scene,
  unless,
  withScene,
} from './scene.js';

const bounds = { recordsMax: 100, olderThanMs: hour };

async function allRecords({ store }: Scene, journal: string, max: number): Promise<string[]> {
  const records: JournalRecord[] = [];
  for (;;) {
    const page = await store.journals.newestRecords(journal, records.at(-1)?.id, max);
    expect(page.length).toBeLessThanOrEqual(max);
    records.push(...page);
    if (page.length < max) return records.map(({ text }) => text);
  }
}

export function describeJournals(open: OpenStore, lacks: Lacks): void {
  describe('journals', () => {
    test(
      'give records newest first, a page at a time, each journal its own',
      withScene(open, roomy, async (scene) => {
        const { journals } = scene.store;
        expect(await journals.newestRecords('audit', undefined, 10)).toEqual([]);
        await journals.appendRecords('audit', ['one', 'zwei ü€😀"\n'], bounds);
        await journals.appendRecords('audit-other', ['elsewhere'], bounds);
        await journals.appendRecords('audit', [], bounds);
        await journals.appendRecords('audit', ['three'], bounds);
        for (const max of [1, 2, 3, 10])
          expect(await allRecords(scene, 'audit', max)).toEqual(['three', 'zwei ü€😀"\n', 'one']);
        expect(await allRecords(scene, 'audit-other', 10)).toEqual(['elsewhere']);
        const [newest, , oldest] = await journals.newestRecords('audit', undefined, 10);
        expect(newest!.at).toBeGreaterThanOrEqual(oldest!.at);
        expect(oldest!.at).toBeGreaterThan(0);
        await journals.appendRecords('audit', ['three'], bounds);
        expect(await allRecords(scene, 'audit', 10)).toEqual(['three', 'three', 'zwei ü€😀"\n', 'one']);
      }),
    );

    test(
      'let the oldest go that are too many, and go on from one that is gone',
      withScene(open, roomy, async (scene) => {
        const { journals } = scene.store;
        const write = (...records: string[]) =>
          journals.appendRecords('audit', records, { ...bounds, recordsMax: 3 });
        await write('1', '2');
        const [, first] = await journals.newestRecords('audit', undefined, 10);
        await write('3');
        expect(await allRecords(scene, 'audit', 10)).toEqual(['3', '2', '1']);
        await write('4');
        expect(await allRecords(scene, 'audit', 10)).toEqual(['4', '3', '2']);
        expect(await journals.newestRecords('audit', first!.id, 10)).toEqual([]);
        await write('5', '6', '7', '8');
        expect(await allRecords(scene, 'audit', 2)).toEqual(['8', '7', '6']);
      }),
    );

    test(
      'give no record of an emptied one the id of another',
      withScene(open, roomy, async (scene) => {
        const { journals } = scene.store;
        await journals.appendRecords('audit', ['1', '2'], bounds);
        const [newest] = await journals.newestRecords('audit', undefined, 1);
        await scene.pass(20);
        await journals.appendRecords('audit', [], { ...bounds, olderThanMs: 10 });
        expect(await allRecords(scene, 'audit', 10)).toEqual([]);
        await journals.appendRecords('audit', ['3'], bounds);
        expect(await journals.newestRecords('audit', newest!.id, 10)).toEqual([]);
        expect(await allRecords(scene, 'audit', 10)).toEqual(['3']);
      }),
    );

    test(
      'let those go that are too old',
      withScene(open, roomy, async (scene) => {
        const { journals } = scene.store;
        await journals.appendRecords('audit', ['old', 'older'], bounds);
        await scene.pass(apartMs);
        await journals.appendRecords('audit', ['new'], { ...bounds, olderThanMs: oldMs });
        expect(await allRecords(scene, 'audit', 10)).toEqual(['new']);
      }),
    );

    test(
      'change nothing of the configuration',
      withScene(open, roomy, async ({ store }) => {
        await store.resources.put('topics/t', {});
        const { version } = await store.resources.changes(0);
        await store.journals.appendRecords('audit', ['a'], bounds);
        expect((await store.resources.changes(version)).version).toBe(version);
        expect(await store.resources.list('', undefined, 10)).toHaveLength(1);
      }),
    );

    test(
      'refuse names and records that none can have',
      withScene(open, roomy, async (scene) => {
        const { journals } = scene.store;
        for (const name of ['', 'Audit', 'a:b', 'a/b', 'a'.repeat(33)]) {
          await expect(journals.appendRecords(name, [], bounds)).rejects.toThrow(RangeError);
          await expect(journals.newestRecords(name, undefined, 1)).rejects.toThrow(RangeError);
        }
        await journals.appendRecords('audit', ['x'.repeat(journalRecordBytesMax)], bounds);
        const over = `${'ü'.repeat(journalRecordBytesMax / 2)}x`;
        await expect(journals.appendRecords('audit', ['fits', over], bounds)).rejects.toThrow(RangeError);
        expect(await allRecords(scene, 'audit', 10)).toHaveLength(1);
      }),
    );

    unless(lacks.reopening)(
      'outlive the process',
      withScene(open, roomy, async (scene) => {
        await scene.store.journals.appendRecords('audit', ['1', '2', '3'], { ...bounds, recordsMax: 2 });
        await scene.reopen();
        expect(await allRecords(scene, 'audit', 10)).toEqual(['3', '2']);
        await scene.store.journals.appendRecords('audit', ['4'], { ...bounds, recordsMax: 2 });
        expect(await allRecords(scene, 'audit', 10)).toEqual(['4', '3']);
      }),
    );
  });
}
