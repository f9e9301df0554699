/** What calm operators cost: everything that watches, records, signs and guards, beside the main path without. */
import { saturating } from '../driver.js';
import { gridpost, pushed } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import type { Workload } from '../workload.js';

const warmUp = saturating(20_000);
const measured = saturating(40_000);
const costMax = 1.2;
const stores = [
  { store: 'lmdb', title: 'LMDB' },
  { store: 'redis', title: 'Redis' },
] as const;

/** The attempt log and endpoint health can be switched off. */
const bare = { GRIDPOST_ATTEMPT_LOG_BYTES_MAX: '0', GRIDPOST_HEALTH_FAILURES_MAX: '0' };

export const trusted: Workload = {
  name: 'trusted',
  about:
    'One subscription on both stores (on Redis a gateway and a worker). *Bare*: without the attempt log and endpoint health, ' +
    'unsigned. *Trusted*: with both, as by default, and signed with HMAC-SHA256. Addresses are guarded in both, since that cannot ' +
    'be switched off; it is done once a connection. 64 publishers send single events: 20,000 to warm up, 40,000 measured.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(
      context,
      stores.flatMap(({ store, title }) => [
        {
          name: `${title}, bare`,
          start: gridpost({ store, environment: bare }),
          ...{ warmUp, measured },
        },
        {
          name: `${title}, trusted`,
          start: gridpost({
            store,
            subscriptions: (sink) => {
              const { name, properties } = pushed('driver', sink);
              return [{ name, properties: { ...properties, signing: { scheme: 'v1' } } }];
            },
          }),
          ...{ warmUp, measured },
        },
      ]),
    );
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const ratios = stores.map(({ title }) => ({
      name: `${title}, trusted / bare, CPU`,
      target: `${title}: CPU per event with all of it ≤ ${costMax} × without`,
      ratio: ratioOf(cost(`${title}, trusted`), cost(`${title}, bare`)),
    }));
    return {
      tables: [costTable('Cost per event', samples), ratioTable(ratios)],
      verdicts: ratios.map(({ target, ratio }) => atMost(target, costMax, ratio)),
      raw: samples,
    };
  },
};
