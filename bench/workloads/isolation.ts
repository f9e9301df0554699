/** Whether healthy subscriptions notice that half of all subscriptions are dead. */
import { type Endpoint, type Manner, openEndpoint } from '../endpoints.js';
import { gridpost, pushed } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { atMost, ratioTable } from '../reporting.js';
import { median, ratioOf } from '../statistics.js';
import type { StartSubject } from '../subjects.js';
import { type Table, figure, spread } from '../table.js';
import type { Workload } from '../workload.js';

const half = 100;
const base = { batch: 1, deliveriesPerEvent: half };
/** Four at a time: 800 deliveries under way, and every process compiled by the end of it. */
const warmUp = { ...base, events: 200, concurrency: 4, rate: 0 };
const measured = { ...base, events: 150, concurrency: 1, rate: 10 };
const slowdownMax = 2;

const allHealthy = 'all 200 healthy';
const halfDead = '100 of 200 dead';

export const isolation: Workload = {
  name: 'isolation',
  about:
    '200 subscriptions to every event on the embedded store; the driver is the endpoint of 100 and measures them. The ' +
    'endpoints of the other 100 answer 204 in one arm; in the other arm they are dead: a third refuses connections, a ' +
    'third answers 503, a third takes requests and never answers. 200 events warm the process up and let the dead be ' +
    'noticed; then 150 at 10 a second (1,000 deliveries a second to the healthy) are measured.',
  byDefault: true,
  async run(context) {
    const samples = await interleave(context, [
      { name: allHealthy, start: withOthers(['answering']), warmUp, measured },
      { name: halfDead, start: withOthers(['refusing', 'failing', 'hanging']), warmUp, measured },
    ]);
    const of = (arm: string, q: 'p50' | 'p99'): number[] =>
      series(samples, arm, ({ warm }) => warm.report.latencyMs[q]);
    const [p50, p99] = [
      ratioOf(of(halfDead, 'p50'), of(allHealthy, 'p50')),
      ratioOf(of(halfDead, 'p99'), of(allHealthy, 'p99')),
    ];
    const latencies: Table = {
      title: 'Latency of the 100 measured subscriptions, ms',
      columns: ['subscriptions', 'p50', 'p99', 'router CPU µs/event'],
      rows: [allHealthy, halfDead].map((arm) => [
        arm,
        spread(median(of(arm, 'p50')), of(arm, 'p50')),
        spread(median(of(arm, 'p99')), of(arm, 'p99')),
        figure(median(series(samples, arm, ({ warm }) => warm.routerCpuUs))),
      ]),
    };
    return {
      tables: [
        latencies,
        ratioTable([
          { name: 'half dead / all healthy, p50', ratio: p50 },
          { name: 'half dead / all healthy, p99', ratio: p99 },
        ]),
      ],
      verdicts: [
        atMost(`healthy p99 with half dead ≤ ${slowdownMax} × that with all healthy`, slowdownMax, p99),
      ],
      raw: samples,
    };
  },
};

/** Half of the subscriptions at the driver's sink, the others spread over endpoints of these manners. */
const withOthers =
  (manners: readonly Manner[]): StartSubject =>
  async (surroundings) => {
    const others: Endpoint[] = [];
    const closeAll = async (): Promise<void> => {
      for (const endpoint of others) await endpoint.close();
    };
    try {
      for (const manner of manners) others.push(await openEndpoint(manner));
      const subject = await gridpost({
        store: 'lmdb',
        subscriptions: (sink) =>
          Array.from({ length: half }, (_, at) => [
            pushed(`measured-${at}`, sink),
            pushed(`other-${at}`, others[at % others.length]!.url),
          ]).flat(),
      })(surroundings);
      return {
        ...subject,
        stop: async () => {
          await subject.stop();
          await closeAll();
        },
      };
    } catch (error) {
      await closeAll();
      throw error;
    }
  };
