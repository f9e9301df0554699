/** When a delivery is tried again and when it is given up, as users write it: Event Grid's two bounds, and a schedule of one's own. */
import { type ExponentialBackoff, type FieldError, limits, type RetryPolicy } from '@gridpost/model';
import type { Optional } from './validation.js';

/** As `schemas/eventsubscription.json` has it. */
export type WrittenRetryPolicy = Optional<Omit<RetryPolicy, 'exponentialBackoff'>> & {
  readonly exponentialBackoff?: Optional<ExponentialBackoff> | null;
};

/** With the defaults filled in. */
export function retryPolicyOf(written: WrittenRetryPolicy | null | undefined): RetryPolicy {
  const { maxDeliveryAttempts, eventTimeToLiveInMinutes, delaysInSeconds, exponentialBackoff } =
    written ?? {};
  return {
    maxDeliveryAttempts: maxDeliveryAttempts ?? limits.deliveryAttempts.default,
    eventTimeToLiveInMinutes: eventTimeToLiveInMinutes ?? limits.timeToLiveMinutes.default,
    ...(delaysInSeconds == null ? {} : { delaysInSeconds }),
    ...(exponentialBackoff == null ? {} : { exponentialBackoff: backoffOf(exponentialBackoff) }),
  };
}

/** What a schema cannot say. `at`: the pointer to the policy. */
export function retryPolicyFaults(written: WrittenRetryPolicy | null | undefined, at: string): FieldError[] {
  const { delaysInSeconds, exponentialBackoff } = written ?? {};
  if (exponentialBackoff == null) return [];
  if (delaysInSeconds != null) {
    const message = 'is there beside delaysInSeconds, expected one schedule';
    return [{ pointer: `${at}/exponentialBackoff`, message }];
  }
  const { firstDelayInSeconds, maxDelayInSeconds } = backoffOf(exponentialBackoff);
  if (maxDelayInSeconds >= firstDelayInSeconds) return [];
  const message = `saw ${maxDelayInSeconds}, expected at least firstDelayInSeconds, which is ${firstDelayInSeconds}`;
  return [{ pointer: `${at}/exponentialBackoff/maxDelayInSeconds`, message }];
}

/** A first delay that is longer than the longest by default is the longest as well. */
function backoffOf(written: Optional<ExponentialBackoff>): ExponentialBackoff {
  const { first, factor, max, jitter } = limits.backoff;
  const firstDelayInSeconds =
    written.firstDelayInSeconds ?? Math.min(first, written.maxDelayInSeconds ?? first);
  return {
    firstDelayInSeconds,
    factor: written.factor ?? factor.default,
    maxDelayInSeconds: written.maxDelayInSeconds ?? Math.max(max, firstDelayInSeconds),
    jitter: written.jitter ?? jitter.default,
  };
}
