/** Gateway and worker as two processes on Redis, beside the floor and beside what a Node team would build instead. */
import { saturating } from '../driver.js';
import { gridpost } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import { bullmq, floor } from '../subjects.js';
import type { Workload } from '../workload.js';

const warmUp = saturating(20_000);
const measured = saturating(40_000);
const ofFloorMax = 1.7;
const ofBullmqMax = 0.25;

export const redis: Workload = {
  name: 'redis',
  about:
    'A Gridpost gateway and one delivery worker, two processes on a private redis-server (append-only file, fsync every ' +
    'second), beside the floor, and beside express + BullMQ + undici in one process on the same kind of redis-server. ' +
    '64 publishers, single structured events, one subscription: 20,000 to warm up, then 40,000 that are measured. The ' +
    'cost of a router is the sum of its Node processes; what it makes redis-server do is shown beside it.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(context, [
      { name: 'floor', start: floor, warmUp, measured },
      { name: 'Gridpost, Redis', start: gridpost({ store: 'redis' }), warmUp, measured },
      { name: 'BullMQ router', start: bullmq, warmUp, measured },
    ]);
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const store = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.storeCpuUs);
    const ofFloor = ratioOf(cost('Gridpost, Redis'), cost('floor'));
    const ofBullmq = ratioOf(cost('Gridpost, Redis'), cost('BullMQ router'));
    return {
      tables: [
        costTable('Cost per event', samples),
        ratioTable([
          { name: 'Gridpost, Redis / floor, CPU', ratio: ofFloor },
          { name: 'Gridpost, Redis / BullMQ router, CPU', ratio: ofBullmq },
          {
            name: 'Gridpost, Redis / BullMQ router, CPU of redis-server',
            ratio: ratioOf(store('Gridpost, Redis'), store('BullMQ router')),
          },
        ]),
      ],
      verdicts: [
        atMost(`CPU per event ≤ ${ofFloorMax} × floor`, ofFloorMax, ofFloor),
        atMost(`CPU per event ≤ ${ofBullmqMax} × BullMQ router`, ofBullmqMax, ofBullmq),
      ],
      raw: samples,
    };
  },
};
