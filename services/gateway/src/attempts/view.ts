/** What the attempt log says, as it is shown. */
import type { AttemptRecord, Ending, RecordedCopy } from '@gridpost/attempt-log';
import { type DirectionCause, holderOf, type Scope } from '@gridpost/model';
import { deadLetterId } from '../dead-letter-view.js';

export const deliveryStates = [
  'Delivered',
  'Deferred',
  'Running',
  'DeadLettered',
  'Dropped',
  'SentOn',
] as const;
export type DeliveryState = (typeof deliveryStates)[number];

const states: Readonly<Record<Ending['kind'], DeliveryState>> = {
  delivered: 'Delivered',
  deferred: 'Deferred',
  leased: 'Running',
  deadLettered: 'DeadLettered',
  dropped: 'Dropped',
  sentOn: 'SentOn',
};

export const stateOf = ({ ending }: AttemptRecord): DeliveryState => states[ending.kind];

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** A place, as ids of dead letters have it. */
export function placeId(partition: number, { entry, index }: Pick<AttemptRecord, 'entry' | 'index'>): string {
  return deadLetterId({ partition, entry, index });
}

/** The state that a record tells of, and since when. */
export function stepOf(record: AttemptRecord): object {
  const { at, ending, job } = record;
  return {
    at: instant(at),
    state: stateOf(record),
    ...('reason' in ending ? { reason: ending.reason } : {}),
    ...(ending.kind === 'sentOn' && ending.target !== undefined ? { target: ending.target } : {}),
    ...(job === undefined ? {} : { job }),
    // What is due at once waits for something else than a time.
    ...(ending.kind === 'deferred' && ending.until > at ? { nextAttemptAt: instant(ending.until) } : {}),
    ...(ending.kind === 'leased' ? { leaseEndsAt: instant(ending.until) } : {}),
    ...(record.attempt === undefined ? {} : { attempt: attemptOf(record) }),
  };
}

export function attemptOf({ at, attempt }: AttemptRecord): object | undefined {
  if (attempt === undefined) return undefined;
  const { number, durationMs, outcome, status, error } = attempt;
  return { number, startedAt: instant(at - durationMs), durationMs, outcome, status, error };
}

const causes: Readonly<Record<DirectionCause, string>> = {
  replayed: 'Replayed',
  redriven: 'Redriven',
  resent: 'Resent',
};

/** Why an event was appended again, by which job, and where it stood first. */
export function originOf(partition: number, { cause, job, original }: RecordedCopy): object {
  return {
    cause: causes[cause],
    ...(job === undefined ? {} : { job }),
    ...(original === undefined ? {} : { place: placeId(partition, original) }),
  };
}

/** The subscription's name, and for one on a topic of a domain that topic. */
export function subscriptionOf({ subscription }: AttemptRecord): object {
  return named(subscription.topic, subscription.name);
}

export function named(scope: Scope, name: string): object {
  const { domainTopic } = holderOf(scope);
  return { subscription: name, ...(domainTopic === undefined ? {} : { domainTopic }) };
}
