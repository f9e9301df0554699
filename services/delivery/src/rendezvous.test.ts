import { expect, test } from '@jest/globals';
import { ownersOf } from './rendezvous.js';

const partitions = 320;
const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `worker-${i}`);

const movedBetween = (before: readonly string[], after: readonly string[]): number[] =>
  before.flatMap((owner, partition) => (owner === after[partition] ? [] : [partition]));

test.each([
  [8, 1],
  [8, 2],
  [8, 3],
  [8, 5],
  [8, 8],
  [8, 11],
  [320, 7],
])('%i partitions are shared evenly by %i workers', (count, of) => {
  for (let round = 0; round < 20; round++) {
    const workers = named(of).map((name) => `${name}-${round}`);
    const owners = ownersOf(count, workers);
    const shares = workers.map((worker) => owners.filter((owner) => owner === worker).length);
    expect(owners).toHaveLength(count);
    expect(Math.max(...shares)).toBe(Math.ceil(count / of));
    expect(Math.min(...shares)).toBe(Math.floor(count / of));
  }
});

test('all workers agree, in whatever order they learnt of each other', () => {
  const workers = named(5);
  expect(ownersOf(partitions, [...workers].reverse())).toEqual(ownersOf(partitions, workers));
});

test('a worker that comes or goes moves little else than its own', () => {
  const seven = ownersOf(partitions, named(7));
  const eight = ownersOf(partitions, named(8));
  const moved = movedBetween(seven, eight);
  const toTheEighth = moved.filter((partition) => eight[partition] === 'worker-7');
  expect(toTheEighth).toHaveLength(40);
  expect(moved.length).toBeLessThan(80);
});

test('without workers nobody owns anything', () => {
  expect(ownersOf(8, [])).toEqual([]);
});
