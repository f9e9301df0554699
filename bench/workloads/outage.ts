/** What a thousand endpoints that fail together, and come back together, cost everybody else. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Window } from '../bystander.js';
import type { Counts } from '../crowd.js';
import { type GridpostOptions, type GridpostSubject, gridpost, pushed, readMetric } from '../gridpost.js';
import { freePort } from '@gridpost/model/testing';
import { startProcess } from '../processes.js';
import { median } from '../statistics.js';
import { eventType, sinkUrl } from '../subjects.js';
import { type Table, figure, spread } from '../table.js';
import type { Context, Workload } from '../workload.js';

const topics = 10;
const subscriptionsPerTopic = 100;
const subscriptions = topics * subscriptionsPerTopic;
/** Events that each subscription has deferred. */
const backlog = 200;
/** Of these, published while the endpoints begin to fail. */
const opening = 20;
const eventsPerRequest = 20;
/** So that all endpoints are found to work again within a second. */
const probeSeconds = 5;
const eventsPerSecond = 100;
const calmMs = 10_000;
const withinMs = 240_000;
const titles = { lmdb: 'LMDB', redis: 'Redis' } as const;

const phases = [
  'before',
  'outage begins',
  'backlog grows',
  'held back',
  'after a start',
  'recovery',
  'afterwards',
] as const;
type Phase = (typeof phases)[number];

interface Found extends Window {
  readonly seconds: number;
  /** Share of one core that each process used. */
  readonly cpu: Readonly<Record<string, number>>;
  /** p99 of the event loop's delay in milliseconds, by process. */
  readonly loopMs: Readonly<Record<string, number>>;
}

type Sample = Readonly<Record<Phase, Found>>;

export const outage: Workload = {
  name: 'outage',
  about:
    `${subscriptions.toLocaleString('en-US')} subscriptions on ${topics} topics whose endpoints all answer 500, until each has ` +
    `${backlog} events deferred, and then all work again; they are probed every ${probeSeconds} seconds. Meanwhile ` +
    `${eventsPerSecond} single events a second are published to another topic with one healthy subscription. Latency of these: ` +
    'of publishing, from when a publish was to begin to its answer, and of delivery, to the receipt. Windows: 10 s before; ' +
    'from the first failure until all are held back with their backlog; 10 s of probes; 10 s after the router was killed ' +
    'and started again (on Redis its partitions are owned by the dead worker for that long); from the moment when all endpoints work until they have received everything; 10 s afterwards. Each ' +
    'store has an arm; on Redis a gateway and a worker.',
  byDefault: false,
  async run(context) {
    const samples: Record<keyof typeof titles, Sample[]> = { lmdb: [], redis: [] };
    for (let round = 0; round < context.rounds; round++)
      for (const store of ['lmdb', 'redis'] as const) samples[store].push(await runOnce(context, store));
    return {
      tables: (['lmdb', 'redis'] as const).map((store) => tableOf(titles[store], samples[store])),
      verdicts: [],
      raw: samples,
    };
  },
};

async function runOnce(context: Context, store: GridpostOptions['store']): Promise<Sample> {
  const directory = mkdtempSync(join(context.scratch, 'outage-'));
  const [sinkPort, crowdPort] = [await freePort(), await freePort()];
  const crowdUrl = `http://127.0.0.1:${crowdPort}`;
  const stops: (() => Promise<void>)[] = [];
  const child = async (program: string, ...args: readonly string[]): Promise<void> => {
    const path = join(import.meta.dirname, '..', `${program}.js`);
    const command = { name: program, command: process.execPath, args: [path, ...args], directory };
    stops.push((await startProcess({ ...command, ready: /ready/ })).stop);
  };
  try {
    await child('crowd', String(crowdPort));
    const subject = await gridpost({
      store,
      environment: { GRIDPOST_HEALTH_PROBE_SECONDS_MAX: String(probeSeconds) },
      subscriptions: (sink) => [
        pushed('bystander', sink),
        ...Array.from({ length: subscriptions }, (_, at) => ({
          topic: topicOf(at % topics),
          ...pushed(`crowd-${at}`, crowdMember(at, crowdPort)),
        })),
      ],
    })({ ...context, sinkPort });
    stops.push(subject.stop);
    await child('bystander', subject.publish, String(sinkPort), String(eventsPerSecond));
    const say = (phase: Phase, { publish, delivery, seconds, cpu, loopMs }: Found): void =>
      context.say(
        `${titles[store]}, ${phase}: ${seconds.toFixed(0)} s, publish p50 ${figure(publish.p50)} p99 ${figure(publish.p99)} ms, ` +
          `delivery p50 ${figure(delivery.p50)} p99 ${figure(delivery.p99)} ms, CPU ${JSON.stringify(cpu)}, loop ${JSON.stringify(loopMs)}`,
      );
    const found: Partial<Record<Phase, Found>> = {};
    const measure = async (phase: Phase, during: () => Promise<void>): Promise<void> => {
      found[phase] = await windowOf(subject, sinkPort, during);
      say(phase, found[phase]);
    };
    const counts = async (): Promise<Counts> => (await (await fetch(`${crowdUrl}/counts`)).json()) as Counts;
    const published = backlog * subscriptions;
    await wait(5_000);
    await measure('before', () => wait(calmMs));
    await measure('outage begins', async () => {
      await publishToCrowd(subject, opening);
      const held = (): Promise<number> =>
        sumOf(subject, 'gridpost_health_transitions_total', 'state="Probation"');
      await until('all are held back', async () => (await held()) >= subscriptions);
    });
    await measure('backlog grows', async () => {
      await publishToCrowd(subject, backlog - opening);
      const deferred = (): Promise<number> => sumOf(subject, 'gridpost_subscription_backlog_events', '');
      await until('all is deferred', async () => (await deferred()) >= published);
    });
    await measure('held back', () => wait(calmMs));
    await subject.restart();
    await measure('after a start', () => wait(calmMs));
    // On Redis the partitions of a killed worker are free after ten seconds.
    await wait(calmMs);
    await measure('recovery', async () => {
      await fetch(`${crowdUrl}/working`, { method: 'POST' });
      await until('everything is taken', async () => (await counts()).taken >= published);
    });
    await measure('afterwards', () => wait(calmMs));
    return found as Sample;
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

/** Each of an origin of its own, as the endpoints of strangers are. */
const crowdMember = (at: number, port: number): string => `http://127.1.${at >> 8}.${at & 255}:${port}/`;
const topicOf = (at: number): string => `crowd-${at}`;

async function publishToCrowd({ publish }: GridpostSubject, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += eventsPerRequest)
    for (let at = 0; at < topics; at++) {
      const events = Array.from({ length: Math.min(eventsPerRequest, count - sent) }, () => ({
        specversion: '1.0',
        id: randomUUID(),
        source: '/crowd',
        type: eventType,
        data: { to: at },
      }));
      const url = publish.replace(/[^/]+:publish$/, `${topicOf(at)}:publish`);
      const headers = { 'content-type': 'application/cloudevents-batch+json' };
      // A router under such a load may say that it cannot at the moment.
      while ((await fetch(url, { method: 'POST', headers, body: JSON.stringify(events) })).status !== 200)
        await wait(100);
    }
}

async function windowOf(
  { addresses }: GridpostSubject,
  sinkPort: number,
  during: () => Promise<void>,
): Promise<Found> {
  const seen = async (): Promise<Window> =>
    (await (await fetch(new URL('/window', sinkUrl(sinkPort)))).json()) as Window;
  const each = async (name: string): Promise<Record<string, number>> => {
    const values: Record<string, number> = {};
    for (const [process, address] of Object.entries(addresses))
      values[process] = await readMetric(address, name);
    return values;
  };
  // The delay is of the time since it was last read.
  await each('nodejs_eventloop_lag_p99_seconds');
  const before = await each('process_cpu_seconds_total');
  await seen();
  const began = performance.now();
  await during();
  const window = await seen();
  const seconds = (performance.now() - began) / 1_000;
  const lag = await each('nodejs_eventloop_lag_p99_seconds');
  const after = await each('process_cpu_seconds_total');
  const of = (value: (process: string) => number): Record<string, number> =>
    Object.fromEntries(Object.keys(addresses).map((name) => [name, Number(value(name).toPrecision(3))]));
  return {
    ...window,
    seconds,
    cpu: of((name) => (after[name]! - before[name]!) / seconds),
    loopMs: of((name) => lag[name]! * 1_000),
  };
}

async function sumOf({ addresses }: GridpostSubject, name: string, labels: string): Promise<number> {
  let sum = 0;
  for (const address of Object.values(addresses)) sum += await readMetric(address, name, labels);
  return sum;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    // A scrape of so many series is work as well.
    await wait(3_000);
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function tableOf(title: string, samples: readonly Sample[]): Table {
  return {
    title: `${title}: what the bystander sees, ms`,
    columns: ['window', 's', 'publish p50', 'p99', 'delivery p50', 'p99', 'CPU, cores', 'loop delay p99'],
    rows: phases.map((phase) => {
      const of = (read: (found: Found) => number): string => {
        const values = samples.map((sample) => read(sample[phase]));
        return spread(median(values), values);
      };
      const sum = (values: Readonly<Record<string, number>>): number =>
        Object.values(values).reduce((total, value) => total + value, 0);
      return [
        phase,
        of(({ seconds }) => seconds),
        of(({ publish }) => publish.p50),
        of(({ publish }) => publish.p99),
        of(({ delivery }) => delivery.p50),
        of(({ delivery }) => delivery.p99),
        of(({ cpu }) => sum(cpu)),
        of(({ loopMs }) => Math.max(...Object.values(loopMs))),
      ];
    }),
  };
}
