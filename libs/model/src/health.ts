/**
 * How a subscription's endpoint does, as the whole deployment knows it: a document below the subscription, written by
 * whichever worker notices a change. One that was never held back has none. What leads from state to state is
 * `services/delivery`'s business.
 */
import type { Incarnation } from './names.js';
import type { AttemptOutcome } from './outcome.js';
import { type Scope, subscriptionPath } from './resources.js';

/**
 * `Probation`: the endpoint took nothing for a while, and is only probed. `Recovering`: it took a probe, and gets what
 * has waited, at a pace that grows.
 */
export const healthStates = ['Healthy', 'Probation', 'Recovering'] as const;
export type HealthState = (typeof healthStates)[number];

/** Attempts that failed, by what they met. At most one member for each outcome. */
export type FailureCounts = Readonly<Partial<Record<AttemptOutcome, number>>>;

export interface FailureSeen {
  readonly at: number;
  readonly outcome: AttemptOutcome;
  /** HTTP status, if there was a response. */
  readonly status?: number;
  /** One line, at most 256 characters, without secrets. */
  readonly error?: string;
}

/** What an endpoint asked for with `Retry-After`. */
export interface RetryAfter {
  /** When it did. */
  readonly at: number;
  /** Nothing is attempted before. Past: it is over, and says nothing any more. */
  readonly until: number;
  /** What it answered. */
  readonly status: number;
}

/** Instants are of the workers' clocks. */
export interface Health {
  /** Of the subscription: a document left under a name that is used again says nothing. */
  readonly incarnation: Incarnation;
  readonly state: HealthState;
  /** When it came into this state. */
  readonly since: number;
  /** Since the first of those in a row that led into probation; of a healthy one, those of its last time there. */
  readonly failures: FailureCounts;
  readonly lastFailure?: FailureSeen;
  /** The last that the writer knew of. */
  readonly lastSuccessAt?: number;
  /** Made since it was last healthy; one under way included. */
  readonly probes: number;
  /** In probation: when the next may be made. Whoever moves it on by a conditional write has the right to make it. */
  readonly nextProbeAt?: number;
  /** In any state. Ends by itself, or when the document is removed. */
  readonly retryAfter?: RetryAfter;
}

/** What it is left alone for at `now`; undefined where it is not. */
export function retryAfterOf({ retryAfter }: Health, now: number): RetryAfter | undefined {
  return retryAfter && now < retryAfter.until ? retryAfter : undefined;
}

export const healthPath = (topic: Scope, name: string): string => `${subscriptionPath(topic, name)}/health`;
