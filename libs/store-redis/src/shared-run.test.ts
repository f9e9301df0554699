import { describe, expect, test } from '@jest/globals';
import { SharedRun } from './shared-run.js';

function setup() {
  const runs: { resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  const shared = new SharedRun(
    () => new Promise<number>((resolve, reject) => void runs.push({ resolve, reject })),
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { runs, shared, settle };
}

describe('a shared run', () => {
  test('serves all who asked before it began, and no others', async () => {
    const { runs, shared, settle } = setup();
    const first = shared.ask();
    const later = [shared.ask(), shared.ask()];
    expect(runs).toHaveLength(1);
    runs[0]!.resolve(1);
    expect(await first).toBe(1);
    await settle();
    expect(runs).toHaveLength(2);
    const last = shared.ask();
    runs[1]!.resolve(2);
    expect(await Promise.all(later)).toEqual([2, 2]);
    await settle();
    runs[2]!.resolve(3);
    expect(await last).toBe(3);
    expect(runs).toHaveLength(3);
  });

  test('begins at once when nothing runs', async () => {
    const { runs, shared } = setup();
    for (const value of [1, 2]) {
      const asked = shared.ask();
      runs[value - 1]!.resolve(value);
      expect(await asked).toBe(value);
    }
  });

  test('that fails fails for those it served, and the next begins all the same', async () => {
    const { runs, shared, settle } = setup();
    const first = shared.ask();
    const second = shared.ask();
    runs[0]!.reject(new Error('no'));
    await expect(first).rejects.toThrow('no');
    await settle();
    runs[1]!.resolve(2);
    expect(await second).toBe(2);
  });
});
