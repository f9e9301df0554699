/** What an ended attempt came to, and what each delivery that it carried keeps of it. */
import type { AttemptOutcome } from '@gridpost/model';
import type { DeliveryState } from '@gridpost/store';
import type { Batch } from './batch.js';
import type { Attempt } from '../requests/dispatch.js';
import type { AttemptResult, OpenDelivery } from './open-delivery.js';
import { outcomeOfError, outcomeOfStatus } from '../requests/outcome.js';
import { redacted } from '../requests/redaction.js';

/** Longest `lastError` (store port). */
const errorCharactersMax = 256;

export function resultOf(attempt: Attempt<Batch>, endedAt: number): AttemptResult {
  const { status, retryAfter, startedAt } = attempt;
  return {
    outcome: outcomeOf(attempt),
    status: status || undefined,
    retryAfter,
    lastError: errorOf(attempt),
    startedAt,
    endedAt,
  };
}

/** Of an attempt that was a success. */
export function successOf({ status, startedAt }: Attempt<Batch>, endedAt: number): AttemptResult {
  return { outcome: 'Delivered', status, retryAfter: undefined, lastError: '', startedAt, endedAt };
}

/** What is stored of a delivery after it. `attempts`: those that count so far. */
export function stateAfter(
  { outcome, status, lastError, startedAt }: AttemptResult,
  { liveFrom, holder }: OpenDelivery,
  attempts: number,
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

function outcomeOf({ status, cut, error, subject }: Attempt<Batch>): AttemptOutcome {
  if (status !== 0) return outcomeOfStatus(status, subject.target.kind);
  if (cut !== undefined) return cut === 'deadline' ? 'TimedOut' : 'Aborted';
  return outcomeOfError(error!, subject.target.kind);
}

/** One printable line about a failure, without secrets: an endpoint may repeat what it was sent. */
function errorOf({ status, cut, error, excerpt, subject, token }: Attempt<Batch>): string {
  const { kind, secrets } = subject.target;
  if (kind === 'unknownFunction') return 'the function app is not among those of this deployment';
  const code = (error as { code?: unknown } | undefined)?.code;
  const text =
    status !== 0
      ? excerpt
      : cut !== undefined
        ? cut === 'deadline'
          ? 'no answer in time'
          : 'cut when the worker stopped'
        : `${typeof code === 'string' ? `${code}: ` : ''}${error?.message ?? ''}`;
  return redacted(text, token === undefined ? secrets : [...secrets, token])
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, errorCharactersMax);
}
