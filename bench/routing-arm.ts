/**
 * One population of subscriptions, measured in a process of its own, so that no other one's memory and no other
 * one's code is measured with it: `routing-arm.js KIND COUNT ROUNDS` prints an `ArmReport` as JSON.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Event } from '@gridpost/model';
import { type CompiledFilter, compileFilter, RoutingIndex } from '@gridpost/routing';
import { attributeKinds, dataKinds, eventFor, scannedKinds } from './routing-subscriptions.js';

export const kindsByName = {
  mixed: [...attributeKinds, ...dataKinds],
  attributes: attributeKinds,
  data: dataKinds,
  unindexable: scannedKinds,
};
export type KindName = keyof typeof kindsByName;

/** CPU µs per event, round by round. */
export interface ArmReport {
  readonly indexed: number[];
  readonly scan: number[];
  readonly parse: number[];
  readonly heapBytesPerSubscription: number;
  /** Milliseconds of one replacement each. */
  readonly updateMs: number[];
}

/** Events of one pass, spread evenly over the subscriptions. */
const eventsPerPass = 20_000;
/** A naive scan and the unindexable are thousands of times slower: as many events as make so many trials. */
const trialsPerPass = 4_000_000;
const updates = 2_000;
/** Coprime to every population, so that neighbours in time are far apart in the index. */
const stride = 7_919;

interface Populated {
  readonly index: RoutingIndex<number>;
  readonly filters: readonly CompiledFilter[];
}

/** Subscription `i` wants number `i` and is of kind `i` modulo the kinds. */
function populate(kinds: typeof attributeKinds, count: number): Populated {
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

function cpuOf(frames: readonly Buffer[], each: (event: Event) => number): number {
  const before = process.cpuUsage();
  let matched = 0;
  for (const frame of frames) matched += each(new Event(frame));
  const { user, system } = process.cpuUsage(before);
  if (matched !== frames.length) throw new Error(`${matched} matches of ${frames.length} events`);
  return (user + system) / frames.length;
}

const parsed = (event: Event): number => (event.parsedData() === undefined ? 0 : 1);

/** Replaces subscriptions all over the index. */
function replaceSome({ index, filters }: Populated): number[] {
  const { length } = filters;
  return Array.from({ length: updates }, (_, i) => {
    const number = (i * stride) % length;
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

export function measureArm(kind: KindName, count: number, rounds: number): ArmReport {
  const before = heapBytes();
  const population = populate(kindsByName[kind], count);
  const heapBytesPerSubscription = (heapBytes() - before) / count;
  const { index, filters } = population;
  const frames = Array.from({ length: eventsPerPass }, (_, i) => eventFor((i * stride) % count).frame);
  const few = frames.slice(0, Math.max(20, Math.min(eventsPerPass, Math.floor(trialsPerPass / count))));
  const indexed = (event: Event): number => index.match(event).length;
  const scan = (event: Event): number => {
    let matched = 0;
    for (const filter of filters) if (filter.holds(event)) matched++;
    return matched;
  };
  const report: ArmReport = { indexed: [], scan: [], parse: [], heapBytesPerSubscription, updateMs: [] };
  // Two rounds more than counted, until everything is compiled. The scan comes last: it is another program.
  const measured = kind === 'unindexable' ? few : frames;
  for (let round = -2; round < rounds; round++) {
    const cost = { indexed: cpuOf(measured, indexed), parse: cpuOf(frames, parsed) };
    if (round < 0) continue;
    report.indexed.push(cost.indexed);
    report.parse.push(cost.parse);
  }
  report.updateMs.push(...replaceSome(population));
  if (kind === 'mixed') for (let round = 0; round < rounds; round++) report.scan.push(cpuOf(few, scan));
  return report;
}

if (process.argv[1] === import.meta.filename) {
  const [kind, count, rounds] = process.argv.slice(2) as [KindName, string, string];
  process.stdout.write(JSON.stringify(measureArm(kind, Number(count), Number(rounds))));
}
