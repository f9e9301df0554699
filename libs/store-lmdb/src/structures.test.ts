import { expect, test } from '@jest/globals';
import { seededRandom } from '@gridpost/model/testing';
import type { LogEntry } from '@gridpost/store';
import { Heap } from './heap.js';
import { Tail } from './tail.js';

test('a heap always gives the smallest of what is in it, whatever was moved or taken out', () => {
  const random = seededRandom(1);
  const heap = new Heap<{ order: number; heapAt: number }>();
  const items = Array.from({ length: 50 }, () => ({ order: 0, heapAt: -1 }));
  for (let step = 0; step < 3_000; step++) {
    const item = items[Math.floor(random() * items.length)]!;
    if (random() < 0.6) heap.place(item, Math.floor(random() * 100));
    else heap.remove(item);
    const inside = items.filter(({ heapAt }) => heapAt >= 0);
    expect(heap.first?.order).toBe(inside.length ? Math.min(...inside.map(({ order }) => order)) : undefined);
  }
  heap.clear();
  expect(heap.first).toBeUndefined();
  expect(items.every(({ heapAt }) => heapAt === -1)).toBe(true);
});

test('a tail has every entry from its beginning on, in order, within its bytes', () => {
  const random = seededRandom(2);
  const tail = new Tail(2_000, 10);
  const live = new Map<number, number>();
  let next = 10;
  for (let step = 0; step < 4_000; step++) {
    if (random() < 0.5) {
      next += random() < 0.1 ? 100 : 1;
      const bytes = 1 + Math.floor(random() * 60);
      tail.push({ number: next, entry: { bytes } as LogEntry });
      live.set(next, bytes);
    } else if (live.size) {
      const number = [...live.keys()][Math.floor(random() * random() * live.size)]!;
      tail.remove(number);
      live.delete(number);
    }
    for (const number of live.keys()) if (number < tail.from) live.delete(number);
    const found: number[] = [];
    const from = tail.from + Math.floor(random() * 20);
    tail.each(from, ({ number }) => found.push(number) < 1_000);
    expect(found).toEqual([...live.keys()].filter((number) => number >= from));
    expect([...live.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(2_000);
  }
});
