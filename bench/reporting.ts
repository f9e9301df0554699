/** The tables and verdicts that several workloads share: costs at saturation, and ratios with their pairs. */
import { type Sample, series } from './measure.js';
import { type Ratio, median } from './statistics.js';
import { type Table, figure, spread } from './table.js';
import type { Verdict } from './workload.js';

/** One row per arm, CPU first: the steadier figure on a machine with neighbours. */
export function costTable(title: string, samples: readonly Sample[]): Table {
  const arms = [...new Set(samples.map(({ arm }) => arm))];
  return {
    title,
    columns: [
      'router',
      'CPU µs/event warm',
      'cold',
      'redis-server CPU µs/event',
      'events/s',
      'p50 ms',
      'p99 ms',
      'duplicates',
    ],
    rows: arms.map((arm) => {
      const of = (read: (sample: Sample) => number): number[] => series(samples, arm, read);
      const middle = (read: (sample: Sample) => number): string => figure(median(of(read)));
      const warm = of(({ warm: { routerCpuUs } }) => routerCpuUs);
      const store = median(of(({ warm: { storeCpuUs } }) => storeCpuUs));
      return [
        arm,
        spread(median(warm), warm),
        middle(({ cold: { routerCpuUs } }) => routerCpuUs),
        store === 0 ? '–' : figure(store),
        middle(({ warm: { report } }) => report.endToEndPerS),
        middle(({ warm: { report } }) => report.latencyMs.p50),
        middle(({ warm: { report } }) => report.latencyMs.p99),
        figure(of(({ cold, warm: { report } }) => cold.report.duplicates + report.duplicates).reduce(add, 0)),
      ];
    }),
  };
}

export interface NamedRatio {
  readonly name: string;
  readonly ratio: Ratio;
}

export function ratioTable(ratios: readonly NamedRatio[]): Table {
  return {
    title: 'Ratios',
    columns: ['ratio', 'pair by pair', 'median of pairs', 'of medians'],
    rows: ratios.map(({ name, ratio: { pairs, medianOfPairs, ofMedians } }) => [
      name,
      pairs.map((pair) => pair.toFixed(2)).join(' '),
      medianOfPairs.toFixed(2),
      ofMedians.toFixed(2),
    ]),
  };
}

/** Met only if both readings agree: the median of the pairs and the ratio of the medians. */
export function atMost(target: string, bound: number, { medianOfPairs, ofMedians }: Ratio): Verdict {
  return {
    target,
    found: `${medianOfPairs.toFixed(2)} by pairs, ${ofMedians.toFixed(2)} of medians`,
    met: medianOfPairs <= bound && ofMedians <= bound,
  };
}

/** The other direction, for what should grow. */
export function atLeast(target: string, bound: number, { medianOfPairs, ofMedians }: Ratio): Verdict {
  return {
    target,
    found: `${medianOfPairs.toFixed(2)} by pairs, ${ofMedians.toFixed(2)} of medians`,
    met: medianOfPairs >= bound && ofMedians >= bound,
  };
}

const add = (sum: number, value: number): number => sum + value;
