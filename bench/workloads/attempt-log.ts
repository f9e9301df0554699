/** What the attempt log costs: the same deliveries recorded and not recorded, one by one and in batches. */
import { saturating } from '../driver.js';
import { gridpost, pushed } from '../gridpost.js';
import { interleave, type Sample, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { type Ratio, ratioOf } from '../statistics.js';
import type { Workload } from '../workload.js';

const stores = [
  { store: 'lmdb', title: 'LMDB' },
  { store: 'redis', title: 'Redis' },
] as const;
const manners = [
  {
    manner: 'singly',
    eventsMax: 1,
    warmUp: saturating(20_000),
    measured: saturating(60_000),
  },
  {
    manner: 'in hundreds',
    eventsMax: 100,
    warmUp: { ...saturating(60_000), batch: 100 },
    measured: { ...saturating(200_000), batch: 100 },
  },
] as const;
const costMax = 1.05;

/** Nothing is recorded. */
const off = { GRIDPOST_ATTEMPT_LOG_BYTES_MAX: '0' };

export const attemptLog: Workload = {
  name: 'attempt-log',
  about:
    'One subscription on both stores (on Redis a gateway and a worker), with the attempt log as by default and without it. 64 ' +
    'publishers send single events that are delivered one by one, 20,000 to warm up and 60,000 measured; or 100 events per ' +
    'request that are delivered up to 100 per request, 60,000 and 200,000.',
  byDefault: true,
  async run(context) {
    const pairs = stores.flatMap(({ store, title }) =>
      manners.map(({ manner, eventsMax, ...shapes }) => ({
        title: `${title}, ${manner}`,
        options: {
          store,
          subscriptions: (sink: string) => [
            pushed('driver', sink, { how: { maxEventsPerBatch: eventsMax } }),
          ],
        },
        shapes,
      })),
    );
    const samples = await interleave(
      context,
      pairs.flatMap(({ title, options, shapes }) => [
        { name: `${title}, off`, start: gridpost({ ...options, environment: off }), ...shapes },
        { name: `${title}, on`, start: gridpost(options), ...shapes },
      ]),
    );
    const ratios = pairs.map(({ title, options: { store } }) => {
      const ratio = (of: (sample: Sample) => number): Ratio =>
        ratioOf(series(samples, `${title}, on`, of), series(samples, `${title}, off`, of));
      const router = ratio(({ warm }) => warm.routerCpuUs);
      const redis = {
        name: `${title}, on / off, CPU of redis-server`,
        ratio: ratio(({ warm }) => warm.storeCpuUs),
      };
      return {
        verdict: atMost(`${title}: CPU per event with the log ≤ ${costMax} × without`, costMax, router),
        rows: [{ name: `${title}, on / off, CPU`, ratio: router }, ...(store === 'redis' ? [redis] : [])],
      };
    });
    return {
      tables: [costTable('Cost per event', samples), ratioTable(ratios.flatMap(({ rows }) => rows))],
      verdicts: ratios.map(({ verdict }) => verdict),
      raw: samples,
    };
  },
};
