/**
 * Rounds of interleaved runs: each round runs every arm once, in the same order, each in fresh processes on a fresh
 * store. What disturbs the machine for a while then disturbs neighbours alike, and they are compared with each other.
 */
import { type Report, type Shape, drive, problemOf } from './driver.js';
import { freePort } from '@gridpost/model/testing';
import type { StartSubject, Subject } from './subjects.js';
import type { Context } from './workload.js';

export interface Arm {
  readonly name: string;
  readonly start: StartSubject;
  /** First pass of the fresh processes, shown as cold and judged by nothing. */
  readonly warmUp: Shape;
  readonly measured: Shape;
}

/** One pass, with the CPU time told apart by process. */
export interface Figures {
  /** Microseconds per event, by the subject's own names. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Sum of `cpuUs`. */
  readonly routerCpuUs: number;
  /** Microseconds per event of the redis-server, 0 without one. */
  readonly storeCpuUs: number;
  readonly report: Report;
}

export interface Sample {
  readonly arm: string;
  /** From 0. */
  readonly round: number;
  readonly cold: Figures;
  readonly warm: Figures;
}

/** Runs `arms` one after the other, as often as the context says; then, in each round, `afterwards`. */
export async function interleave(
  context: Context,
  arms: readonly Arm[],
  afterwards?: (round: number) => Promise<void>,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let round = 0; round < context.rounds; round++) {
    for (const arm of arms) {
      const sinkPort = await freePort();
      const subject = await arm.start({ ...context, sinkPort });
      try {
        const cold = await pass(context, subject, sinkPort, arm.warmUp);
        const warm = await pass(context, subject, sinkPort, arm.measured);
        samples.push({ arm: arm.name, round, cold, warm });
        context.say(`round ${round + 1}, ${arm.name}: ${inShort(warm)}`);
      } finally {
        await subject.stop();
      }
    }
    await afterwards?.(round);
  }
  return samples;
}

/** One pass of the driver against a running subject. */
export async function pass(
  context: Context,
  subject: Subject,
  sinkPort: number,
  shape: Shape,
): Promise<Figures> {
  const names = Object.keys(subject.router);
  const pids = [...Object.values(subject.router), ...(subject.storePid ? [subject.storePid] : [])];
  const { peers } = context;
  const report = await drive({ peers, publish: subject.publish, sinkPort, pids, shape });
  const problem = problemOf(report);
  if (problem) context.complain(problem);
  const cpuUs = Object.fromEntries(names.map((name, at) => [name, report.cpuUsPerEvent[at]!]));
  return {
    cpuUs,
    routerCpuUs: Object.values(cpuUs).reduce((sum, us) => sum + us, 0),
    storeCpuUs: report.cpuUsPerEvent[names.length] ?? 0,
    report,
  };
}

/** One figure of every round of an arm, in the order of the rounds. */
export function series(samples: readonly Sample[], arm: string, of: (sample: Sample) => number): number[] {
  return samples.filter((sample) => sample.arm === arm).map(of);
}

function inShort({ routerCpuUs, report }: Figures): string {
  const { p50, p99 } = report.latencyMs;
  return `${routerCpuUs.toFixed(0)} µs CPU per event, ${report.endToEndPerS} events/s, p50 ${p50} ms, p99 ${p99} ms`;
}
