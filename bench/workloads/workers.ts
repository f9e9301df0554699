/**
 * Whether a second delivery worker is worth starting. On a machine with few cores, driver, gateway, Redis and workers
 * share them, so the workload makes matching the expensive part: one worker then fills a core, and what is left of the
 * machine is what a second one can use.
 */
import { saturating } from '../driver.js';
import { type GridpostSubject, gridpost, pushed, readMetric } from '../gridpost.js';
import { type Arm, interleave, series } from '../measure.js';
import { atLeast, costTable, ratioTable } from '../reporting.js';
import { ratioOf } from '../statistics.js';
import type { StartSubject } from '../subjects.js';
import type { Workload } from '../workload.js';

const shape = { ...saturating(20_000), batch: 100 };
/** Shared evenly by the workers. */
const partitions = 32;
/** Every one of them is tried for every event and refuses it: about 0.3 ms of matching per event. */
const refusingSubscriptions = 4_000;
const growthMin = 1.25;
const spreadWithinMs = 30_000;
const pollMs = 250;

export const workers: Workload = {
  name: 'workers',
  about:
    'Events per second on Redis with one delivery worker and with two, published in batches of 100 by 64 publishers: ' +
    '20,000 events to warm up, 20,000 measured, 32 partitions. One subscription receives every event; 4,000 others ' +
    'are tried for every event and refuse it by its subject, so that a worker is what there is too little of. The ' +
    'second table has the one subscription only: there, driver, gateway, redis-server and one worker already fill two ' +
    'cores, and no growth can be expected of such a machine.',
  byDefault: true,
  async run(context) {
    const arm = (name: string, count: number, refusing: number): Arm => ({
      name,
      start: spreadOver(count, refusing),
      warmUp: shape,
      measured: shape,
    });
    const matching = await interleave(context, [
      arm('1 worker', 1, refusingSubscriptions),
      arm('2 workers', 2, refusingSubscriptions),
    ]);
    const plain = await interleave(context, [arm('1 worker', 1, 0), arm('2 workers', 2, 0)]);
    const growth = (samples: typeof plain) => {
      const rate = (name: string): number[] => series(samples, name, ({ warm }) => warm.report.endToEndPerS);
      return ratioOf(rate('2 workers'), rate('1 worker'));
    };
    const ratio = growth(matching);
    return {
      tables: [
        costTable('4,001 subscriptions, matching is the bottleneck', matching),
        costTable('One subscription, the machine is the bottleneck', plain),
        ratioTable([
          { name: '2 workers / 1 worker, events/s, 4,001 subscriptions', ratio },
          { name: '2 workers / 1 worker, events/s, one subscription', ratio: growth(plain) },
        ]),
      ],
      verdicts: [atLeast(`throughput with two workers ≥ ${growthMin} × that with one`, growthMin, ratio)],
      raw: { matching, plain },
    };
  },
};

/** Workers whose partitions are spread over them before anything is published. */
const spreadOver =
  (count: number, refusing: number): StartSubject =>
  async (surroundings) => {
    const subject = await gridpost({
      store: 'redis',
      workers: count,
      environment: { GRIDPOST_PARTITIONS: String(partitions) },
      subscriptions: (sink) => [
        pushed('driver', sink),
        ...Array.from({ length: refusing }, (_, at) =>
          pushed(`refusing-${at}`, sink, { filter: { subjectEndsWith: `/nobody-${at}` } }),
        ),
      ],
    })(surroundings);
    try {
      await untilSpread(subject);
    } catch (error) {
      await subject.stop();
      throw error;
    }
    return subject;
  };

async function untilSpread({ addresses }: GridpostSubject): Promise<void> {
  const workers = Object.entries(addresses).filter(([name]) => name.startsWith('worker'));
  const deadline = performance.now() + spreadWithinMs;
  for (;;) {
    const owned = await Promise.all(
      workers.map(([, address]) => readMetric(address, 'gridpost_partitions_owned')),
    );
    const sum = owned.reduce((total, each) => total + each, 0);
    if (sum === partitions && owned.every((each) => each > 0)) return;
    if (performance.now() > deadline)
      throw new Error(`partitions are not spread over the workers: ${owned.join(' and ')} of ${partitions}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
