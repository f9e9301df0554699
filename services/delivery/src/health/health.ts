/**
 * Endpoint health as a state machine: what has happened goes in, the next state comes out, and `permitOf` says what may
 * be attempted in it. No clock, no store, no lane: `ward.ts` feeds it and `keeper.ts` stores what it says.
 *
 *     Healthy ──failures in a row──► Probation ──probe succeeds──► Recovering ──ramp over──► Healthy
 *                                     │  ▲  ▲                          │
 *                                     └──┘  └────failures in a row─────┘
 *                                 probe fails
 *
 * - *Healthy*: everything may be attempted. What leads out is so many failures of the endpoint in a row, with no success
 *   between. An answer that is final for one event is no failure of the endpoint.
 * - *Probation*: one delivery may be attempted when the time of the next probe has come, by whoever claims it (`probing`),
 *   which moves that time on. A probe that fails puts the next one further away; one that succeeds leads out. What other
 *   attempts come to, begun before, is counted and changes nothing.
 * - *Recovering*: concurrency grows from a sixty-fourth to all of it. Failures in a row lead back to where probation was
 *   left, so that an endpoint that comes and goes is not probed as often as one that has just begun to fail.
 */
import {
  type FailureCounts,
  type FailureSeen,
  type Health,
  type Incarnation,
  limits,
  type Random,
} from '@gridpost/model';

export interface HealthPolicy {
  /** 0: never held back, also if it was when this was written. */
  readonly failuresMax: number;
  readonly probeMsMax: number;
}

/**
 * `probing`: the right to make a probe is claimed, whose attempt takes `timeoutMs` at most. `recovered`: the ramp is over, or
 * endpoints are not held back any more.
 */
export type HealthEvent =
  | { readonly kind: 'failing' }
  | { readonly kind: 'probing'; readonly timeoutMs: number }
  | { readonly kind: 'probeFailed' }
  | { readonly kind: 'probeSucceeded' }
  | { readonly kind: 'recovered' };

/** What a worker saw that is not noted yet. */
export interface Seen {
  readonly failures: FailureCounts;
  readonly lastFailure?: FailureSeen;
  readonly lastSuccessAt?: number;
}

/**
 * Distances of the probes. The first is short, since a blip of a moment can look like an endpoint that is down; the last
 * bounds how much later than it comes back an endpoint gets its events.
 */
const distancesMs = [5_000, 15_000, 30_000, 60_000, 120_000, 300_000] as const;
/** A distance is shortened by up to so much of it, so that endpoints that failed together are not probed together. */
const jitter = 0.2;

const longestAttemptMs = limits.attemptTimeoutSeconds.max * 1_000;

/** Concurrency doubles with each step of the ramp, from a share of 2^-6. */
const rampSteps = 6;
const rampStepMs = 500;
export const rampMs = rampSteps * rampStepMs;

export function healthy(incarnation: Incarnation, now: number): Health {
  return { incarnation, state: 'Healthy', since: now, failures: {}, probes: 0 };
}

/** The state after an event. Throws nothing: an event that means nothing in a state leaves it as it is. */
export function next(
  health: Health,
  event: HealthEvent,
  now: number,
  policy: HealthPolicy,
  random: Random,
): Health {
  const { state, probes } = health;
  const probation = (probes: number, timeoutMs = 0): Health => ({
    ...health,
    state: 'Probation',
    since: state === 'Probation' ? health.since : now,
    probes,
    nextProbeAt: Math.round(now + timeoutMs + distanceMs(probes, policy, random)),
  });
  switch (event.kind) {
    case 'failing':
      if (state === 'Probation') return health;
      return state === 'Recovering' ? probation(probes) : { ...probation(0), failures: {} };
    case 'probing':
      return state === 'Probation' ? probation(probes + 1, event.timeoutMs) : health;
    case 'probeFailed':
      return state === 'Probation' ? probation(probes) : health;
    case 'probeSucceeded': {
      if (state !== 'Probation') return health;
      const { nextProbeAt: _, ...rest } = health;
      return { ...rest, state: 'Recovering', since: now };
    }
    case 'recovered': {
      if (state === 'Healthy') return health;
      const { nextProbeAt: _, ...rest } = health;
      return { ...rest, state: 'Healthy', since: now, probes: 0 };
    }
  }
}

/** With what a worker saw meanwhile. Counts add up; of instants the later stays. */
export function withSeen<T extends Seen>(before: T, seen: Seen): T {
  const failures: Record<string, number> = { ...before.failures };
  for (const [outcome, count] of Object.entries(seen.failures))
    failures[outcome] = (failures[outcome] ?? 0) + count;
  const lastFailure = later(before.lastFailure, seen.lastFailure, ({ at }) => at);
  const lastSuccessAt = later(before.lastSuccessAt, seen.lastSuccessAt, (at) => at);
  return {
    ...before,
    failures,
    ...(lastFailure ? { lastFailure } : {}),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
  };
}

/**
 * What may be attempted: everything; a share of the concurrency; one probe, by whoever claims it; nothing until an instant.
 */
export type Permit =
  | { readonly kind: 'all' }
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'probe' }
  | { readonly kind: 'none'; readonly until: number };

export const all: Permit = { kind: 'all' };

/** `pace`: how fast this worker's ramp is, about 1, so that workers do not step up at the same moment. */
export function permitOf(health: Health, now: number, policy: HealthPolicy, pace = 1): Permit {
  if (policy.failuresMax === 0 || health.state === 'Healthy') return all;
  if (health.state === 'Recovering') {
    const step = Math.floor(((now - health.since) * pace) / rampStepMs);
    return step >= rampSteps ? all : { kind: 'share', share: 2 ** (Math.max(0, step) - rampSteps) };
  }
  const { nextProbeAt = 0 } = health;
  return now >= nextProbeAt ? { kind: 'probe' } : { kind: 'none', until: nextProbeAt };
}

/** The same with instants that this process's clock allows: `now` at the latest, and as far away as a probe can be. */
export function inTime(health: Health, now: number, { probeMsMax }: HealthPolicy): Health {
  const { since, nextProbeAt } = health;
  const latest = now + probeMsMax + longestAttemptMs;
  return {
    ...health,
    since: Math.min(since, now),
    ...(nextProbeAt === undefined ? {} : { nextProbeAt: Math.min(nextProbeAt, latest) }),
  };
}

/** Whether two are in the same state, since the same moment and with the same next probe. One that is healthy is so since ever. */
export function sameStanding(a: Health, b: Health): boolean {
  if (a.state !== b.state || a.state === 'Healthy') return a.state === b.state;
  return a.since === b.since && a.probes === b.probes && a.nextProbeAt === b.nextProbeAt;
}

function distanceMs(probes: number, { probeMsMax }: HealthPolicy, random: Random): number {
  const distance = Math.min(probeMsMax, distancesMs[Math.min(probes, distancesMs.length - 1)]!);
  return distance * (1 - jitter * random());
}

function later<T>(a: T | undefined, b: T | undefined, instantOf: (value: T) => number): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return instantOf(b) >= instantOf(a) ? b : a;
}
