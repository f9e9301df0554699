import { describe, expect, test } from '@jest/globals';
import { parseOptions } from './options.js';

const known = ['embedded', 'redis'];

describe('parseOptions', () => {
  test('runs everything five times and writes nothing by default', () => {
    expect(parseOptions([], known)).toEqual({ workloads: [], peers: undefined, rounds: 5, write: false });
  });

  test('takes workloads in any place, each once', () => {
    const { workloads, peers, rounds } = parseOptions(
      ['redis', '--runs', '7', 'embedded', '--peers', 'p', 'redis'],
      known,
    );
    expect(workloads).toEqual(['redis', 'embedded']);
    expect(peers).toBe('p');
    expect(rounds).toBe(7);
  });

  test.each([
    [['embeded'], 'no workload is named embeded; there are: embedded, redis'],
    [['--runs', '0'], '--runs takes a whole number'],
    [['--runs', '2.5'], '--runs takes a whole number'],
    [['--runs', 'many'], '--runs takes a whole number'],
    [['--runs', '3', '--write'], '--write needs at least 5 runs'],
    [['--wirte'], '--wirte'],
  ])('refuses %j', (argv, message) => {
    expect(() => parseOptions(argv, known)).toThrow(message);
  });
});
