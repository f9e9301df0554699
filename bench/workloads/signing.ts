/** What signatures cost: the same deliveries without, with HMAC, and with Ed25519. */
import { saturating } from '../driver.js';
import { gridpost, pushed } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import type { Workload } from '../workload.js';

const arms = [
  { name: 'unsigned', signing: null },
  { name: 'v1 (HMAC)', signing: { scheme: 'v1' } },
  { name: 'v1a (Ed25519)', signing: { scheme: 'v1a' } },
] as const;
const [unsigned, hmac, ed25519] = arms.map(({ name }) => name) as [string, string, string];
const hmacMax = 1.1;

export const signing: Workload = {
  name: 'signing',
  about:
    'One process on the embedded store and one subscription, whose deliveries are not signed, signed with HMAC-SHA256, or with ' +
    'Ed25519, by 64 publishers of single events: 10,000 to warm up, 30,000 measured.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(
      context,
      arms.map(({ name, signing: how }) => ({
        name,
        start: gridpost({
          store: 'lmdb',
          subscriptions: (sink) => {
            const { properties, ...rest } = pushed('driver', sink);
            return [{ ...rest, properties: { ...properties, signing: how } }];
          },
        }),
        warmUp: saturating(10_000),
        measured: saturating(30_000),
      })),
    );
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const ratios = [hmac, ed25519].map((arm) => ({
      name: `${arm} / ${unsigned}, CPU`,
      ratio: ratioOf(cost(arm), cost(unsigned)),
    }));
    return {
      tables: [costTable('Cost per event', samples), ratioTable(ratios)],
      verdicts: [atMost(`${hmac}: CPU per event ≤ ${hmacMax} of that without`, hmacMax, ratios[0]!.ratio)],
      raw: samples,
    };
  },
};
