/**
 * The attempt log's records of one partition: packed as deliveries are concluded, and handed to the settle that writes
 * them. So a record is in the log no later than what it tells is in the store; what a crash loses was not settled either,
 * and is done and recorded again.
 */
import { type AttemptLogLevel, BlockWriter, type Ending, type RecordedAttempt } from '@gridpost/attempt-log';
import { type DeadLetterReason, type DropReason, Event, type Subscription } from '@gridpost/model';
import type { Counter, Metrics } from '@gridpost/metrics';
import type { AttemptBlock, AttemptKind, LeasedDelivery, LeaseOutcome } from '@gridpost/store';
import type { AttemptResult, Conclusion, OpenDelivery } from './open-delivery.js';
import type { DeferReason } from '../series.js';

/** What one settle takes along: a store's step must stay short. */
const blocksPerSettle = 4;
/** Blocks that wait for a store that does not answer, at most: some 16 MiB. Then the oldest are lost, successes first. */
const blocksWaitingMax = 64;

export class AttemptRecords {
  readonly #level: AttemptLogLevel;
  readonly #writers: Readonly<Record<AttemptKind, BlockWriter>> = {
    failures: new BlockWriter(),
    successes: new BlockWriter(),
  };
  readonly #lost: Counter;
  readonly #closed: AttemptBlock[] = [];
  /** What was recorded last: of a batch, all that the attempt carried have one. */
  #met: AttemptResult | undefined;
  #attempt: RecordedAttempt | undefined;

  constructor(level: AttemptLogLevel, metrics: Metrics) {
    this.#level = level;
    this.#lost = metrics.attemptBlocksLost.with();
  }

  /** Whether more waits than a settle has taken. */
  get waits(): boolean {
    return this.#closed.length > 0;
  }

  /** `reason`: of a deferral or a drop. `at`: by the store's clock. */
  add(
    delivery: OpenDelivery,
    conclusion: Conclusion,
    reason: DeferReason | DropReason | undefined,
    at: number,
  ): void {
    if (this.#level === 'off') return;
    const { met } = delivery;
    const ending = endingOf(conclusion, reason, at);
    const failed =
      (met !== undefined && met.outcome !== 'Delivered') ||
      ending.kind === 'deadLettered' ||
      ending.kind === 'dropped';
    if (!failed && this.#level === 'failures') return;
    const kind = failed ? 'failures' : 'successes';
    const writer = this.#writers[kind];
    const { subscription } = delivery.lane.registered;
    writer.add(
      delivery,
      delivery.event,
      subscription,
      at,
      ending,
      met && this.#attemptOf(met, delivery.attempts + 1),
    );
    if (writer.full) this.#close(kind);
  }

  /** What is to be written next, the oldest first; not again. */
  take(): AttemptBlock[] {
    this.#close('failures');
    this.#close('successes');
    return this.#closed.splice(0, blocksPerSettle);
  }

  #attemptOf(met: AttemptResult, number: number): RecordedAttempt {
    if (this.#attempt !== undefined && met === this.#met && number === this.#attempt.number)
      return this.#attempt;
    const { outcome, status, lastError: error, startedAt, endedAt } = met;
    const durationMs = endedAt - startedAt;
    this.#met = met;
    this.#attempt = { number, durationMs, outcome, status, error: error === '' ? undefined : error };
    return this.#attempt;
  }

  #close(kind: AttemptKind): void {
    const block = this.#writers[kind].take();
    if (!block) return;
    this.#closed.push({ kind, block });
    if (this.#closed.length <= blocksWaitingMax) return;
    const success = this.#closed.findIndex((closed) => closed.kind === 'successes');
    this.#closed.splice(Math.max(0, success), 1);
    this.#lost.add();
  }
}

/** Of deliveries that nobody attempted or received in time: those that are given up, as a block. */
export function expiredRecords(
  subscription: Subscription,
  deliveries: readonly LeasedDelivery[],
  outcomes: readonly LeaseOutcome[],
  at: number,
): AttemptBlock[] {
  const writer = new BlockWriter();
  for (const [index, { disposition }] of outcomes.entries()) {
    if (disposition.kind === 'deferred') continue;
    const { place, acceptedAt, frame } = deliveries[index]!;
    const ending = endingOf(disposition, 'DeadLetteringOff', at);
    writer.add({ ...place, acceptedAt }, new Event(frame), subscription, at, ending);
  }
  const block = writer.take();
  return block ? [{ kind: 'failures', block }] : [];
}

const delivered: Ending = { kind: 'delivered' };

function endingOf(conclusion: Conclusion, reason: DeferReason | DropReason | undefined, at: number): Ending {
  switch (conclusion.kind) {
    case 'finished':
      return reason === undefined ? delivered : { kind: 'dropped', reason: reason as DropReason };
    case 'deferred':
      return { kind: 'deferred', until: at + conclusion.dueInMs, reason: reason ?? '' };
    case 'leased':
      return { kind: 'leased', until: at + conclusion.leaseMs };
    case 'deadLettered':
      return { kind: 'deadLettered', reason: conclusion.reason as DeadLetterReason };
  }
}
