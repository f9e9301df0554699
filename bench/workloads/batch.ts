/** What publishing in batches saves where events come in: the gateway alone, its worker being another process. */
import { saturating } from '../driver.js';
import { gridpost } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { median, ratioOf } from '../statistics.js';
import { type Table, figure, spread } from '../table.js';
import type { Workload } from '../workload.js';

const singly = { warmUp: saturating(10_000), measured: saturating(20_000) };
const inHundreds = {
  warmUp: { ...saturating(20_000), batch: 100 },
  measured: { ...saturating(60_000), batch: 100 },
};
const costMax = 1 / 3;

export const batch: Workload = {
  name: 'batch',
  about:
    'The same gateway and worker on Redis, once with single events and once with batches of 100, by 64 publishers to one ' +
    'subscription. Compared is the CPU time per event of the gateway process alone. Singly: 10,000 to warm up, 20,000 ' +
    'measured; in batches: 20,000 and 60,000.',
  byDefault: true,
  async run(context) {
    const start = gridpost({ store: 'redis' });
    const samples = await interleave(context, [
      { name: 'single events', start, ...singly },
      { name: 'batches of 100', start, ...inHundreds },
    ]);
    const cost = (arm: string, process: string): number[] =>
      series(samples, arm, ({ warm }) => warm.cpuUs[process]!);
    const byProcess: Table = {
      title: 'Cost by process, CPU µs/event warm',
      columns: ['published', 'gateway', 'worker'],
      rows: ['single events', 'batches of 100'].map((arm) => [
        arm,
        spread(median(cost(arm, 'gateway')), cost(arm, 'gateway')),
        figure(median(cost(arm, 'worker 1'))),
      ]),
    };
    const ratio = ratioOf(cost('batches of 100', 'gateway'), cost('single events', 'gateway'));
    return {
      tables: [
        byProcess,
        costTable('Cost of both processes', samples),
        ratioTable([{ name: 'batches of 100 / single events, CPU of the gateway', ratio }]),
      ],
      verdicts: [atMost('gateway’s CPU per event in batches ≤ 1/3 of that of single events', costMax, ratio)],
      raw: samples,
    };
  },
};
