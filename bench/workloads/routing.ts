/** What finding an event's subscriptions costs, by their number and by the kind of their filters: the index alone. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ArmReport, KindName } from '../routing-arm.js';
import { median, quantile, ratioOf } from '../statistics.js';
import { type Table, figure, spread } from '../table.js';
import type { Workload } from '../workload.js';

const program = join(import.meta.dirname, '..', 'routing-arm.js');
const counts = [1, 100, 10_000, 100_000] as const;
const most = 100_000;
const kinds: readonly KindName[] = ['mixed', 'attributes', 'data', 'unindexable'];

const growthMax = 1.5;
const attributesUsMax = 2;
const beyondParseUsMax = 3;
const bytesMax = 2_048;
const updateMsMax = 5;

export const routing: Workload = {
  name: 'routing',
  about:
    'The routing index alone, without any I/O, each population in a process of its own: CPU time per event with 1, 100, ' +
    '10,000 and 100,000 subscriptions on one topic, where each of 20,000 events of about 1 KB matches exactly one. ' +
    '*Mixed*: eight kinds of filters on attributes (types, subject, extension, `exact`, `any`, `sql`) and six that look ' +
    'into the data (strings, prefixes, numbers, ranges), evenly. *Attributes* and *data*: only the one or the other. ' +
    'Beside them one `JSON.parse` of the same bytes, and a naive scan that tries every compiled filter. *Unindexable*: ' +
    '`StringContains`, which nothing but trying finds. Memory is the heap that 100,000 mixed subscriptions take, compiled ' +
    'filters included; an update replaces one subscription among 100,000. Events come in an order that has each of them ' +
    'meet a subscription that is in no cache.',
  byDefault: true,
  async run(context) {
    const reports = new Map<string, ArmReport>();
    for (let round = 0; round < context.rounds; round++) {
      for (const kind of kinds) {
        for (const count of counts) {
          const arm = `${kind} ${count}`;
          reports.set(arm, joined(reports.get(arm), await measured(kind, count)));
        }
      }
      context.say(
        `round ${round + 1}: ${figure(reports.get(`mixed ${most}`)!.indexed[round]!)} µs mixed at 100,000`,
      );
    }
    const of = (kind: KindName, count: number): ArmReport => reports.get(`${kind} ${count}`)!;
    const growth = ratioOf(of('mixed', most).indexed, of('mixed', 100).indexed);
    const attributes = median(of('attributes', most).indexed);
    const data = of('data', most);
    const beyond = data.indexed.map((cost, round) => cost - data.parse[round]!);
    const { updateMs, heapBytesPerSubscription } = of('mixed', most);
    const row = (name: string, read: (count: number) => readonly number[]): string[] => [
      name,
      ...counts.map((count) => spread(median(read(count)), read(count))),
    ];
    const costs: Table = {
      title: 'CPU µs per event',
      columns: ['filters', ...counts.map((count) => figure(count))],
      rows: [
        ...kinds.map((kind) => row(kind, (count) => of(kind, count).indexed)),
        row('mixed, naive scan', (count) => of('mixed', count).scan),
      ],
    };
    const others: Table = {
      title: 'At 100,000 subscriptions',
      columns: ['what', 'figure'],
      rows: [
        ['JSON.parse of the data, CPU µs per event', spread(median(data.parse), data.parse)],
        ['matching into data beyond it, CPU µs per event', spread(median(beyond), beyond)],
        ['heap bytes per subscription', figure(heapBytesPerSubscription)],
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
        {
          target: 'memory ≤ 2 KiB a subscription',
          found: `${figure(heapBytesPerSubscription)} bytes`,
          met: heapBytesPerSubscription <= bytesMax,
        },
        {
          target: `one of 100,000 replaced in < ${updateMsMax} ms`,
          found: `${figure(Math.max(...updateMs))} ms at the longest of ${figure(updateMs.length)}`,
          met: Math.max(...updateMs) < updateMsMax,
        },
      ],
      raw: Object.fromEntries(reports),
    };
  },
};

function joined(before: ArmReport | undefined, next: ArmReport): ArmReport {
  if (!before) return next;
  return {
    indexed: [...before.indexed, ...next.indexed],
    scan: [...before.scan, ...next.scan],
    parse: [...before.parse, ...next.parse],
    heapBytesPerSubscription: next.heapBytesPerSubscription,
    updateMs: [...before.updateMs, ...next.updateMs],
  };
}

/** One round, in a process of its own. */
async function measured(kind: KindName, count: number): Promise<ArmReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, kind, `${count}`, '1'], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}
