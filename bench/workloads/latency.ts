/** What durability costs in time at a steady rate: the floor's latency, plus the store commits that no router can avoid. */
import { type CommitMs, measureLmdbCommit, measureRedisCommit } from '../commits.js';
import { saturating, steady } from '../driver.js';
import { gridpost } from '../gridpost.js';
import { interleave, series } from '../measure.js';
import { median } from '../statistics.js';
import { type Table, figure, spread } from '../table.js';
import { floor } from '../subjects.js';
import type { Verdict, Workload } from '../workload.js';

const warmUp = saturating(10_000);
const measured = steady(10_000, 1_000);
/** A router passes an event on as the floor does, and may take as long again over what the floor does not do. */
const ofFloorMax = 2;
/** One commit to accept the event; as much again for waiting behind the commit before. */
const commitsMax = 2;

const quantiles = ['p50', 'p99'] as const;
type Quantile = (typeof quantiles)[number];

export const latency: Workload = {
  name: 'latency',
  about:
    '1,000 single events a second from 8 publishers, published to delivered at one subscription, on each store beside ' +
    'the floor. 10,000 events at saturation warm the processes up; the 10,000 after them, at the steady rate, are ' +
    'measured (the driver leaves out their first tenth). In each round, after the routers, 1,000 bare commits of 600 ' +
    'bytes are timed on each store, one after the other: an LMDB put until it is on disk, a Redis append until it is ' +
    'answered. Allowed are twice the floor’s latency and two commits of the same quantile.',
  byDefault: true,
  async run(context) {
    const commits: { lmdb: CommitMs; redis: CommitMs }[] = [];
    const arms = ['Gridpost, LMDB', 'Gridpost, Redis'] as const;
    const samples = await interleave(
      context,
      [
        { name: 'floor', start: floor, warmUp, measured },
        { name: arms[0], start: gridpost({ store: 'lmdb' }), warmUp, measured },
        { name: arms[1], start: gridpost({ store: 'redis' }), warmUp, measured },
      ],
      async () => {
        commits.push({
          lmdb: await measureLmdbCommit(context.scratch),
          redis: await measureRedisCommit(context.scratch),
        });
      },
    );
    const stores = { [arms[0]]: 'lmdb', [arms[1]]: 'redis' } as const;
    const of = (arm: string, q: Quantile): number[] =>
      series(samples, arm, ({ warm }) => warm.report.latencyMs[q]);
    const commitsOf = (store: 'lmdb' | 'redis', q: Quantile): number[] =>
      commits.map((each) => each[store][q]);

    const verdicts: Verdict[] = [];
    const allowances: string[][] = [];
    for (const arm of arms) {
      for (const q of quantiles) {
        const commit = commitsOf(stores[arm], q);
        const allowed = of('floor', q).map((ms, round) => ofFloorMax * ms + commitsMax * commit[round]!);
        const taken = of(arm, q);
        const shares = taken.map((ms, round) => ms / allowed[round]!);
        allowances.push([
          `${arm} ${q}`,
          figure(median(taken)),
          figure(median(of('floor', q))),
          figure(median(commit)),
          figure(median(allowed)),
          shares.map((share) => share.toFixed(2)).join(' '),
        ]);
        verdicts.push({
          target: `${arm}: ${q} ≤ ${ofFloorMax} × floor + ${commitsMax} commits`,
          found: `${figure(median(taken))} ms of ${figure(median(allowed))} ms allowed; ${median(shares).toFixed(2)} of it by pairs`,
          met: median(taken) <= median(allowed) && median(shares) <= 1,
        });
      }
    }
    const latencies: Table = {
      title: 'Latency at 1,000 events/s, ms',
      columns: ['router', 'CPU µs/event', 'p50', 'p99'],
      rows: ['floor', ...arms].map((arm) => [
        arm,
        figure(median(series(samples, arm, ({ warm }) => warm.routerCpuUs))),
        spread(median(of(arm, 'p50')), of(arm, 'p50')),
        spread(median(of(arm, 'p99')), of(arm, 'p99')),
      ]),
    };
    const allowed: Table = {
      title: 'What is allowed, ms',
      columns: ['router', 'taken', 'floor', 'one commit', 'allowed', 'taken / allowed, round by round'],
      rows: allowances,
    };
    return { tables: [latencies, allowed], verdicts, raw: { samples, commits } };
  },
};
