/** What finding an event's subscriptions costs, by their number and by the kind of their filters: the index alone. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Event } from '@gridpost/model';
import { type CompiledFilter, compileFilter, RoutingIndex } from '@gridpost/routing';
import { attributeKinds, dataKinds, eventFor, scannedKinds } from '../routing-subscriptions.js';
import { median, quantile, ratioOf } from '../statistics.js';
import { type Table, figure, spread } from '../table.js';
import type { Workload } from '../workload.js';

type Kinds = typeof attributeKinds;

const counts = [1, 100, 10_000, 100_000] as const;
const most = 100_000;
const mixed: Kinds = [...attributeKinds, ...dataKinds];
/** Events of one pass, spread evenly over the subscriptions. */
const eventsPerPass = 20_000;
/** A naive scan and the unindexable are thousands of times slower. */
const trialsPerPass = 4_000_000;
const updates = 2_000;

const growthMax = 1.5;
const attributesUsMax = 2;
const beyondParseUsMax = 3;
const bytesMax = 2_048;
const updateMsMax = 5;

interface Populated {
  readonly index: RoutingIndex<number>;
  readonly filters: readonly CompiledFilter[];
}

/** Subscription `i` of a population of `count` wants number `i` and is of kind `i` modulo the kinds. */
function populate(kinds: Kinds, count: number): Populated {
  const index = new RoutingIndex<number>();
  const filters: CompiledFilter[] = [];
  for (let number = 0; number < count; number++) {
    // Parsed from JSON, as filters come from the store.
    const written = JSON.stringify(kinds[number % kinds.length]!(number));
    const filter = compileFilter(JSON.parse(written));
    filters.push(filter);
    index.set(String(number), filter, number);
  }
  return { index, filters };
}

/** Frames of events that match one subscription each, spread over all of them. */
function framesFor(count: number, events: number): Buffer[] {
  // Coprime to every population, so that neighbours in time are far apart in the index.
  const stride = 7_919;
  return Array.from({ length: events }, (_, i) => eventFor((i * stride) % count).frame);
}

/** CPU µs per event. */
function cpuOf(frames: readonly Buffer[], each: (event: Event) => number): number {
  const before = process.cpuUsage();
  let matched = 0;
  for (const frame of frames) matched += each(new Event(frame));
  const { user, system } = process.cpuUsage(before);
  if (matched !== frames.length) throw new Error(`${matched} matches of ${frames.length} events`);
  return (user + system) / frames.length;
}

const indexed =
  ({ index }: Populated) =>
  (event: Event): number =>
    index.match(event).length;

const scanned =
  ({ filters }: Populated) =>
  (event: Event): number => {
    let matched = 0;
    for (const filter of filters) if (filter.holds(event)) matched++;
    return matched;
  };

const parsed = (event: Event): number => (event.parsedData() === undefined ? 0 : 1);

interface Measured {
  /** By population, round by round. */
  readonly [count: number]: number[];
}

export const routing: Workload = {
  name: 'routing',
  about:
    'The routing index alone, in one process, without any I/O: CPU time per event for populations of 1, 100, 10,000 and ' +
    '100,000 subscriptions on one topic, where each of 20,000 events of about 1 KB matches exactly one. *Mixed*: eight ' +
    'kinds of filters on attributes (types, subject, extension, `exact`, `any`, `sql`) and six that look into the data ' +
    '(strings, prefixes, numbers, ranges), evenly. *Attributes* and *data*: only the one or the other. Beside them one ' +
    '`JSON.parse` of the same bytes, and a naive scan that tries every compiled filter. *Unindexable*: ' +
    '`StringContains`, which nothing but trying finds. Memory is the heap that 100,000 mixed subscriptions take, compiled ' +
    'filters included; an update replaces one subscription among 100,000.',
  byDefault: true,
  async run(context) {
    const measured = { mixed: {}, attributes: {}, data: {}, scan: {}, unindexable: {} } as Record<
      string,
      Measured
    >;
    const parses: number[] = [];
    const note = (arm: string, count: number, cost: number): void => {
      ((measured[arm] as Record<number, number[]>)[count] ??= []).push(cost);
    };
    const heapBefore = heapBytes();
    const largest = populate(mixed, most);
    const bytes = (heapBytes() - heapBefore) / most;
    const updateMs = replaceSome(largest);
    const populations = counts.map((count) => ({
      count,
      frames: framesFor(count, eventsPerPass),
      mixed: count === most ? largest : populate(mixed, count),
      attributes: populate(attributeKinds, count),
      data: populate(dataKinds, count),
      scanned: populate(scannedKinds, count),
    }));
    // One round more than counts: the first compiles.
    for (let round = -1; round < context.rounds; round++) {
      for (const population of populations) {
        const { count, frames } = population;
        const few = frames.slice(0, Math.max(20, Math.min(eventsPerPass, Math.floor(trialsPerPass / count))));
        const costs = {
          mixed: cpuOf(frames, indexed(population.mixed)),
          attributes: cpuOf(frames, indexed(population.attributes)),
          data: cpuOf(frames, indexed(population.data)),
          scan: cpuOf(few, scanned(population.mixed)),
          unindexable: cpuOf(few, indexed(population.scanned)),
        };
        const parse = cpuOf(frames, parsed);
        if (round < 0) continue;
        for (const [arm, cost] of Object.entries(costs)) note(arm, count, cost);
        if (count === most) parses.push(parse);
      }
      if (round >= 0)
        context.say(`round ${round + 1}: ${figure(measured.mixed![most]![round]!)} µs mixed at 100,000`);
    }
    const growth = ratioOf(measured.mixed![most]!, measured.mixed![100]!);
    const attributes = median(measured.attributes![most]!);
    const beyond = measured.data![most]!.map((cost, round) => cost - parses[round]!);
    const costs: Table = {
      title: 'CPU µs per event',
      columns: ['filters', ...counts.map((count) => figure(count))],
      rows: (
        [
          ['mixed', 'mixed'],
          ['attributes', 'attributes'],
          ['data', 'data'],
          ['mixed, naive scan', 'scan'],
          ['unindexable', 'unindexable'],
        ] as const
      ).map(([name, arm]) => [
        name,
        ...counts.map((count) => {
          const values = measured[arm]![count]!;
          return spread(median(values), values);
        }),
      ]),
    };
    const others: Table = {
      title: 'At 100,000 subscriptions',
      columns: ['what', 'figure'],
      rows: [
        ['JSON.parse of the data, CPU µs per event', spread(median(parses), parses)],
        ['matching into data beyond it, CPU µs per event', spread(median(beyond), beyond)],
        ['heap bytes per subscription', figure(bytes)],
        ['one replaced, ms: median', figure(median(updateMs))],
        ['one replaced, ms: 99th percentile', figure(quantile(updateMs, 0.99))],
        ['one replaced, ms: longest', figure(Math.max(...updateMs))],
      ],
    };
    return {
      tables: [costs, others],
      verdicts: [
        {
          target: `mixed, 100,000 subscriptions ≤ ${growthMax} × 100`,
          found: `${growth.medianOfPairs.toFixed(2)} by pairs, ${growth.ofMedians.toFixed(2)} of medians`,
          met: growth.medianOfPairs <= growthMax && growth.ofMedians <= growthMax,
        },
        {
          target: 'attributes only ≥ 500,000 events a second per core',
          found: `${figure(1e6 / attributes)} at 100,000 subscriptions`,
          met: attributes <= attributesUsMax,
        },
        {
          target: `into data ≤ ${beyondParseUsMax} µs beyond one JSON.parse`,
          found: `${figure(median(beyond))} µs`,
          met: median(beyond) <= beyondParseUsMax,
        },
        { target: 'memory ≤ 2 KiB a subscription', found: `${figure(bytes)} bytes`, met: bytes <= bytesMax },
        {
          target: `one of 100,000 replaced in < ${updateMsMax} ms`,
          found: `${figure(Math.max(...updateMs))} ms at the longest of ${figure(updates)}`,
          met: Math.max(...updateMs) < updateMsMax,
        },
      ],
      raw: { measured, parses, bytes, updateMs },
    };
  },
};

/** Replaces subscriptions all over the index; milliseconds of each. */
function replaceSome({ index, filters }: Populated): number[] {
  return Array.from({ length: updates }, (_, i) => {
    const number = (i * 7_919) % most;
    const began = performance.now();
    index.set(String(number), filters[number]!, number);
    return performance.now() - began;
  });
}

/** Live bytes of the heap. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
