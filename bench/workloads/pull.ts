/** What receiving costs beside being pushed to, both in batches. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { saturating } from '../driver.js';
import { type GridpostOptions, gridpost, pushed, queued } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { startProcess } from '../processes.js';
import { atMost, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import { type StartSubject, sinkUrl } from '../subjects.js';
import type { Workload } from '../workload.js';

const inHundreds = {
  warmUp: { ...saturating(40_000), batch: 100 },
  measured: { ...saturating(100_000), batch: 100 },
};
const consumers = 8;
const stores = [
  { store: 'lmdb', title: 'LMDB', costMax: 2 },
  { store: 'redis', title: 'Redis', costMax: 1.5 },
] as const;

export const pull: Workload = {
  name: 'pull',
  about:
    'One queue subscription from which 8 consumers receive and acknowledge up to 100 events per request, beside one ' +
    'subscription that is pushed up to 100 per request, on both stores (on Redis a gateway and a worker). 64 publishers ' +
    'send 100 events per request: 40,000 to warm up, 100,000 measured. The consumers are a process of their own, whose ' +
    'cost is not counted; they pass what they have acknowledged to the driver’s sink.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(
      context,
      stores.flatMap(({ store, title }) => [
        { name: `${title}, pushed`, start: batched(store), ...inHundreds },
        { name: `${title}, received`, start: received(store), ...inHundreds },
      ]),
    );
    const cost = (arm: string): number[] => series(samples, arm, ({ warm }) => warm.routerCpuUs);
    const ratios = stores.map(({ title, costMax }) => ({
      name: `${title}, received / pushed, CPU`,
      target: `${title}: CPU per event received ≤ ${costMax} × pushed`,
      costMax,
      ratio: ratioOf(cost(`${title}, received`), cost(`${title}, pushed`)),
    }));
    return {
      tables: [costTable('Cost per event', samples), ratioTable(ratios)],
      verdicts: ratios.map(({ target, costMax, ratio }) => atMost(target, costMax, ratio)),
      raw: samples,
    };
  },
};

const batched = (store: GridpostOptions['store']): StartSubject =>
  gridpost({ store, subscriptions: (sink) => [pushed('driver', sink, { how: { maxEventsPerBatch: 100 } })] });

const received =
  (store: GridpostOptions['store']): StartSubject =>
  async (surroundings) => {
    const subject = await gridpost({ store, subscriptions: () => [queued('driver')] })(surroundings);
    try {
      const subscription = subject.publish.replace(/:publish$/, '/eventsubscriptions/driver');
      const { stop } = await startProcess({
        name: 'receiver',
        command: process.execPath,
        args: [
          join(import.meta.dirname, '..', 'receiver.js'),
          subscription,
          sinkUrl(surroundings.sinkPort),
          String(consumers),
        ],
        directory: mkdtempSync(join(surroundings.scratch, 'receiver-')),
        ready: /ready/,
      });
      return {
        ...subject,
        stop: async () => {
          await stop();
          await subject.stop();
        },
      };
    } catch (error) {
      await subject.stop();
      throw error;
    }
  };
