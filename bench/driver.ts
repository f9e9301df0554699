/**
 * One pass of the peers' driver: it publishes, receives on its own sink, and accounts for both. Load, sink and ledger
 * are the driver's; this file only starts it and reads its answer.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithUs } from './processes.js';

const run = promisify(execFile);

/**
 * Longest wait for deliveries after the last publish, before the rest counts as lost. Published in batches, the last
 * delivery comes long after the last publish; the driver waits no longer than it has to.
 */
const settleMs = 180_000;

/** What one pass does. Frozen with the workload that names it. */
export interface Shape {
  readonly events: number;
  /** Publishers at once, each with one request under way. */
  readonly concurrency: number;
  /** Events per request; 1 publishes structured single events. */
  readonly batch: number;
  /** Events per second, or 0 for as fast as the publishers can. */
  readonly rate: number;
  /** Deliveries that each event leads to at the driver's sink. */
  readonly deliveriesPerEvent: number;
}

/** Single events at saturation. */
export const saturating = (events: number): Shape => ({
  events,
  concurrency: 64,
  batch: 1,
  rate: 0,
  deliveriesPerEvent: 1,
});

/**
 * Single events at a steady rate. The driver's publishers wait for the same instant and then send together, so there
 * are only as many as keep up with the rate while each waits for its answer: 64 would send in bursts of 64, and what
 * is measured would be the length of the burst.
 */
export const steady = (events: number, perSecond: number): Shape => ({
  events,
  concurrency: 8,
  batch: 1,
  rate: perSecond,
  deliveriesPerEvent: 1,
});

/** The driver's account, in its own words; `cpuUsPerEvent` is in the order of the pids, user and system time. */
export interface Report {
  readonly accepted: number;
  readonly rejected: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly unknown: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly publishPerS: number;
  readonly endToEndPerS: number;
  /** Publish to receipt at the sink, without the first tenth of the deliveries. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly cpuUsPerEvent: readonly number[];
}

export interface Pass {
  readonly peers: string;
  readonly publish: string;
  readonly sinkPort: number;
  readonly pids: readonly number[];
  readonly shape: Shape;
}

export async function drive({ peers, publish, sinkPort, pids, shape }: Pass): Promise<Report> {
  const options = {
    publish,
    sinkPort,
    pids,
    settleMs,
    events: shape.events,
    concurrency: shape.concurrency,
    batch: shape.batch,
    rate: shape.rate,
    expectPerEvent: shape.deliveriesPerEvent,
  };
  const running = run(process.execPath, [join(peers, 'driver.mjs'), JSON.stringify(options)]);
  endWithUs(running.child);
  const { stdout } = await running;
  return JSON.parse(stdout) as Report;
}

/** Why the pass measured something else than it was meant to, or undefined: then every event arrived. */
export function problemOf({ accepted, rejected, lost, statuses }: Report): string | undefined {
  if (lost === 0 && rejected === 0) return undefined;
  return `${rejected} of ${accepted + rejected} events rejected (statuses ${JSON.stringify(statuses)}), ${lost} deliveries not received within ${settleMs / 1_000} s of the last publish`;
}
