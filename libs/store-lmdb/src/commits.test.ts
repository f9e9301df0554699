import { constants } from 'node:os';
import { describe, expect, jest, test } from '@jest/globals';
import { GridpostError } from '@gridpost/model';
import type { RootDatabase } from 'lmdb';
import { Commits, type Mirror, type Step } from './commits.js';
import type { Table } from './layout.js';

/** An environment whose commits end when and how the test says; only the edge to the disk is not real. */
function setup(timeoutMs = 60_000) {
  const ends: { resolve(): void; reject(error: Error): void }[] = [];
  const ways: string[] = [];
  let begun = () => {};
  const commit = (way: string) => (apply: () => void) => {
    ways.push(way);
    apply();
    return new Promise<void>((resolve, reject) => {
      ends.push({ resolve, reject });
      begun();
    });
  };
  const root = { batch: commit('blind'), childTransaction: commit('reading') };
  const meta = { put: jest.fn() };
  const commits = new Commits(
    root as unknown as RootDatabase<Buffer, Buffer>,
    meta as unknown as Table,
    timeoutMs,
  );
  const mirror = { write: jest.fn(), committed: jest.fn(), undone: jest.fn() } satisfies Mirror;
  commits.follow([mirror]);
  const submit = (name: string, options: Partial<Step> = {}) =>
    new Promise<string>((resolve, reject) => {
      commits.submit({
        blind: () => true,
        run: () => {},
        committed: () => resolve(name),
        failed: reject,
        ...options,
      });
    });
  /** The end of the next commit that begins. */
  const commitBegun = async () => {
    if (!ends.length) {
      await new Promise<void>((resolve) => {
        begun = resolve;
      });
    }
    return ends.shift()!;
  };
  return { commits, mirror, submit, commitBegun, ways };
}

const noRoom = Object.assign(new Error('Commit failed'), {
  commitError: Promise.reject(Object.assign(new Error('No space left'), { code: constants.errno.ENOSPC })),
});
noRoom.commitError.catch(() => {});

describe('commits', () => {
  test('take along what arrives before they begin, and leave the rest to the next', async () => {
    const { submit, commitBegun, ways } = setup();
    const first = Promise.all([submit('a'), submit('b')]);
    const commit = await commitBegun();
    const second = submit('c', { blind: () => false });
    commit.resolve();
    expect(await first).toEqual(['a', 'b']);
    (await commitBegun()).resolve();
    expect(await second).toBe('c');
    expect(ways).toEqual(['blind', 'reading']);
  });

  test('answer nobody before they are on disk, and tell the mirrors first', async () => {
    const { submit, commitBegun, mirror } = setup();
    const order: string[] = [];
    mirror.committed.mockImplementation(() => void order.push('mirror'));
    const answered = submit('a', { blind: () => false }).then((name) => order.push(name));
    const commit = await commitBegun();
    expect(order).toEqual([]);
    expect(mirror.write).toHaveBeenCalledTimes(1);
    commit.resolve();
    await answered;
    expect(order).toEqual(['mirror', 'a']);
  });

  test('go through without a step that refuses', async () => {
    const { submit, commitBegun } = setup();
    const refuse = () => {
      throw new GridpostError('StoreFull', 'not this one');
    };
    const refused = expect(submit('a', { run: refuse, blind: () => false })).rejects.toThrow('not this one');
    const other = submit('b');
    (await commitBegun()).resolve();
    await refused;
    expect(await other).toBe('b');
  });

  test('that fail for want of room are tried again without what only adds', async () => {
    const { commits, submit, commitBegun, mirror } = setup();
    const added = submit('append', { addsOnly: true });
    const refused = expect(added).rejects.toMatchObject({ code: 'StoreFull' });
    const settled = submit('settle');
    (await commitBegun()).reject(noRoom);
    await refused;
    expect(mirror.undone).toHaveBeenCalledTimes(1);
    expect(commits.failure?.code).toBe('StoreFull');
    (await commitBegun()).resolve();
    expect(await settled).toBe('settle');
    expect(commits.failure).toBeUndefined();
  });

  test('that fail otherwise refuse all their steps, and the next is tried', async () => {
    const { submit, commitBegun } = setup();
    const failed = expect(submit('a')).rejects.toMatchObject({ code: 'StoreUnavailable' });
    (await commitBegun()).reject(new Error('something broke'));
    await failed;
    const next = submit('b');
    (await commitBegun()).resolve();
    expect(await next).toBe('b');
  });

  test('are known to succeed again once a probe has', async () => {
    const { commits, submit, commitBegun } = setup();
    const failed = expect(submit('a')).rejects.toMatchObject({ code: 'StoreUnavailable' });
    (await commitBegun()).reject(new Error('something broke'));
    await failed;
    const probe = commits.probe();
    (await commitBegun()).resolve();
    await probe;
    expect(commits.failure).toBeUndefined();
  });

  test('that hang are given up on: unknown for those inside, unavailable for the others, until they end', async () => {
    const { commits, submit, commitBegun, mirror } = setup(10);
    const inside = expect(submit('a')).rejects.toMatchObject({ code: 'OutcomeUnknown' });
    const commit = await commitBegun();
    const behind = expect(submit('b')).rejects.toMatchObject({ code: 'StoreUnavailable' });
    await Promise.all([inside, behind]);
    await expect(submit('c')).rejects.toMatchObject({ code: 'StoreUnavailable' });
    expect(commits.failure?.code).toBe('OutcomeUnknown');
    commit.resolve();
    await commits.close();
    expect(mirror.committed).toHaveBeenCalledTimes(1);
    expect(commits.failure).toBeUndefined();
  });

  test('that end during a pause of the process are not given up on', async () => {
    const { submit, commitBegun } = setup(10);
    const answered = submit('a');
    const commit = await commitBegun();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
    // The timer comes first.
    setImmediate(() => commit.resolve());
    expect(await answered).toBe('a');
  });

  test('begin for a patient step only with another one, or after a while', async () => {
    const { submit, commitBegun, ways } = setup();
    const patient = submit('settle', { patient: true });
    const other = submit('append');
    (await commitBegun()).resolve();
    expect(await Promise.all([patient, other])).toEqual(['settle', 'append']);
    const alone = submit('settle', { patient: true });
    (await commitBegun()).resolve();
    expect(await alone).toBe('settle');
    expect(ways).toHaveLength(2);
  });

  test('under way, and steps that wait, are finished before closing', async () => {
    const { commits, submit, commitBegun } = setup();
    const patient = submit('settle', { patient: true });
    const closed = commits.close();
    await expect(submit('late')).rejects.toMatchObject({ code: 'StoreUnavailable' });
    (await commitBegun()).resolve();
    expect(await patient).toBe('settle');
    await closed;
  });
});
