import { expect, test } from '@jest/globals';
import { ownerOf } from './rendezvous.js';

const partitions = Array.from({ length: 320 }, (_, partition) => partition);
const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `worker-${i}`);
const ownersWith = (workers: readonly string[]): (string | undefined)[] =>
  partitions.map((partition) => ownerOf(partition, workers));

test('partitions are spread evenly', () => {
  const workers = named(8);
  const owners = ownersWith(workers);
  for (const worker of workers) {
    const count = owners.filter((owner) => owner === worker).length;
    expect(count).toBeGreaterThan(20);
    expect(count).toBeLessThan(65);
  }
});

test('all workers agree, in whatever order they learnt of each other', () => {
  const workers = named(5);
  expect(ownersWith([...workers].reverse())).toEqual(ownersWith(workers));
});

test('a worker that comes takes only what becomes its own', () => {
  const before = ownersWith(named(7));
  const after = ownersWith(named(8));
  const moved = partitions.filter((partition) => before[partition] !== after[partition]);
  expect(moved.length).toBeGreaterThan(0);
  expect(moved.map((partition) => after[partition])).toEqual(moved.map(() => 'worker-7'));
});

test('a worker that goes gives away only what was its own', () => {
  const before = ownersWith(named(8));
  const after = ownersWith(named(8).filter((worker) => worker !== 'worker-3'));
  for (const partition of partitions)
    if (before[partition] !== 'worker-3') expect(after[partition]).toBe(before[partition]);
});

test('without workers nobody owns anything', () => {
  expect(ownerOf(0, [])).toBeUndefined();
});
