/**
 * One attempt, from deliveries whose turn has come to what becomes of them:
 *
 *     admit → encode → send → … → classify → decide → conclude
 *
 * Each step's rules stand in a file of their own; here is the order. What goes into one attempt is `batch.ts`'s, what is
 * waited for `dispatch.ts`'s, whose turn it is `lane.ts`'s.
 */
import type { AttemptOutcome, Clock, Log, Random } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { DeliveryState } from '@gridpost/store';
import type { Batch } from './batch.js';
import { type Decision, decide } from './decision.js';
import { type Attempt, type AttemptOwner, Dispatch } from './dispatch.js';
import { defer, drop, giveUp } from './endings.js';
import { parkedMs } from './lane.js';
import { finished, type OpenDelivery, type Passage } from './open-delivery.js';
import { classOf, isSuccess, outcomeOfError, outcomeOfStatus } from './outcome.js';
import { parseRetryAfter } from './schedule.js';

export interface PipelineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly finalStatuses: readonly number[];
  /** The endpoint of this lane's subscription answered 410. */
  readonly onGone: (lane: Passage) => void;
}

/** How an attempt ended, for all that it carried. */
interface End {
  readonly outcome: AttemptOutcome;
  readonly status: number | undefined;
  readonly lastError: string;
  readonly now: number;
}

/** A leased delivery is attempted only if its lease outlives the attempt by this much. */
const leaseSpareMs = 1_000;
/** Longest `lastError` (store port). */
const errorCharactersMax = 256;

export class Pipeline implements AttemptOwner<Batch> {
  readonly #options: PipelineOptions;
  readonly #finalStatuses: ReadonlySet<number>;
  readonly #dispatch: Dispatch<Batch> = new Dispatch(this);
  readonly #inFlight;
  readonly #logsSuccess: boolean;
  /** Attempts that `abort` has cut. */
  #cut = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#finalStatuses = new Set(options.finalStatuses);
    this.#inFlight = options.metrics.attemptsInFlight.with();
    this.#logsSuccess = options.log.isLevelEnabled?.('debug') ?? false;
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
      this.#options.log.error({ ...namesOf(delivery), error: String(error) }, 'event cannot be encoded');
      giveUp(delivery, 'Quarantined');
      return true;
    }
  }

  /** Starts an attempt at all that was put into a batch. It may end before this returns. */
  start(batch: Batch, startedAt: number): void {
    const deadline = startedAt + batch.target.timeoutMs;
    batch.startedAt = startedAt;
    for (const delivery of batch.deliveries) {
      if (delivery.redelivery) this.#options.metrics.redeliveries.with(delivery.redelivery).add();
      delivery.stage = 'running';
      delivery.deadline = deadline;
      delivery.holder.began();
    }
    this.#inFlight.add();
    this.#dispatch.send(batch, batch.request(), startedAt, deadline);
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

  #delivered({ lane, deliveries }: Batch, { startedAt, status }: Attempt<Batch>, now: number): void {
    const { series } = lane;
    this.#worked(lane);
    series.succeeded.add(deliveries.length);
    series.successDuration.observe((now - startedAt) / 1_000);
    if (this.#logsSuccess) {
      const durationMs = Math.round(now - startedAt);
      this.#options.log.debug({ ...factsOf(deliveries), status, durationMs }, 'delivered');
    }
    for (const delivery of deliveries) {
      series.lag.observe((delivery.holder.storeNow(now) - delivery.acceptedAt) / 1_000);
      delivery.holder.conclude(delivery, finished);
    }
  }

  #failed(batch: Batch, attempt: Attempt<Batch>, now: number): void {
    const { lane, deliveries } = batch;
    const outcome = outcomeOf(attempt);
    const status = attempt.status || undefined;
    const final = outcome === 'Gone' || (status !== undefined && this.#finalStatuses.has(status));
    const tooMany = outcome === 'PayloadTooLarge' && deliveries.length > 1;
    lane.series.failed(
      classOf(outcome, final && !tooMany),
      (now - attempt.startedAt) / 1_000,
      deliveries.length,
    );
    if (outcome === 'Aborted') this.#cut += deliveries.length;
    else if (final) this.#worked(lane);
    else if (lane.failed())
      this.#options.log.warn(subscriptionOf(lane), 'endpoint fails: its retries are slowed down');
    if (outcome === 'Gone') this.#options.onGone(lane);
    const end = { outcome, status, lastError: errorOf(attempt), now };
    if (tooMany) this.#split(batch, attempt, end);
    // One decision for those with as many attempts: what failed together is due together.
    else for (const alike of byAttempts(deliveries)) this.#decide(lane, alike, attempt, end);
  }

  /** What becomes of deliveries that had the same attempt and as many before it. */
  #decide(lane: Passage, deliveries: readonly OpenDelivery[], attempt: Attempt<Batch>, end: End): void {
    const { outcome, status, now } = end;
    const { holder, attempts: before } = deliveries[0]!;
    const attempts = before + (outcome === 'Aborted' ? 0 : 1);
    const { retryAfter } = attempt;
    const retryAfterMs =
      retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, holder.storeNow(now));
    const decision = decide(
      { outcome, status, attempts, retryAfterMs },
      lane.registered.subscription.properties.retryPolicy,
      this.#finalStatuses,
      this.#options.random,
    );
    this.#logFailure(deliveries, attempt, decision, end);
    for (const delivery of deliveries) {
      const state = stateAfter(delivery, attempt, attempts, end);
      if (lane.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
      else if (decision.kind === 'deadLetter') giveUp(delivery, decision.reason, state);
      else if (decision.kind === 'retry')
        defer(delivery, outcome === 'Aborted' ? 'drain' : 'failed', decision.delayMs, state);
      else defer(delivery, 'disabled', parkedMs, state);
    }
  }

  /** The batch is too large for the endpoint, its events may not be: they are due again at once, in smaller ones. */
  #split({ lane, target, deliveries, bytes }: Batch, attempt: Attempt<Batch>, end: End): void {
    target.refuses(bytes);
    this.#options.log.info(
      { ...factsOf(deliveries), status: end.status, bytes, bytesMax: target.bytesMax },
      'batch is too large for the endpoint: smaller ones follow',
    );
    for (const delivery of deliveries) {
      if (lane.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
      else defer(delivery, 'failed', 0, stateAfter(delivery, attempt, delivery.attempts, end));
    }
  }

  #worked(lane: Passage): void {
    if (lane.worked())
      this.#options.log.info(subscriptionOf(lane), 'endpoint works again: its retries are not slowed down');
  }

  #logFailure(
    deliveries: readonly OpenDelivery[],
    { startedAt }: Attempt<Batch>,
    decision: Decision,
    { outcome, status, lastError, now }: End,
  ): void {
    const durationMs = Math.round(now - startedAt);
    const fields = { ...factsOf(deliveries), outcome, status, durationMs, error: lastError };
    const { log } = this.#options;
    if (decision.kind === 'retry')
      log.info({ ...fields, nextInMs: decision.delayMs }, 'attempt failed, will be repeated');
    else if (decision.kind === 'stop') log.warn(fields, 'attempt failed, endpoint wants no more');
    else if (decision.kind === 'deadLetter')
      log.warn({ ...fields, reason: decision.reason }, 'attempt failed, delivery given up');
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

function stateAfter(
  { liveFrom, holder }: OpenDelivery,
  { startedAt }: Attempt<Batch>,
  attempts: number,
  { outcome, status, lastError }: End,
): DeliveryState {
  return {
    attempts,
    liveFrom,
    lastAttemptAt: Math.round(holder.storeNow(startedAt)),
    lastOutcome: outcome,
    ...(status === undefined ? {} : { lastStatus: status }),
    ...(lastError === '' ? {} : { lastError }),
  };
}

function subscriptionOf({ registered }: Passage): { topic: string; subscription: string } {
  const { topic, name } = registered.subscription;
  return { topic, subscription: name };
}

function namesOf({ lane, event, holder, entry, index }: OpenDelivery): object {
  const place = `${holder.partition}/${entry}/${index}`;
  return { ...subscriptionOf(lane), eventId: event.id, source: event.source, place };
}

/** What one line says of deliveries that share an attempt and have as many before it; of a batch it names the first. */
function factsOf(deliveries: readonly OpenDelivery[]): object {
  const [first, ...others] = deliveries as [OpenDelivery];
  const events = others.length === 0 ? {} : { events: deliveries.length };
  return { ...namesOf(first), ...events, attempt: first.attempts + 1 };
}

function outcomeOf({ status, cut, error }: Attempt<Batch>): AttemptOutcome {
  if (status !== 0) return outcomeOfStatus(status);
  if (cut !== undefined) return cut === 'deadline' ? 'TimedOut' : 'Aborted';
  return outcomeOfError(error!);
}

/** One printable line about a failure. */
function errorOf({ status, cut, error, excerpt }: Attempt<Batch>): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  const text =
    status !== 0
      ? excerpt
      : cut !== undefined
        ? cut === 'deadline'
          ? 'no answer in time'
          : 'cut when the worker stopped'
        : `${typeof code === 'string' ? `${code}: ` : ''}${error?.message ?? ''}`;
  return text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, errorCharactersMax);
}
