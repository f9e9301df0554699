/** What becomes of a delivery after an attempt: decisions as data, effects elsewhere. */
import type { AttemptOutcome, DeadLetterReason, Random, RetryPolicy } from '@gridpost/model';
import { retryDelayMs } from './schedule.js';

export interface AttemptEnd {
  readonly outcome: AttemptOutcome;
  /** HTTP status, if there was a response. */
  readonly status: number | undefined;
  /** Attempts made so far, this one included. */
  readonly attempts: number;
  /** What the endpoint asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/**
 * `retry` after a delay; `deadLetter` with its reason; `stop`: the endpoint wants no more at all, so the subscription is
 * to be disabled and the delivery kept.
 */
export type Decision =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason };

const delivered: Decision = { kind: 'delivered' };
const stop: Decision = { kind: 'stop' };

/** The reason where a status ends a delivery at once. Statuses without a word of their own count as attempts used up. */
const finalReasons: ReadonlyMap<number, DeadLetterReason> = new Map([
  [400, 'UndeliverableDueToBadRequest'],
  [401, 'UndeliverableDueToUnauthorized'],
  [403, 'UndeliverableDueToForbidden'],
  [413, 'UndeliverableDueToPayloadTooLarge'],
]);

export function decide(
  end: AttemptEnd,
  policy: RetryPolicy,
  finalStatuses: ReadonlySet<number>,
  random: Random,
): Decision {
  const { outcome, status, attempts } = end;
  if (outcome === 'Delivered') return delivered;
  if (outcome === 'Gone') return stop;
  // The worker's own doing: due again at once, and not counted.
  if (outcome === 'Aborted') return { kind: 'retry', delayMs: 0 };
  if (status !== undefined && finalStatuses.has(status))
    return { kind: 'deadLetter', reason: finalReasons.get(status) ?? 'MaxDeliveryAttemptsExceeded' };
  if (attempts >= policy.maxDeliveryAttempts)
    return { kind: 'deadLetter', reason: 'MaxDeliveryAttemptsExceeded' };
  return { kind: 'retry', delayMs: retryDelayMs(end, policy, random) };
}
