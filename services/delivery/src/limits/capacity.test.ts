import { beforeEach, expect, test } from '@jest/globals';
import { Capacity } from './capacity.js';

let capacity: Capacity;
let started: string[];

beforeEach(() => {
  capacity = new Capacity({ min: 2, max: 32 });
  started = [];
});

/** What wants attempts: starts one whenever it may, and says so. */
function wanting(name: string, prompt: boolean, attempts: number): { start(): void; running: number } {
  const lane = {
    running: 0,
    start(): void {
      while (attempts > 0 && capacity.offers(lane.running, prompt, lane.start)) {
        attempts--;
        capacity.started(lane.running++);
        started.push(name);
      }
    },
  };
  lane.start();
  return lane;
}

const end = async (lane: { running: number }): Promise<void> => {
  capacity.ended(--lane.running);
  await Promise.resolve();
};

test('begins at four times the least; who finds no room is called in turn, for one attempt each', async () => {
  const a = wanting('a', false, 100);
  expect([capacity.limit, a.running]).toEqual([8, 8]);
  wanting('b', false, 2);
  wanting('c', false, 1);
  started = [];
  for (let i = 0; i < 5; i++) await end(a);
  expect(started).toEqual(['a', 'b', 'c', 'a', 'b']);
});

test('what is prompt takes turns with what catches up, however many that is', async () => {
  const a = wanting('a', false, 100);
  for (const name of ['b', 'c', 'd']) wanting(name, false, 1);
  const p = wanting('p', true, 6);
  // Its even share beside one other, over the limit.
  expect(p.running).toBe(4);
  for (let i = 0; i < 4; i++) await end(a);
  started = [];
  for (let i = 0; i < 4; i++) await end(a);
  expect(started).toEqual(['p', 'a', 'p', 'b']);
});

test('a saturated process halves it, down to the least; one with time to spare doubles it where somebody waits', async () => {
  const a = wanting('a', false, 10);
  capacity.look(true);
  expect(capacity.limit).toBe(4);
  for (let i = 0; i < 3; i++) capacity.look(true);
  expect(capacity.limit).toBe(2);
  capacity.look(false);
  capacity.look(false);
  expect([capacity.limit, a.running]).toEqual([8, 8]);
  capacity.look(false);
  await Promise.resolve();
  expect([capacity.limit, a.running]).toEqual([16, 10]);
  // Nobody waits any more.
  capacity.look(false);
  expect(capacity.limit).toBe(16);
});

test('what is prompt has its even share, though all others hang', async () => {
  const hanging = wanting('a', false, 100);
  expect([capacity.limit, hanging.running]).toEqual([8, 8]);
  expect(wanting('p', true, 100).running).toBe(4);
  for (let i = 0; i < 3; i++) capacity.look(true);
  expect(capacity.limit).toBe(2);
  expect(wanting('r', true, 100).running).toBe(1);
  // What catches up is not exempt.
  expect(wanting('q', false, 1).running).toBe(0);
});

test('one who is called and wants nothing any more leaves the place to the next', async () => {
  const a = wanting('a', false, 8);
  capacity.offers(0, false, () => {});
  wanting('b', false, 1);
  await end(a);
  expect(started.at(-1)).toBe('b');
});
