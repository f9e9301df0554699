/** When a failed delivery is tried again: pure functions of what happened and of a random number given. */
import type { AttemptOutcome, Random, RetryPolicy } from '@gridpost/model';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/** Gap before the second attempt, the third, and so on; the last one repeats (Event Grid, "Message delivery and retry", read as gaps). */
const gapsMs = [
  10 * second,
  30 * second,
  minute,
  5 * minute,
  10 * minute,
  30 * minute,
  hour,
  3 * hour,
  6 * hour,
  12 * hour,
];

/** Share of the gap by which it may be shorter or longer, so that what failed together does not return together. */
const usualJitter = 0.1;

/** The least wait after a status (Event Grid, "Message delivery and retry"); `otherFloorMs` where it is not named, also without a response. */
const floorsMs: ReadonlyMap<number, number> = new Map([
  [408, 2 * minute],
  [503, 30 * second],
  [404, 5 * minute],
  // Of a function's host; webhooks that answer so are not tried again.
  [401, 5 * minute],
]);
/** An app or a function that is not there (same page, "Delayed delivery"). */
const invalidFunctionFloorMs = 10 * minute;
const otherFloorMs = 10 * second;

/** Longest wait that an endpoint can ask for: the longest time to live. */
export const retryAfterMsMax = 24 * hour;

export interface Failure {
  /** Where it says more than the status. */
  readonly outcome?: AttemptOutcome;
  /** Attempts made so far, this one included: 1 or more. */
  readonly attempts: number;
  /** HTTP status, if there was a response. */
  readonly status: number | undefined;
  /** What the endpoint asked for, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/** What a schedule says about a failure. */
interface Gap {
  readonly gapMs: number;
  /** The least wait, whatever the gap. */
  readonly floorMs: number;
  readonly jitter: number;
}

/**
 * Milliseconds until the next attempt: the schedule's gap, the status's floor or the endpoint's wish, whichever is the
 * longest, within the schedule's jitter of it. Never less than the floor and the wish: what the jitter would take from
 * those it adds. A policy's own schedule has no floors: whoever writes one knows the endpoint.
 */
export function retryDelayMs(
  failure: Failure,
  policy: Pick<RetryPolicy, 'delaysInSeconds' | 'exponentialBackoff'>,
  random: Random,
): number {
  const { attempts, retryAfterMs = 0 } = failure;
  const { gapMs, floorMs, jitter } = ownGap(attempts, policy) ?? eventGridGap(failure);
  const leastMs = Math.max(floorMs, Math.min(retryAfterMs, retryAfterMsMax));
  const delayMs = Math.max(gapMs, leastMs) * (1 - jitter + 2 * jitter * random());
  return Math.round(delayMs < leastMs ? 2 * leastMs - delayMs : delayMs);
}

function eventGridGap({ attempts, outcome, status }: Failure): Gap {
  const ofStatusMs = status === undefined ? undefined : floorsMs.get(status);
  const floorMs =
    outcome === 'InvalidAzureFunctionDestination' ? invalidFunctionFloorMs : (ofStatusMs ?? otherFloorMs);
  return { gapMs: gapsMs[Math.min(attempts, gapsMs.length) - 1]!, floorMs, jitter: usualJitter };
}

function ownGap(
  attempts: number,
  { delaysInSeconds, exponentialBackoff }: Pick<RetryPolicy, 'delaysInSeconds' | 'exponentialBackoff'>,
): Gap | undefined {
  if (delaysInSeconds) {
    const seconds = delaysInSeconds[Math.min(attempts, delaysInSeconds.length) - 1]!;
    return { gapMs: seconds * second, floorMs: 0, jitter: usualJitter };
  }
  if (!exponentialBackoff) return undefined;
  const { firstDelayInSeconds, factor, maxDelayInSeconds, jitter } = exponentialBackoff;
  const seconds = Math.min(firstDelayInSeconds * factor ** (attempts - 1), maxDelayInSeconds);
  return { gapMs: seconds * second, floorMs: 0, jitter };
}

/**
 * A `Retry-After` header as milliseconds from `now`: seconds or an HTTP date (RFC 9110 §10.2.3), at most 24 hours.
 * Undefined where it is neither; 0 for a date that has passed.
 */
export function parseRetryAfter(value: string, now: number): number | undefined {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * second, retryAfterMsMax);
  // Date.parse accepts much that is no HTTP date, bare numbers among it; all three HTTP forms begin with a weekday.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  const at = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
  if (Number.isNaN(at)) return undefined;
  return Math.min(Math.max(at - now, 0), retryAfterMsMax);
}
