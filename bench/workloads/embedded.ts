/** The headline: what one process on the embedded store costs per event, beside the least a Node process could do. */
import { saturating } from '../driver.js';
import { gridpost } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import { floor } from '../subjects.js';
import type { Workload } from '../workload.js';

const warmUp = saturating(20_000);
const measured = saturating(40_000);
const costMax = 1.5;

export const embedded: Workload = {
  name: 'embedded',
  about:
    'One Gridpost process on the embedded store (LMDB, every append on disk before it is answered) beside the floor. ' +
    '64 publishers send single structured events as fast as they are answered, to one subscription: 20,000 to warm up, ' +
    'then 40,000 that are measured.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(context, [
      { name: 'floor', start: floor, warmUp, measured },
      { name: 'Gridpost, LMDB', start: gridpost({ store: 'lmdb' }), warmUp, measured },
    ]);
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const ratio = ratioOf(cost('Gridpost, LMDB'), cost('floor'));
    return {
      tables: [
        costTable('Cost per event', samples),
        ratioTable([{ name: 'Gridpost, LMDB / floor, CPU', ratio }]),
      ],
      verdicts: [atMost(`CPU per event ≤ ${costMax} × floor`, costMax, ratio)],
      raw: samples,
    };
  },
};
