import { expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import { IntervalTree } from './interval-tree.js';

test('agrees with asking every range, whatever is added and removed', () => {
  const random = seededRandom(3);
  const tree = new IntervalTree<string>();
  const ranges = new Map<string, [number, number]>();
  const end = (): number => (random() < 0.1 ? Number.NEGATIVE_INFINITY : Math.floor(random() * 40));
  for (let round = 0; round < 4_000; round++) {
    const low = end();
    const high = random() < 0.1 ? Number.POSITIVE_INFINITY : Math.max(low, 0) + Math.floor(random() * 10);
    const name = `${low}..${high}`;
    if (ranges.has(name)) {
      expect(tree.get(low, high)).toBe(name);
      tree.delete(low, high);
      ranges.delete(name);
    } else {
      expect(tree.get(low, high)).toBeUndefined();
      tree.add(low, high, name);
      ranges.set(name, [low, high]);
    }
    const point = Math.floor(random() * 50);
    const found: string[] = [];
    tree.visit(point, (value) => found.push(value), undefined);
    const expected = [...ranges]
      .filter(([, [from, to]]) => from <= point && point <= to)
      .map(([each]) => each);
    expect(found.sort()).toEqual(expected.sort());
  }
  for (const [low, high] of ranges.values()) tree.delete(low, high);
  expect(tree.empty).toBe(true);
});

test('ranges added in order do not make it deep', () => {
  const tree = new IntervalTree<number>();
  const count = 100_000;
  for (let i = 0; i < count; i++) tree.add(i * 2, i * 2 + 1, i);
  const found: number[] = [];
  for (let point = 0; point < 2 * count; point += 997)
    tree.visit(point, (value) => found.push(value), undefined);
  expect(found).toEqual(
    Array.from({ length: Math.ceil((2 * count) / 997) }, (_, i) => Math.floor((i * 997) / 2)),
  );
});
