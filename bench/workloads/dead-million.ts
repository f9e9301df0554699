/** A dead subscription gathers a million events: memory, disk, and what the healthy one beside it notices. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { saturating, steady } from '../driver.js';
import { openEndpoint } from '../endpoints.js';
import { gridpost, pushed, readMetric } from '../gridpost.js';
import { type Figures, pass } from '../measure.js';
import { watchMemory } from '../memory.js';
import { freePort } from '@gridpost/model/testing';
import { ratioTable } from '../reporting.js';
import { median, ratioOf } from '../statistics.js';
import { type Table, figure, spread } from '../table.js';
import type { Context, Workload } from '../workload.js';

const million = 1_000_000;
const warmUp = saturating(10_000);
const throughput = saturating(10_000);
const paced = steady(5_000, 1_000);
const fill = { ...saturating(50_000), batch: 100, concurrency: 8 };
const storeBytesMax = 4 * 1024 ** 3;
/** Half of the store, so that a million events stay deferred and none is let go for the quota. */
const subscriptionShare = 0.5;
const anonymousBytesMax = 300_000_000;
/** What may be lost or added before "not slowed" is wrong: about what equal passes differ by on a shared machine. */
const throughputMin = 0.9;
const latencyMax = 1.25;

interface Probe {
  readonly throughput: Figures;
  readonly steady: Figures;
}

export const deadMillion: Workload = {
  name: 'dead-million',
  about:
    'One Gridpost process on the embedded store (4 GiB, half of it allowed to one subscription). Two subscriptions want ' +
    'every event; the endpoint of one refuses connections and gathers deferred deliveries, the driver is the other’s. ' +
    'The healthy one is probed with 10,000 events at saturation and 5,000 at 1,000 a second, five times while the dead ' +
    'one holds under 100,000, and five times when it holds over 1,000,000; the first probe before is paired with the ' +
    'first after, and so on. In between, batches of 100 fill it up. Memory is RssAnon, the part that is not the mapped ' +
    'store, read every 200 ms to the end. "Not slowed" means throughput ≥ 0.9 × and p99 ≤ 1.25 × of before.',
  byDefault: false,
  async run(context) {
    const dead = await openEndpoint('refusing');
    const sinkPort = await freePort();
    const subject = await gridpost({
      store: 'lmdb',
      environment: {
        GRIDPOST_STORE_BYTES_MAX: String(storeBytesMax),
        GRIDPOST_SUBSCRIPTION_SHARE: String(subscriptionShare),
      },
      subscriptions: (sink) => [pushed('healthy', sink), pushed('dead', dead.url)],
    })({ ...context, sinkPort });
    const memory = watchMemory(subject.router.router!);
    const deferred = (): Promise<number> =>
      readMetric(subject.addresses.router!, 'gridpost_subscription_backlog_events', 'subscription="dead"');
    const probe = async (): Promise<Probe> => ({
      throughput: await pass(context, subject, sinkPort, throughput),
      steady: await pass(context, subject, sinkPort, paced),
    });
    try {
      await pass(context, subject, sinkPort, warmUp);
      const before = await repeatedly(context, 'before', probe);
      const heldBefore = await deferred();
      const filling: Figures[] = [];
      const fillMax = (2 * million) / fill.events;
      for (let held = heldBefore; held < million; held = await deferred()) {
        if (filling.length === fillMax)
          throw new Error(`only ${held} events are deferred after ${fillMax} fills`);
        filling.push(await pass(context, subject, sinkPort, fill));
        context.say(`${held} deferred, ${filling.at(-1)!.report.endToEndPerS} events/s`);
      }
      const heldAfter = await deferred();
      const after = await repeatedly(context, `at ${heldAfter}`, probe);
      const disk = diskBytes(subject.dataDirectory);
      return report({
        ...{ before, after, heldBefore, heldAfter, filling, disk },
        anonymousBytesPeak: memory.peakBytes(),
      });
    } finally {
      memory.stop();
      await subject.stop();
      await dead.close();
    }
  },
};

interface Findings {
  readonly before: readonly Probe[];
  readonly after: readonly Probe[];
  readonly heldBefore: number;
  readonly heldAfter: number;
  readonly filling: readonly Figures[];
  readonly disk: number;
  readonly anonymousBytesPeak: number;
}

function report(findings: Findings) {
  const { before, after, heldBefore, heldAfter, filling, disk, anonymousBytesPeak } = findings;
  const rate = (probes: readonly Probe[]): number[] =>
    probes.map((each) => each.throughput.report.endToEndPerS);
  const p99 = (probes: readonly Probe[]): number[] => probes.map((each) => each.steady.report.latencyMs.p99);
  const cpu = (probes: readonly Probe[]): number[] => probes.map((each) => each.throughput.routerCpuUs);
  const rates = ratioOf(rate(after), rate(before));
  const p99s = ratioOf(p99(after), p99(before));
  const held: Table = {
    title: 'What a million costs',
    columns: [
      'deferred',
      'RssAnon peak MB',
      'file MB',
      'file bytes per deferred event',
      'events/s while filling',
    ],
    rows: [
      [
        figure(heldAfter),
        figure(anonymousBytesPeak / 1e6),
        figure(disk / 1e6),
        figure(disk / heldAfter),
        figure(median(filling.map((each) => each.report.endToEndPerS))),
      ],
    ],
  };
  const probes: Table = {
    title: 'The healthy subscription',
    columns: ['dead one holds', 'CPU µs/event', 'events/s', 'p99 ms at 1,000/s'],
    rows: [[`≤ ${figure(heldBefore)}`, before] as const, [`≥ ${figure(heldAfter)}`, after] as const].map(
      ([holds, each]) => [
        holds,
        spread(median(cpu(each)), cpu(each)),
        spread(median(rate(each)), rate(each)),
        spread(median(p99(each)), p99(each)),
      ],
    ),
  };
  return {
    tables: [
      held,
      probes,
      ratioTable([
        { name: 'after / before, events/s', ratio: rates },
        { name: 'after / before, p99', ratio: p99s },
        { name: 'after / before, CPU', ratio: ratioOf(cpu(after), cpu(before)) },
      ]),
    ],
    verdicts: [
      {
        target: 'RssAnon < 300 MB',
        found: `${figure(anonymousBytesPeak / 1e6)} MB at its peak`,
        met: anonymousBytesPeak < anonymousBytesMax,
      },
      {
        target: 'file within the store’s bytes (4,295 MB)',
        found: `${figure(disk / 1e6)} MB`,
        met: disk <= storeBytesMax,
      },
      {
        target: `healthy throughput ≥ ${throughputMin} × before`,
        found: `${rates.medianOfPairs.toFixed(2)} by pairs, ${rates.ofMedians.toFixed(2)} of medians`,
        met: rates.medianOfPairs >= throughputMin && rates.ofMedians >= throughputMin,
      },
      {
        target: `healthy p99 ≤ ${latencyMax} × before`,
        found: `${p99s.medianOfPairs.toFixed(2)} by pairs, ${p99s.ofMedians.toFixed(2)} of medians`,
        met: p99s.medianOfPairs <= latencyMax && p99s.ofMedians <= latencyMax,
      },
    ],
    raw: findings,
  };
}

async function repeatedly(context: Context, when: string, probe: () => Promise<Probe>): Promise<Probe[]> {
  const probes: Probe[] = [];
  for (let round = 0; round < context.rounds; round++) {
    const found = await probe();
    const { endToEndPerS } = found.throughput.report;
    context.say(
      `probe ${round + 1} ${when}: ${endToEndPerS} events/s, p99 ${found.steady.report.latencyMs.p99} ms`,
    );
    probes.push(found);
  }
  return probes;
}

/** Bytes that the files of a directory take on disk. */
function diskBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).blocks * 512, 0);
}
