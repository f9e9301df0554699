/** The attempt log: what is written with a settle is there with it, once, and the oldest goes when there is too much. */
import { describe, expect, test } from '@jest/globals';
import { attemptSlack, chargedBlockBytes } from '../bounds.js';
import {
  type AttemptBlock,
  type AttemptKind,
  attemptKinds,
  Fenced,
  type StoredAttemptBlock,
  type StoreLimits,
} from '../port.js';
import {
  dueNow,
  ended,
  type Lacks,
  type OpenStore,
  onlyEntries,
  roomy,
  type Scene,
  settled,
  unless,
  withScene,
} from './scene.js';

/** One kind as a whole, newest first, in pages of about so many bytes. */
export async function allAttempts(
  scene: Scene,
  kind: AttemptKind,
  bytesMax: number,
): Promise<StoredAttemptBlock[]> {
  const blocks: StoredAttemptBlock[] = [];
  for (;;) {
    const page = await scene.store.attempts(0, kind, blocks.at(-1)?.id, bytesMax);
    expect(page.blocks.length > 0 || !page.more).toBe(true);
    const bytes = page.blocks.reduce((sum, { block }) => sum + block.length, 0);
    if (page.blocks.length > 1) expect(bytes).toBeLessThanOrEqual(bytesMax);
    blocks.push(...page.blocks);
    if (!page.more) return blocks;
  }
}

const block = (kind: AttemptKind, content: string, bytes = content.length): AttemptBlock => ({
  kind,
  block: Buffer.from(content.padEnd(bytes, '.')),
});

const contents = (blocks: readonly StoredAttemptBlock[]): string[] =>
  blocks.map((one) => one.block.toString('latin1').replace(/\.+$/, ''));

async function held(scene: Scene, kind: AttemptKind): Promise<string[]> {
  return contents(await allAttempts(scene, kind, 2 ** 20));
}

/** Writes blocks with nothing else. */
async function write(scene: Scene, epoch: number, ...attempts: AttemptBlock[]): Promise<void> {
  await scene.store.settle(0, epoch, { entries: [], outcomes: [], attempts });
}

/** So many blocks of 1,000 bytes are kept of more, in the partition, of those that there are. */
const bounded = async (open: OpenStore, blocks: number): Promise<StoreLimits> => {
  const opened = await open(roomy);
  const { partitions } = opened.store.info;
  await opened.close();
  const quota = Math.floor((blocks * chargedBlockBytes(1_000)) / (1 - attemptSlack));
  return { ...roomy, attemptLogBytesMax: quota * partitions };
};

export function describeAttempts(open: OpenStore, lacks: Lacks): void {
  describe('the attempt log', () => {
    test(
      'is read newest first, each kind by itself, in pages bounded in bytes',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        expect(await scene.store.attempts(0, 'failures', undefined, 100)).toEqual({
          blocks: [],
          more: false,
        });
        await write(scene, epoch, block('failures', 'f1'), block('successes', 's1', 300_000));
        await scene.pass(2);
        await write(scene, epoch, block('successes', 's2'), block('successes', 's3', 5_000));
        await write(scene, epoch, block('failures', 'f2', 4_072), block('successes', 's4', 4_000));
        for (const bytesMax of [1, 4_500, 10_000, 2 ** 20]) {
          expect(contents(await allAttempts(scene, 'failures', bytesMax))).toEqual(['f2', 'f1']);
          expect(contents(await allAttempts(scene, 'successes', bytesMax))).toEqual(['s4', 's3', 's2', 's1']);
        }
        const [large] = (await allAttempts(scene, 'successes', 1)).slice(-1);
        expect(large!.block).toHaveLength(300_000);
        expect((await scene.store.attempts(0, 'successes', undefined, 9_010)).blocks).toHaveLength(3);
      }),
    );

    test(
      'names blocks by the instant at which they were written, and goes on from any instant',
      withScene(open, roomy, async (scene) => {
        const epoch = await scene.own();
        const before = (await scene.store.usage(0)).now;
        for (const content of ['a', 'b', 'c']) {
          await write(scene, epoch, block('failures', content));
          await scene.pass(3);
        }
        const after = (await scene.store.usage(0)).now;
        const blocks = await allAttempts(scene, 'failures', 2 ** 20);
        const instants = blocks.map(({ id }) => Number(id.split('-')[0]));
        expect(instants).toEqual(instants.toSorted((x, y) => y - x));
        expect(new Set(instants).size).toBe(3);
        expect(instants[2]!).toBeGreaterThanOrEqual(before);
        expect(instants[0]!).toBeLessThan(after);
        const from = async (position: string): Promise<string[]> =>
          contents((await scene.store.attempts(0, 'failures', position, 2 ** 20)).blocks);
        expect(await from(blocks[1]!.id)).toEqual(['a']);
        expect(await from(`${instants[1]! + 1}-0`)).toEqual(['b', 'a']);
        expect(await from(`${instants[1]}-0`)).toEqual(['a']);
        expect(await from(`${after + 1}-0`)).toEqual(['c', 'b', 'a']);
        for (const position of ['', 'x', '1', '1-', '-1', `${blocks[0]!.id}x`])
          await expect(scene.store.attempts(0, 'failures', position, 1)).rejects.toThrow(RangeError);
      }),
    );

    test(
      'gets the blocks of a settle once, however often it is repeated, and none of a fenced one',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.publish('one', 'two');
        const [entry] = await scene.log(epoch);
        const attempts = [block('failures', 'with the entry'), block('successes', 'beside')];
        const batch = { ...onlyEntries(settled(entry!, [0, 'suba000000000000', dueNow])), attempts };
        await expect(store.settle(0, epoch - 1, batch)).rejects.toThrow(Fenced);
        expect(await held(scene, 'failures')).toEqual([]);
        for (let times = 0; times < 2; times++) await store.settle(0, epoch, batch);
        expect(await held(scene, 'failures')).toEqual(['with the entry']);
        expect(await held(scene, 'successes')).toEqual(['beside']);
        await scene.publish('three');
        const [plain] = await scene.log(epoch);
        const removal = { ...onlyEntries(settled(plain!)), attempts: [block('successes', 'removed')] };
        for (let times = 0; times < 2; times++) await store.settle(0, epoch, removal);
        expect(await held(scene, 'successes')).toEqual(['removed', 'beside']);
        const { deliveries } = await scene.ask(epoch);
        const outcome = { ...ended(deliveries[0]!), attempts: [block('failures', 'with the lease')] };
        for (let times = 0; times < 2; times++) await store.settle(0, epoch, outcome);
        expect(await held(scene, 'failures')).toEqual(['with the lease', 'with the entry']);
      }),
    );

    test(
      'gets what consumers conclude, once',
      withScene(open, roomy, async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        await scene.hold(epoch, 'one', dueNow);
        const { deliveries } = await scene.receive();
        const { outcomes } = ended(deliveries[0]!);
        const attempts = [block('successes', 'acknowledged')];
        for (const applied of [true, false])
          expect((await store.conclude(0, outcomes, attempts)).applied).toEqual([applied]);
        expect(await held(scene, 'successes')).toEqual(['acknowledged']);
      }),
    );

    test('lets go of successes first, oldest first, and of failures when nothing else is left', async () => {
      await withScene(open, await bounded(open, 4), async (scene) => {
        const { store } = scene;
        const epoch = await scene.own();
        const charge = chargedBlockBytes(1_000);
        for (const name of ['1', '2'])
          await write(
            scene,
            epoch,
            block('failures', `f${name}`, 1_000),
            block('successes', `s${name}`, 1_000),
          );
        expect(await store.attemptUsage(0)).toEqual({
          failures: { bytes: 2 * charge, shed: 0, heldFrom: undefined },
          successes: { bytes: 2 * charge, shed: 0, heldFrom: undefined },
        });
        const [, oldest] = await allAttempts(scene, 'successes', 2 ** 20);
        await scene.pass(2);
        await write(scene, epoch, block('failures', 'f3', 1_000));
        expect(await held(scene, 'successes')).toEqual(['s2']);
        expect(await store.attemptUsage(0)).toEqual({
          failures: { bytes: 3 * charge, shed: 0, heldFrom: undefined },
          successes: { bytes: charge, shed: 1, heldFrom: Number(oldest!.id.split('-')[0]) + 1 },
        });
        await write(scene, epoch, block('successes', 's3', 1_000), block('successes', 's4', 1_000));
        expect(await held(scene, 'successes')).toEqual(['s4']);
        await write(scene, epoch, block('failures', 'f4', 1_000), block('failures', 'f5', 1_000));
        expect(await held(scene, 'successes')).toEqual([]);
        expect(await held(scene, 'failures')).toEqual(['f5', 'f4', 'f3', 'f2']);
        expect(await store.attemptUsage(0)).toMatchObject({
          failures: { bytes: 4 * charge, shed: 1, heldFrom: expect.any(Number) },
          successes: { bytes: 0, shed: 4 },
        });
        await write(scene, epoch, block('successes', 's5', 1_000));
        expect(await held(scene, 'successes')).toEqual([]);
        expect(await held(scene, 'failures')).toHaveLength(4);
      })();
    });

    test('lets go of more than it must, so that it need not in the next steps', async () => {
      await withScene(open, await bounded(open, 126), async (scene) => {
        const epoch = await scene.own();
        const fill = async (count: number): Promise<void> => {
          for (let written = 0; written < count; written++)
            await write(scene, epoch, block('successes', String(written), 1_000));
        };
        const shed = async (): Promise<number> => (await scene.store.attemptUsage(0)).successes.shed;
        // 128 blocks are its quota, and 126 are what is left of more.
        await fill(128);
        expect(await shed()).toBe(0);
        await fill(1);
        expect(await shed()).toBe(3);
        await fill(2);
        expect(await shed()).toBe(3);
        await fill(1);
        expect(await shed()).toBe(6);
        expect(await held(scene, 'successes')).toHaveLength(126);
      })();
    });

    test(
      'holds nothing where its bound is 0',
      withScene(open, { ...roomy, attemptLogBytesMax: 0 }, async (scene) => {
        const epoch = await scene.own();
        await scene.publish('one');
        const [entry] = await scene.log(epoch);
        const attempts = attemptKinds.map((kind) => block(kind, 'x'));
        await scene.store.settle(0, epoch, { ...onlyEntries(settled(entry!)), attempts });
        for (const kind of attemptKinds) expect(await held(scene, kind)).toEqual([]);
      }),
    );

    unless(lacks.reopening)('is as it was when the store is opened again', async () => {
      await withScene(open, await bounded(open, 4), async (scene) => {
        const epoch = await scene.own();
        for (const name of ['1', '2', '3'])
          await write(
            scene,
            epoch,
            block('failures', `f${name}`, 1_000),
            block('successes', `s${name}`, 1_000),
          );
        const before = await scene.store.attemptUsage(0);
        const blocks = await allAttempts(scene, 'failures', 2 ** 20);
        await scene.reopen();
        expect(await scene.store.attemptUsage(0)).toEqual(before);
        expect(await allAttempts(scene, 'failures', 2 ** 20)).toEqual(blocks);
        const again = await scene.own();
        await write(scene, again, block('failures', 'f4', 1_000), block('successes', 's4', 1_000));
        expect(await held(scene, 'failures')).toEqual(['f4', 'f3', 'f2', 'f1']);
        expect(await held(scene, 'successes')).toEqual([]);
      })();
    });
  });
}
