import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AdaptiveConcurrency, type Signal } from './adaptive-concurrency.js';

/** An endpoint that is given all it may be: each round lasts as long as `latencyOf` says for so many at once. */
class Rounds {
  readonly adaptive: AdaptiveConcurrency;
  now = 0;

  constructor(ceiling: number) {
    this.adaptive = new AdaptiveConcurrency(ceiling);
  }

  round(signalOf: (index: number) => Signal, latencyOf: (count: number) => number = () => 100): number {
    const startedAt = this.now;
    const count = this.adaptive.limit;
    this.now += latencyOf(count);
    for (let i = 0; i < count; i++) this.adaptive.add({ signal: signalOf(i), startedAt, endedAt: this.now });
    this.now += 1;
    return this.adaptive.limit;
  }

  rounds(count: number, latencyOf?: (count: number) => number): number[] {
    return Array.from({ length: count }, () => this.round(() => 'taken', latencyOf));
  }
}

describe('how many at once', () => {
  test('is the ceiling from the beginning and while all goes well', () => {
    const rounds = new Rounds(64);
    expect(rounds.adaptive.limit).toBe(64);
    expect(new Set(rounds.rounds(100))).toEqual(new Set([64]));
  });

  test('is halved by a round that tells of too much, whatever part of it does', () => {
    const rounds = new Rounds(64);
    expect(rounds.round((i) => (i % 3 === 0 ? 'tooMuch' : 'taken'))).toBeLessThanOrEqual(33);
    expect(rounds.round((i) => (i === 0 ? 'tooMuch' : 'neither'))).toBe(16);
    expect(rounds.round(() => 'tooMuch')).toBe(8);
  });

  test('is never less than one', () => {
    const rounds = new Rounds(64);
    for (let i = 0; i < 20; i++) rounds.round(() => 'tooMuch');
    expect(rounds.adaptive.limit).toBe(1);
    const one = new Rounds(1);
    one.round(() => 'tooMuch');
    expect(one.adaptive.limit).toBe(1);
  });

  test('grows by about one a round, up to the ceiling', () => {
    const rounds = new Rounds(16);
    rounds.round(() => 'tooMuch');
    const limits = rounds.rounds(20);
    expect(limits.slice(0, 4)).toEqual([8, 9, 10, 11]);
    expect(limits.at(-1)).toBe(16);
  });

  test('is not moved by failures that tell nothing about load', () => {
    const rounds = new Rounds(16);
    rounds.round(() => 'tooMuch');
    expect(rounds.round(() => 'neither')).toBe(8);
  });

  test('doubles after an outage up to half of the ceiling, and then grows slowly', () => {
    const rounds = new Rounds(64);
    rounds.adaptive.restart();
    expect(rounds.adaptive.limit).toBe(1);
    expect(rounds.rounds(5)).toEqual([2, 4, 8, 16, 32]);
    expect(rounds.rounds(2)).toEqual([32, 33]);
  });

  test('follows the ceiling where nothing is held against the endpoint, and otherwise stays', () => {
    const { adaptive } = new Rounds(16);
    adaptive.ceiling = 64;
    expect(adaptive.limit).toBe(64);
    adaptive.ceiling = 8;
    expect(adaptive.limit).toBe(8);
    adaptive.add({ signal: 'tooMuch', startedAt: 0, endedAt: 1 });
    adaptive.ceiling = 64;
    expect(adaptive.limit).toBe(4);
  });

  test('lies between one and the ceiling whatever happens', () => {
    const steps = fc.array(
      fc.record({
        signal: fc.constantFrom<Signal>('taken', 'tooMuch', 'neither'),
        ms: fc.integer({ min: 0, max: 5_000 }),
        ceiling: fc.option(fc.integer({ min: 1, max: 100 }), { freq: 10, nil: undefined }),
        restarts: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), steps, (first, moves) => {
        const adaptive = new AdaptiveConcurrency(first);
        let ceiling = first;
        let now = 0;
        for (const { signal, ms, ceiling: next, restarts } of moves) {
          if (next !== undefined) adaptive.ceiling = ceiling = next;
          if (restarts && signal === 'neither') adaptive.restart();
          now += ms;
          adaptive.add({ signal, startedAt: now - ms, endedAt: now });
          expect(adaptive.limit).toBeGreaterThanOrEqual(1);
          expect(adaptive.limit).toBeLessThanOrEqual(ceiling);
        }
      }),
    );
  });
});

describe('rising latency', () => {
  test('of an endpoint that has less to give than before takes attempts away', () => {
    const rounds = new Rounds(64);
    rounds.rounds(50, () => 100);
    // What each takes grows with how many there are beyond sixteen: a queue at the endpoint.
    const queueing = (count: number): number => Math.max(100, (count / 16) * 100);
    const least = Math.min(...rounds.rounds(100, queueing));
    expect(least).toBeLessThan(45);
    expect(least).toBeGreaterThanOrEqual(8);
  });

  test('for good becomes usual, and never leads below the square root of the ceiling', () => {
    const rounds = new Rounds(64);
    rounds.rounds(50, () => 100);
    const limits = rounds.rounds(400, () => 2_000);
    expect(Math.min(...limits)).toBeGreaterThanOrEqual(8);
    expect(limits.at(-1)).toBe(64);
  });

  test.each([
    ['from 1 to 40 ms', 1, 40],
    ['from 100 to 200 ms', 100, 200],
  ])('%s is none', (_, before, after) => {
    const rounds = new Rounds(64);
    rounds.rounds(2_000, () => before);
    expect(new Set(rounds.rounds(200, () => after))).toEqual(new Set([64]));
  });

  test('is not seen in single attempts', () => {
    const rounds = new Rounds(64);
    rounds.rounds(100, () => 10);
    for (let i = 0; i < 100; i++) {
      rounds.round(
        () => 'taken',
        () => 10,
      );
      rounds.adaptive.add({ signal: 'taken', startedAt: rounds.now - 1_000, endedAt: rounds.now });
    }
    expect(rounds.adaptive.limit).toBe(64);
  });
});
