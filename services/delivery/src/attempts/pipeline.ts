/**
 * One attempt, from deliveries whose turn has come to what becomes of them:
 *
 *     admit → encode → send → … → classify → decide → conclude
 *
 * Each step's rules stand in a file of their own; here is the order. What goes into one attempt is `batch.ts`'s, what is
 * waited for `dispatch.ts`'s, whose turn it is `lane.ts`'s.
 */
import type { Clock, Log, Random } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import { resultOf, stateAfter, successOf } from './result.js';
import { AttemptLog } from './log.js';
import type { Batch } from './batch.js';
import { decide } from './decision.js';
import { type Attempt, type AttemptOwner, Dispatch } from '../requests/dispatch.js';
import { defer, drop, giveUp, parkedMs } from './endings.js';
import { type AttemptResult, finished, type OpenDelivery, type Passage } from './open-delivery.js';
import { classOf, isSuccess } from '../requests/outcome.js';
import { parseRetryAfter } from './schedule.js';
import type { TargetKind } from '../requests/target.js';
import { holdMsMax } from '../limits/throttle.js';

export interface PipelineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly finalStatuses: readonly number[];
  /** The endpoint of this lane's subscription answered 410. */
  readonly onGone: (lane: Passage) => void;
}

/** A leased delivery is attempted only if its lease outlives the attempt by this much. */
const leaseSpareMs = 1_000;

export class Pipeline implements AttemptOwner<Batch> {
  readonly #options: PipelineOptions;
  readonly #finalStatuses: Readonly<Record<TargetKind, ReadonlySet<number>>>;
  readonly #dispatch: Dispatch<Batch> = new Dispatch(this);
  readonly #inFlight;
  readonly #log: AttemptLog;
  /** Attempts that `abort` has cut. */
  #cut = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    const webhook = new Set(options.finalStatuses);
    // A wrong key is mended without the subscription being written (Event Grid: 401 is final for webhooks only).
    const others = new Set(options.finalStatuses.filter((status) => status !== 401));
    this.#finalStatuses = { webhook, function: others, unknownFunction: others };
    this.#inFlight = options.metrics.attemptsInFlight.with();
    this.#log = new AttemptLog(options.log);
  }

  /**
   * Puts a delivery into a batch, or concludes it if it is not to be attempted. False if it did neither, because it has to
   * go into another batch.
   */
  load(batch: Batch, delivery: OpenDelivery, now: number): boolean {
    if (!this.#admit(delivery, now)) return true;
    try {
      return batch.add(delivery);
    } catch (error) {
      this.#log.notEncoded(delivery, error);
      giveUp(delivery, 'Quarantined');
      return true;
    }
  }

  /** Starts an attempt at all that was put into a batch. It may end before this returns. */
  start(batch: Batch, startedAt: number): void {
    const deadline = startedAt + batch.target.timeoutMs;
    batch.startedAt = startedAt;
    for (const delivery of batch.deliveries) {
      delivery.countRedelivery();
      delivery.stage = 'running';
      delivery.deadline = deadline;
      delivery.holder.began();
    }
    this.#inFlight.add();
    this.#dispatch.send(batch, batch.request(this.#options.clock.now()), startedAt, deadline);
  }

  ended(attempt: Attempt<Batch>): void {
    const batch = attempt.subject;
    const now = this.#options.clock.elapsed();
    this.#inFlight.add(-1);
    if (isSuccess(attempt.status)) this.#delivered(batch, attempt, now);
    else this.#failed(batch, attempt, now);
    for (const { holder } of batch.deliveries) holder.ended();
    batch.lane.ended(batch, now);
  }

  /** Ends attempts that are past their deadline. To be called about every 100 ms. */
  sweep(now: number): void {
    this.#dispatch.sweep(now);
  }

  /** Ends all attempts whatever they have come to, and returns at how many deliveries: their endpoints may have seen them. */
  abort(): number {
    const before = this.#cut;
    this.#dispatch.abort();
    return this.#cut - before;
  }

  /** Whether an attempt is to be made at all; if not, the delivery is concluded. */
  #admit(delivery: OpenDelivery, now: number): boolean {
    const { lane, holder } = delivery;
    const { expiresAt, subscription } = lane.registered;
    if (expiresAt !== undefined && this.#options.clock.now() >= expiresAt) {
      drop(delivery, 'SubscriptionDeleted');
      return false;
    }
    // Tested when an attempt is due, and only then (Event Grid, "Message delivery and retry").
    const timeToLiveMs = subscription.properties.retryPolicy.eventTimeToLiveInMinutes * 60_000;
    if (holder.storeNow(now) - delivery.liveFrom > timeToLiveMs) {
      giveUp(delivery, 'TimeToLiveExceeded');
      return false;
    }
    if (now + lane.target.timeoutMs + leaseSpareMs > delivery.leaseUntil) {
      defer(delivery, 'busy', 0);
      return false;
    }
    return true;
  }

  #delivered(batch: Batch, attempt: Attempt<Batch>, now: number): void {
    const { lane, deliveries } = batch;
    const { startedAt, status } = attempt;
    const { series } = lane;
    const met = successOf(attempt, now);
    lane.worked(batch, now);
    lane.told({ signal: 'taken', startedAt, endedAt: now });
    series.succeeded.add(deliveries.length);
    series.successDuration.observe((now - startedAt) / 1_000);
    this.#log.delivered(deliveries, status, now - startedAt);
    for (const delivery of deliveries) {
      series.lag.observe((delivery.holder.storeNow(now) - delivery.acceptedAt) / 1_000);
      delivery.met = met;
      delivery.holder.conclude(delivery, finished);
    }
  }

  #failed(batch: Batch, attempt: Attempt<Batch>, now: number): void {
    const { lane, deliveries } = batch;
    const result = resultOf(attempt, now);
    const { outcome, status } = result;
    for (const delivery of deliveries) delivery.met = result;
    const tooMany = outcome === 'PayloadTooLarge' && deliveries.length > 1;
    const finalStatuses = this.#finalStatuses[batch.target.kind];
    const final = outcome === 'Gone' || (status !== undefined && finalStatuses.has(status));
    const seconds = (now - attempt.startedAt) / 1_000;
    lane.series.failed(classOf(outcome, final && !tooMany), seconds, deliveries.length);
    if (outcome === 'Aborted') this.#cut += deliveries.length;
    else if (final) lane.worked(batch, now);
    else lane.failed(batch, result);
    if (outcome === 'Gone') this.#options.onGone(lane);
    this.#heed(lane, result, deliveries[0]!);
    if (tooMany) this.#split(batch, result);
    // One decision for those with as many attempts: what failed together is due together.
    else for (const alike of byAttempts(deliveries)) this.#decide(lane, alike, result, finalStatuses);
  }

  /** What becomes of deliveries that had this attempt and as many before it. */
  #decide(
    lane: Passage,
    deliveries: readonly OpenDelivery[],
    result: AttemptResult,
    finalStatuses: ReadonlySet<number>,
  ): void {
    const { outcome, status, retryAfter, endedAt } = result;
    const { holder, attempts: before } = deliveries[0]!;
    const attempts = before + (outcome === 'Aborted' ? 0 : 1);
    const retryAfterMs =
      retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, holder.storeNow(endedAt));
    const decision = decide(
      { outcome, status, attempts, retryAfterMs },
      lane.registered.subscription.properties.retryPolicy,
      finalStatuses,
      this.#options.random,
    );
    this.#log.failed(deliveries, result, decision);
    for (const delivery of deliveries) {
      const state = stateAfter(result, delivery, attempts);
      if (lane.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
      else if (decision.kind === 'deadLetter') giveUp(delivery, decision.reason, state);
      else if (decision.kind === 'retry')
        defer(delivery, outcome === 'Aborted' ? 'drain' : 'failed', decision.delayMs, state);
      else defer(delivery, 'disabled', parkedMs, state);
    }
  }

  /** The batch is too large for the endpoint, its events may not be: they are due again at once, in smaller ones. */
  #split(batch: Batch, result: AttemptResult): void {
    const { lane, target, deliveries, bytes } = batch;
    target.refuses(bytes);
    this.#log.split(batch);
    for (const delivery of deliveries) {
      if (lane.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
      else defer(delivery, 'failed', 0, stateAfter(result, delivery, delivery.attempts));
    }
  }

  /** Lets the lane know what the failure says of how much the endpoint bears, and how long it wants to be left alone. */
  #heed(
    lane: Passage,
    { outcome, status, retryAfter, startedAt, endedAt }: AttemptResult,
    { holder }: OpenDelivery,
  ): void {
    const busy = outcome === 'Busy';
    lane.told({ signal: busy || outcome === 'TimedOut' ? 'tooMuch' : 'neither', startedAt, endedAt });
    if (!busy || retryAfter === undefined || status === undefined) return;
    const holdMs = parseRetryAfter(retryAfter, holder.storeNow(endedAt)) ?? 0;
    if (lane.hold(holdMs, status, endedAt)) this.#log.endpointWaits(lane, Math.min(holdMs, holdMsMax));
  }
}

/** Deliveries with as many attempts before this one. */
function byAttempts(deliveries: readonly OpenDelivery[]): Iterable<readonly OpenDelivery[]> {
  const groups = new Map<number, OpenDelivery[]>();
  for (const delivery of deliveries) {
    const alike = groups.get(delivery.attempts);
    if (alike) alike.push(delivery);
    else groups.set(delivery.attempts, [delivery]);
  }
  return groups.values();
}
