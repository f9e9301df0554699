/**
 * One attempt, from a delivery whose turn has come to what becomes of it:
 *
 *     admit → encode → send → … → classify → decide → conclude
 *
 * Each step's rules stand in a file of their own; here is the order. What is sent and what is waited for is
 * `dispatch.ts`'s, whose turn it is `lane.ts`'s.
 */
import { encodeDelivery } from '@gridpost/codec';
import type { AttemptOutcome, Clock, Log, Random } from '@gridpost/model';
import { messageId } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { DeliveryState } from '@gridpost/store';
import { type Decision, decide } from './decision.js';
import { type Attempt, type AttemptOwner, Dispatch } from './dispatch.js';
import { defer, drop, giveUp } from './endings.js';
import { parkedMs } from './lane.js';
import { finished, type OpenDelivery } from './open-delivery.js';
import { classOf, isSuccess, outcomeOfError, outcomeOfStatus } from './outcome.js';
import { parseRetryAfter } from './schedule.js';

export interface PipelineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly finalStatuses: readonly number[];
  /** The endpoint of this delivery's subscription answered 410. */
  readonly onGone: (delivery: OpenDelivery) => void;
}

/** A leased delivery is attempted only if its lease outlives the attempt by this much. */
const leaseSpareMs = 1_000;
/** Longest `lastError` (store port). */
const errorCharactersMax = 256;

export class Pipeline implements AttemptOwner<OpenDelivery> {
  readonly #options: PipelineOptions;
  readonly #finalStatuses: ReadonlySet<number>;
  readonly #dispatch: Dispatch<OpenDelivery> = new Dispatch(this);
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

  /** Starts an attempt and returns true, or concludes the delivery without one. The attempt may end before it returns. */
  start(delivery: OpenDelivery, startedAt: number): boolean {
    const { lane, holder } = delivery;
    const { target } = lane;
    if (!this.#admit(delivery, startedAt)) return false;
    let encoded: ReturnType<typeof encodeDelivery>;
    try {
      encoded = encodeDelivery(delivery.event, target.contentMode);
    } catch (error) {
      this.#options.log.error({ ...namesOf(delivery), error: String(error) }, 'event cannot be encoded');
      giveUp(delivery, 'Quarantined');
      return false;
    }
    if (delivery.redelivery) this.#options.metrics.redeliveries.with(delivery.redelivery).add();
    const { path, origin, timeoutMs } = target;
    const headers = target.headersFor(encoded.headers, messageIdOf(delivery), delivery.attempts);
    delivery.stage = 'running';
    delivery.startedAt = startedAt;
    delivery.deadline = startedAt + timeoutMs;
    holder.began();
    this.#inFlight.add();
    this.#dispatch.send(
      delivery,
      { origin, path, headers, body: encoded.body },
      startedAt,
      delivery.deadline,
    );
    return true;
  }

  ended(attempt: Attempt<OpenDelivery>): void {
    const delivery = attempt.subject;
    const { lane, holder } = delivery;
    const now = this.#options.clock.elapsed();
    this.#inFlight.add(-1);
    if (isSuccess(attempt.status)) this.#delivered(delivery, attempt, now);
    else this.#failed(delivery, attempt, now);
    holder.ended();
    lane.ended(delivery, now);
  }

  /** Ends attempts that are past their deadline. To be called about every 100 ms. */
  sweep(now: number): void {
    this.#dispatch.sweep(now);
  }

  /** Ends attempts whatever they have come to, and returns how many: their endpoints may have seen them. */
  abort(which: (delivery: OpenDelivery) => boolean): number {
    const before = this.#cut;
    this.#dispatch.abort(which);
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

  #delivered(delivery: OpenDelivery, { startedAt, status }: Attempt<OpenDelivery>, now: number): void {
    const { series } = delivery.lane;
    this.#worked(delivery);
    series.succeeded.add();
    series.successDuration.observe((now - startedAt) / 1_000);
    series.lag.observe((delivery.holder.storeNow(now) - delivery.acceptedAt) / 1_000);
    if (this.#logsSuccess) {
      const attempt = delivery.attempts + 1;
      const durationMs = Math.round(now - startedAt);
      this.#options.log.debug({ ...namesOf(delivery), attempt, status, durationMs }, 'delivered');
    }
    delivery.holder.conclude(delivery, finished);
  }

  #failed(delivery: OpenDelivery, attempt: Attempt<OpenDelivery>, now: number): void {
    const { lane, holder } = delivery;
    const outcome = outcomeOf(attempt);
    const status = attempt.status || undefined;
    const aborted = outcome === 'Aborted';
    const attempts = delivery.attempts + (aborted ? 0 : 1);
    const at = holder.storeNow(now);
    const retryAfterMs =
      attempt.retryAfter === undefined ? undefined : parseRetryAfter(attempt.retryAfter, at);
    const decision = decide(
      { outcome, status, attempts, retryAfterMs },
      lane.registered.subscription.properties.retryPolicy,
      this.#finalStatuses,
      this.#options.random,
    );
    const final = decision.kind === 'stop' || (status !== undefined && this.#finalStatuses.has(status));
    lane.series.failed(classOf(outcome, final), (now - attempt.startedAt) / 1_000);
    const lastError = errorOf(attempt);
    this.#logFailure(delivery, { attempts, outcome, status, decision, lastError, now });
    if (aborted) this.#cut++;
    else if (final) this.#worked(delivery);
    else if (lane.failed())
      this.#options.log.warn(subscriptionOf(delivery), 'endpoint fails: its retries are slowed down');
    const state: DeliveryState = {
      attempts,
      liveFrom: delivery.liveFrom,
      lastAttemptAt: Math.round(at - (now - attempt.startedAt)),
      lastOutcome: outcome,
      ...(status === undefined ? {} : { lastStatus: status }),
      ...(lastError === '' ? {} : { lastError }),
    };
    if (lane.stop === 'gone') drop(delivery, 'SubscriptionDeleted');
    else if (decision.kind === 'deadLetter') giveUp(delivery, decision.reason, state);
    else if (decision.kind === 'retry')
      defer(delivery, aborted ? 'drain' : 'failed', decision.delayMs, state);
    else {
      defer(delivery, 'disabled', parkedMs, state);
      this.#options.onGone(delivery);
    }
  }

  #worked(delivery: OpenDelivery): void {
    if (delivery.lane.worked())
      this.#options.log.info(
        subscriptionOf(delivery),
        'endpoint works again: its retries are not slowed down',
      );
  }

  #logFailure(
    delivery: OpenDelivery,
    end: {
      attempts: number;
      outcome: AttemptOutcome;
      status: number | undefined;
      decision: Decision;
      lastError: string;
      now: number;
    },
  ): void {
    const { decision } = end;
    const fields = {
      ...namesOf(delivery),
      attempt: delivery.attempts + 1,
      outcome: end.outcome,
      status: end.status,
      durationMs: Math.round(end.now - delivery.startedAt),
      error: end.lastError,
    };
    const { log } = this.#options;
    if (decision.kind === 'retry')
      log.info({ ...fields, nextInMs: decision.delayMs }, 'attempt failed, will be repeated');
    else if (decision.kind === 'stop') log.warn(fields, 'attempt failed, endpoint wants no more');
    else if (decision.kind === 'deadLetter')
      log.warn({ ...fields, reason: decision.reason }, 'attempt failed, delivery given up');
  }
}

function messageIdOf({ holder, entry, index, subscription }: OpenDelivery): string {
  return messageId({ partition: holder.partition, entry, index }, subscription);
}

function subscriptionOf({ lane }: OpenDelivery): { topic: string; subscription: string } {
  const { topic, name } = lane.registered.subscription;
  return { topic, subscription: name };
}

function namesOf(delivery: OpenDelivery): object {
  const { event, holder, entry, index } = delivery;
  const place = `${holder.partition}/${entry}/${index}`;
  return { ...subscriptionOf(delivery), eventId: event.id, source: event.source, place };
}

function outcomeOf({ status, cut, error }: Attempt<OpenDelivery>): AttemptOutcome {
  if (status !== 0) return outcomeOfStatus(status);
  if (cut !== undefined) return cut === 'deadline' ? 'TimedOut' : 'Aborted';
  return outcomeOfError(error!);
}

/** One printable line about a failure. */
function errorOf({ status, cut, error, excerpt }: Attempt<OpenDelivery>): string {
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
