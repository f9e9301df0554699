/** What consumers said, for the attempt log. A lock knows of its event only where it stands. */
import {
  type AttemptLogLevel,
  BlockWriter,
  type Ending,
  type RecordedAttempt,
  type RecordedOutcome,
} from '@gridpost/attempt-log';
import { Event, type Subscription } from '@gridpost/model';
import {
  type AttemptBlock,
  type AttemptKind,
  attemptKinds,
  type LeasedDelivery,
  type LeaseOutcome,
} from '@gridpost/store';
import type { Lease, Lock } from './leases.js';

type Conclusion = LeaseOutcome['disposition'];

export class ConsumerRecords {
  readonly #level: AttemptLogLevel;
  /** Empty between calls. */
  readonly #writers: Readonly<Record<AttemptKind, BlockWriter>> = {
    failures: new BlockWriter(),
    successes: new BlockWriter(),
  };

  constructor(level: AttemptLogLevel) {
    this.#level = level;
  }

  /**
   * Locks with what becomes of each, as blocks; a lock that is prolonged is no news. `outcome`: undefined where no consumer
   * was asked. `at`: by the store's clock, more or less.
   */
  blocksOf(
    subscription: Subscription,
    locks: readonly Lock[],
    conclusions: readonly Conclusion[],
    outcome: RecordedOutcome | undefined,
    at: number,
  ): AttemptBlock[] {
    if (this.#level === 'off') return [];
    let of: Lease | undefined;
    let attempt: RecordedAttempt | undefined;
    for (let each = 0; each < locks.length; each++) {
      const { lease, index } = locks[each]!;
      const conclusion = conclusions[each]!;
      if (conclusion.kind === 'leased') continue;
      const ending = endingOf(conclusion, outcome, at);
      const failed = ending.kind === 'deadLettered' || ending.kind === 'dropped';
      if (!failed && this.#level === 'failures') continue;
      const { entry, liveFrom, received, receivedAt } = lease;
      if (outcome && lease !== of) {
        of = lease;
        attempt = { number: received, durationMs: Math.max(0, at - receivedAt), outcome };
      }
      const writer = this.#writers[failed ? 'failures' : 'successes'];
      writer.add({ entry, index, acceptedAt: liveFrom }, undefined, subscription, at, ending, attempt);
    }
    return this.#take();
  }

  /** Deliveries that are received again because a lock ran out, each under a new lock of `lockMs`. */
  blocksOfExpired(
    subscription: Subscription,
    deliveries: readonly LeasedDelivery[],
    lockMs: number,
    at: number,
  ): AttemptBlock[] {
    if (this.#level !== 'all') return [];
    for (const { place, acceptedAt, frame } of deliveries) {
      const ending = { kind: 'leased', until: at + lockMs, reason: 'lockExpired' } as const;
      this.#writers.successes.add({ ...place, acceptedAt }, new Event(frame), subscription, at, ending);
    }
    return this.#take();
  }

  #take(): AttemptBlock[] {
    return attemptKinds.flatMap((kind) => {
      const block = this.#writers[kind].take();
      return block ? [{ kind, block }] : [];
    });
  }
}

const delivered: Ending = { kind: 'delivered' };

function endingOf(conclusion: Conclusion, outcome: RecordedOutcome | undefined, at: number): Ending {
  if (conclusion.kind === 'deadLettered') return { kind: 'deadLettered', reason: conclusion.reason };
  if (conclusion.kind === 'deferred')
    return { kind: 'deferred', until: at + conclusion.dueInMs, reason: 'released' };
  return outcome === 'Acknowledged' ? delivered : { kind: 'dropped', reason: 'DeadLetteringOff' };
}
