/**
 * A deployment under steady load with a ledger outside it: one topic, two subscriptions, publishers that never stop,
 * and the questions every fault asks afterwards. Which process dies, and when, is the test's business.
 */
import { expect } from '@jest/globals';
import { Api, publishPath } from '../support/api.js';
import { check, quantile, type Verdict } from '../support/checker.js';
import { type Deployment, metricOf } from '../support/deployment.js';
import { startLedgerSink } from '../support/endpoint.js';
import { withEvidence } from '../support/evidence.js';
import { type Ledger, openLedger, readLedger } from '../support/ledger.js';
import { type LedgerPublisher, startPublisher } from '../support/publisher.js';
import type { ServerProcess } from '../support/server.js';
import type { Sink } from '../support/sink.js';
import { until } from '../support/waiting.js';

/** How often each fault strikes: twice, or as often as `GRIDPOST_FAULT_KILLS` says. */
export const kills = Number(process.env.GRIDPOST_FAULT_KILLS ?? 2);

/** Whether this is the long run, which holds the promised times themselves and is to have the machine to itself. */
export const thorough = kills > 2;
/** What times are multiplied with otherwise, beside whatever else the machine is doing. */
const patience = thorough ? 1 : 3;
/** Ownership ends 10 s after its last renewal, and is looked for about every second (docs/delivery.md). */
export const deliveringWithinMs = 15_000 * patience;
/** From the store answering again, all reconnecting included. */
export const publishingWithinMs = 3_000 * patience;
/**
 * An attempt that the dead worker had under way for more than the settle window is leased, and comes back only when
 * its lease ends: this timeout and a margin. Endpoints here answer at once, so that is for a stalled machine only.
 */
const attemptTimeoutInSeconds = 5;

/** Until everything published meanwhile has followed as well; nothing is promised about that but that it ends. */
const backlogWithinMs = 120_000;

/** Promised in `docs/delivery.md`: how old an unsettled entry gets, and how many events of a partition are unsettled. */
const settleWindowMs = 1_000;
const unsettledEventsMax = 1_024;
/** From the window's end to the settled entry, and from a signal to the death of its process. */
const slackMs = 500 * patience;

export const topic = 'faults';
export const subscriptions = ['left', 'right'];

export interface Load {
  readonly ledger: Ledger;
  readonly sink: Sink;
  readonly publisher: LedgerPublisher;
  /** Reads the counters of a process that is about to be killed. */
  remember(victim: ServerProcess): Promise<void>;
  /** Notes that something was killed now. */
  struck(): Strike;
  /** Resolves when the router has worked off its backlog and one more second of load. */
  steady(): Promise<void>;
  /** Stops publishing, waits for what is owed and for the router to come to rest, and judges. */
  judge(name: string, survivors: readonly ServerProcess[]): Promise<Judgement>;
}

export interface Strike {
  /** Resolves, when everything that had been accepted before it is delivered, with how long after it that was. */
  recovered(withinMs: number): Promise<number>;
}

export interface Judgement extends Verdict {
  /** Most deliveries that the strikes may have repeated. */
  readonly bound: number;
  /** The routers' own count of redeliveries, of the dead ones as far as it could be read. */
  readonly redeliveries: number;
  /** Attempts that failed: endpoints here never refuse, so these are time-outs of a stalled machine. */
  readonly failed: number;
  /** The servers that were running at the end. */
  readonly survivors: readonly ServerProcess[];
}

export async function startLoad(
  deployment: Deployment,
  {
    rate = 250,
    partitions = 1,
    onFirstByte,
  }: { rate?: number; partitions?: number; onFirstByte?: () => void } = {},
): Promise<Load> {
  const ledger = openLedger();
  const sink = await startLedgerSink(ledger);
  await deployment.api.putTopic(topic);
  for (const name of subscriptions)
    await deployment.api.putSubscription(topic, name, { url: sink.url(`/${name}`), attemptTimeoutInSeconds });
  const owed = new Set<string>();
  const early = new Set<string>();
  const publisher = startPublisher({
    urls: deployment.apis.map(({ url }) => url + publishPath(topic)),
    ledger,
    rate,
    ...(onFirstByte === undefined ? {} : { onFirstByte }),
    onAccepted(id) {
      for (const name of subscriptions) if (!early.delete(`${name}/${id}`)) owed.add(`${name}/${id}`);
    },
  });
  // A delivery may arrive before its publisher has read the answer.
  sink.onReceipt(({ path, event }) => {
    const delivery = `${path.slice(1)}/${event.attributes.id}`;
    if (!owed.delete(delivery)) early.add(delivery);
  });

  const strikes: number[] = [];
  let ofTheDead: Repeatable = { redeliveries: 0, failed: 0 };
  await publisher.accepted(100);

  const delivered = async (what: string, awaited: readonly string[], withinMs: number): Promise<void> => {
    const missing = (): string[] => awaited.filter((delivery) => owed.has(delivery));
    try {
      await until(what, () => missing().length === 0, { withinMs });
    } catch (error) {
      throw new Error(`${(error as Error).message}; missing ${missing().length}: ${missing().slice(0, 10)}`);
    }
  };

  async function steady(): Promise<void> {
    // What is owed of a second is what a busy machine has under way at any moment.
    const workedOff = (): Promise<true> =>
      until('the backlog is worked off', () => owed.size < rate * subscriptions.length, {
        withinMs: backlogWithinMs,
      });
    await workedOff();
    await publisher.accepted(publisher.counts.accepted + rate);
    await workedOff();
  }

  return {
    ledger,
    sink,
    publisher,
    struck() {
      const at = performance.now();
      strikes.push(at);
      const awaited = [...owed];
      return {
        async recovered(withinMs) {
          await delivered(
            'what was accepted before is delivered',
            awaited,
            at + withinMs - performance.now(),
          );
          return performance.now() - at;
        },
      };
    },
    steady,
    async remember(victim) {
      ofTheDead = plus(ofTheDead, await repeatableOf(victim));
    },
    async judge(name, survivors) {
      // The longest gap is to be one of deliveries, not of publishing.
      await steady();
      await publisher.stop();
      await delivered('all that was accepted is delivered', [...owed], backlogWithinMs);
      // At rest nothing is in flight or owed any more, so no late repetition is missed.
      await until(
        'the router is at rest',
        async () => {
          const [inFlight, backlog, entries] = await Promise.all([
            metricOf(survivors, 'gridpost_attempts_in_flight'),
            metricOf(survivors, 'gridpost_subscription_backlog_events'),
            metricOf(survivors, 'gridpost_log_entries'),
          ]);
          return inFlight + backlog + entries === 0;
        },
        { withinMs: 60_000, everyMs: 200 },
      );
      const lines = readLedger(ledger);
      const verdict = check(lines, { subscriptions });
      const { redeliveries, failed } = (await Promise.all(survivors.map(repeatableOf))).reduce(
        plus,
        ofTheDead,
      );
      const bound = strikes.reduce((sum, at) => {
        const recent = lines.received.filter(
          (receipt) => receipt.at > at - settleWindowMs - slackMs && receipt.at < at + slackMs,
        );
        return sum + Math.min(recent.length, unsettledEventsMax * partitions * subscriptions.length);
      }, 0);
      report(name, strikes.length, verdict, bound, redeliveries);
      return { ...verdict, bound, redeliveries, failed, survivors };
    },
  };
}

/** What holds after every fault, whatever was killed. */
export function expectNothingLost(judgement: Judgement): void {
  const { lost, phantom, invented, corrupted, renamed, duplicates, bound, redeliveries, failed, survivors } =
    judgement;
  withEvidence(survivors, () => {
    const violations = { lost, phantom, invented, corrupted, renamed };
    expect(violations).toEqual({ lost: [], phantom: [], invented: [], corrupted: [], renamed: [] });
    // An endpoint that answered too late has the event, and gets it again.
    expect(duplicates.length).toBeLessThanOrEqual(bound + failed);
    expect(duplicates.length).toBeLessThanOrEqual(redeliveries + failed);
  });
}

/** What the router itself counts of attempts whose endpoint may have got, or may yet get, the same event twice. */
type Repeatable = Pick<Judgement, 'redeliveries' | 'failed'>;

const plus = (one: Repeatable, other: Repeatable): Repeatable => ({
  redeliveries: one.redeliveries + other.redeliveries,
  failed: one.failed + other.failed,
});

/** Of one scrape: under load a second one is ahead of the first. */
async function repeatableOf({ url }: ServerProcess): Promise<Repeatable> {
  const scrape = await new Api(url).metrics();
  const attempts = 'gridpost_delivery_attempts_total';
  return {
    redeliveries: scrape.value('gridpost_redeliveries_total'),
    failed: scrape.value(attempts) - scrape.value(attempts, { outcome: 'success' }),
  };
}

function report(name: string, struck: number, verdict: Verdict, bound: number, redeliveries: number): void {
  const { accepted, refused, unknown, delivered, lost, duplicates, latencies, longestGapMs } = verdict;
  process.stderr.write(
    `fault: ${name}: kills ${struck}, accepted ${accepted}, refused ${refused}, unknown ${unknown}, ` +
      `delivered ${delivered}, lost ${lost.length}, duplicates ${duplicates.length} of at most ${bound} ` +
      `(router counts ${redeliveries}), p50 ${ms(quantile(latencies, 0.5))}, p99 ${ms(quantile(latencies, 0.99))}, ` +
      `longest ${ms(latencies.at(-1) ?? 0)}, longest gap ${ms(longestGapMs)}\n`,
  );
}

const ms = (value: number): string => `${Math.round(value)} ms`;
