/** What batches save on the whole way: in hundreds in and out, beside one by one. */
import { saturating } from '../driver.js';
import { gridpost, pushed } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import type { Workload } from '../workload.js';

const singly = { warmUp: saturating(10_000), measured: saturating(20_000) };
const inHundreds = {
  warmUp: { ...saturating(40_000), batch: 100 },
  measured: { ...saturating(100_000), batch: 100 },
};
const stores = [
  { store: 'lmdb', title: 'LMDB' },
  { store: 'redis', title: 'Redis' },
] as const;
const costMax = 1 / 4;

export const batchOutput: Workload = {
  name: 'batch-output',
  about:
    'One subscription on both stores (on Redis a gateway and a worker), to which 64 publishers send single events that are ' +
    'delivered one by one, or 100 events per request that are delivered up to 100 per request. Singly: 10,000 to warm up, ' +
    '20,000 measured; in batches: 40,000 and 100,000.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(
      context,
      stores.flatMap(({ store, title }) => [
        { name: `${title}, singly`, start: gridpost({ store }), ...singly },
        {
          name: `${title}, in hundreds`,
          start: gridpost({
            store,
            subscriptions: (sink) => [pushed('driver', sink, { how: { maxEventsPerBatch: 100 } })],
          }),
          ...inHundreds,
        },
      ]),
    );
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const ratios = stores.map(({ title }) => ({
      name: `${title}, in hundreds / singly, CPU`,
      target: `${title}: CPU per event in and out in hundreds ≤ ¼ of that of single events`,
      ratio: ratioOf(cost(`${title}, in hundreds`), cost(`${title}, singly`)),
    }));
    return {
      tables: [costTable('Cost per event', samples), ratioTable(ratios)],
      verdicts: ratios.map(({ target, ratio }) => atMost(target, costMax, ratio)),
      raw: samples,
    };
  },
};
