/**
 * Joins the two files of a ledger and says what the router did to the events: which it lost, invented, changed or
 * repeated, and how long it took. It knows nothing of the router, only what went in and what came out.
 */
import type { LedgerLines, PublishOutcome, ReceiptLine } from './ledger.js';

export interface Expectation {
  /** Names of the subscriptions that every event is for. */
  readonly subscriptions: readonly string[];
  /** `subscription/id` of deliveries that were given up and kept. */
  readonly deadLettered?: ReadonlySet<string>;
}

export interface Verdict {
  readonly accepted: number;
  readonly refused: number;
  readonly unknown: number;
  /** Deliveries that arrived, repetitions not counted. */
  readonly delivered: number;
  /** `subscription/id` of accepted events that neither arrived nor were dead-lettered. */
  readonly lost: readonly string[];
  /** `subscription/id` of events that arrived although their publisher was told they were refused. */
  readonly phantom: readonly string[];
  /** `subscription/id` of events that arrived and that nobody published, or at a subscription nobody made. */
  readonly invented: readonly string[];
  /** `subscription/id` of receipts whose data is not what was published. */
  readonly corrupted: readonly string[];
  /** `subscription/id` of receipts beyond the first, in order of arrival. */
  readonly duplicates: readonly string[];
  /** Of the duplicates, those that came under another message id than the first, so that no receiver can tell. */
  readonly renamed: readonly string[];
  /** Milliseconds from the answer to the publisher to the first receipt, ascending, over accepted deliveries. */
  readonly latencies: readonly number[];
  /** Longest time in milliseconds between two receipts that followed each other. */
  readonly longestGapMs: number;
}

interface Published {
  readonly digest: string;
  outcome: PublishOutcome;
  answeredAt: number;
}

export function check({ published, received }: LedgerLines, expectation: Expectation): Verdict {
  const events = new Map<string, Published>();
  for (const { id, at, digest, outcome } of published) {
    const event = events.get(id);
    // An intent without an outcome is a publisher that never learnt it.
    if (digest !== undefined) events.set(id, { digest, outcome: 'unknown', answeredAt: at });
    else if (event && outcome !== undefined) {
      event.outcome = outcome;
      event.answeredAt = at;
    }
  }
  const first = new Map<string, ReceiptLine>();
  const phantom: string[] = [];
  const invented: string[] = [];
  const corrupted: string[] = [];
  const duplicates: string[] = [];
  const renamed: string[] = [];
  let longestGapMs = 0;
  let previousAt: number | undefined;
  for (const receipt of received) {
    longestGapMs = Math.max(longestGapMs, receipt.at - (previousAt ?? receipt.at));
    previousAt = receipt.at;
    const delivery = `${receipt.subscription}/${receipt.id}`;
    const event = events.get(receipt.id);
    if (!event || !expectation.subscriptions.includes(receipt.subscription)) {
      invented.push(delivery);
      continue;
    }
    if (event.outcome === 'refused') phantom.push(delivery);
    if (event.digest !== receipt.digest) corrupted.push(delivery);
    const earlier = first.get(delivery);
    if (!earlier) first.set(delivery, receipt);
    else {
      duplicates.push(delivery);
      if (earlier.message === undefined || earlier.message !== receipt.message) renamed.push(delivery);
    }
  }
  const lost: string[] = [];
  const latencies: number[] = [];
  const counts = { accepted: 0, refused: 0, unknown: 0 };
  for (const [id, { outcome, answeredAt }] of events) {
    counts[outcome]++;
    if (outcome !== 'accepted') continue;
    for (const subscription of expectation.subscriptions) {
      const delivery = `${subscription}/${id}`;
      const receipt = first.get(delivery);
      if (receipt) latencies.push(Math.max(0, receipt.at - answeredAt));
      else if (!expectation.deadLettered?.has(delivery)) lost.push(delivery);
    }
  }
  return {
    ...counts,
    delivered: first.size,
    lost,
    phantom,
    invented,
    corrupted,
    duplicates,
    renamed,
    latencies: latencies.sort((a, b) => a - b),
    longestGapMs,
  };
}

/** The value that a share of an ascending list does not exceed; NaN for an empty one. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;
}
