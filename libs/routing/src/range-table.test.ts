import { expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import { RangeTable } from './range-table.js';

/** Finite ends, of all magnitudes and often the same. */
function numberOf(random: () => number): number {
  const sign = random() < 0.3 ? -1 : 1;
  const sort = random();
  if (sort < 0.7) return sign * Math.floor(random() * 40);
  if (sort < 0.8) return sign * random() * 1e-300;
  if (sort < 0.9) return sign * random() * 1e300;
  return sign * (2 ** 53 + Math.floor(random() * 8) * 2);
}

test('agrees with asking every range, whatever is set and deleted', () => {
  const random = seededRandom(3);
  const table = new RangeTable<string>();
  const ranges = new Map<string, [number, number]>();
  for (let round = 0; round < 20_000; round++) {
    const ends = [numberOf(random), random() < 0.3 ? numberOf(random) : Number.NaN];
    let low = ends[0]!;
    let high = Number.isNaN(ends[1]!) ? low + Math.floor(random() * 10) : ends[1]!;
    if (low > high) [low, high] = [high, low];
    const open = random();
    if (open < 0.1) low = Number.NEGATIVE_INFINITY;
    else if (open < 0.2) high = Number.POSITIVE_INFINITY;
    const name = `${low}..${high}`;
    expect(table.get(low, high)).toBe(ranges.has(name) ? name : undefined);
    if (ranges.has(name) || ranges.size > 300) {
      const [gone, [from, to]] = ranges.has(name)
        ? [name, ranges.get(name)!]
        : ([...ranges][Math.floor(random() * ranges.size)] as [string, [number, number]]);
      table.delete(from, to);
      ranges.delete(gone);
    } else {
      table.set(low, high, name);
      ranges.set(name, [low, high]);
    }
    const point = random() < 0.5 ? numberOf(random) : random() < 0.5 ? low : high;
    if (!Number.isFinite(point)) continue;
    const found: string[] = [];
    table.visit(point, (value) => found.push(value), undefined);
    const expected = [...ranges]
      .filter(([, [from, to]]) => from <= point && point <= to)
      .map(([each]) => each);
    expect(found.sort()).toEqual(expected.sort());
  }
});

test('a point meets few of many ranges beside each other, whatever their width', () => {
  const table = new RangeTable<number>();
  const count = 30_000;
  for (let i = 0; i < count; i++) table.set(i * 10, i * 10 + 1 + (i % 9), i);
  for (let i = 0; i < count; i += 97) {
    const found: number[] = [];
    table.visit(i * 10, (value) => found.push(value), undefined);
    expect(found).toEqual([i]);
  }
});
