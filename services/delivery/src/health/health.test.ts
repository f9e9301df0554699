/** The state machine alone: what leads from where to where, and what may be attempted there. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Health, HealthState } from '@gridpost/model';
import { seededRandom } from '@gridpost/model/testing';
import { type HealthEvent, healthy, next, permitOf, rampMs, withSeen } from './health.js';

const policy = { failuresMax: 10, probeMsMax: 300_000 };
const most = (): number => 0;
const at = 1_000_000;

const fresh = healthy('s', 0);
const probation: Health = {
  ...fresh,
  ...{ state: 'Probation', since: 500, probes: 2, nextProbeAt: 900, failures: { ServerError: 12 } },
};
const recovering: Health = {
  ...fresh,
  state: 'Recovering',
  since: 700,
  probes: 3,
  failures: { TimedOut: 4 },
};
const states: Record<HealthState, Health> = {
  Healthy: fresh,
  Probation: probation,
  Recovering: recovering,
};
const events: Record<HealthEvent['kind'], HealthEvent> = {
  failing: { kind: 'failing' },
  probing: { kind: 'probing', timeoutMs: 7_000 },
  probeFailed: { kind: 'probeFailed' },
  probeSucceeded: { kind: 'probeSucceeded' },
  recovered: { kind: 'recovered' },
};
const after = (state: HealthState, event: HealthEvent['kind']): Health =>
  next(states[state], events[event], at, policy, most);

test.each<[HealthState, HealthEvent['kind'], { [K in keyof Health]?: Health[K] | undefined } | 'stays']>([
  ['Healthy', 'failing', { state: 'Probation', since: at, probes: 0, nextProbeAt: at + 5_000, failures: {} }],
  ['Healthy', 'probing', 'stays'],
  ['Healthy', 'probeFailed', 'stays'],
  ['Healthy', 'probeSucceeded', 'stays'],
  ['Healthy', 'recovered', 'stays'],
  ['Probation', 'failing', 'stays'],
  // Moved on for as long as the probe may take, so that nobody makes another beside it.
  ['Probation', 'probing', { since: 500, probes: 3, nextProbeAt: at + 7_000 + 60_000 }],
  [
    'Probation',
    'probeFailed',
    { since: 500, probes: 2, nextProbeAt: at + 30_000, failures: { ServerError: 12 } },
  ],
  ['Probation', 'probeSucceeded', { state: 'Recovering', since: at, probes: 2, nextProbeAt: undefined }],
  ['Probation', 'recovered', { state: 'Healthy', since: at, probes: 0, nextProbeAt: undefined }],
  // One that comes and goes is probed where it was left.
  [
    'Recovering',
    'failing',
    { state: 'Probation', since: at, probes: 3, nextProbeAt: at + 60_000, failures: { TimedOut: 4 } },
  ],
  ['Recovering', 'probing', 'stays'],
  ['Recovering', 'probeFailed', 'stays'],
  ['Recovering', 'probeSucceeded', 'stays'],
  ['Recovering', 'recovered', { state: 'Healthy', since: at, probes: 0, failures: { TimedOut: 4 } }],
])('%s, %s', (state, event, wanted) => {
  const health = after(state, event);
  if (wanted === 'stays') expect(health).toBe(states[state]);
  else expect({ ...health, nextProbeAt: health.nextProbeAt }).toMatchObject(wanted);
});

describe('probes', () => {
  function distances(probeMsMax: number, random: () => number): number[] {
    let health = after('Healthy', 'failing');
    const found: number[] = [];
    for (let i = 0; i < 9; i++) {
      found.push(health.nextProbeAt! - at);
      health = next(health, { kind: 'probing', timeoutMs: 0 }, at, { ...policy, probeMsMax }, random);
      health = next(health, { kind: 'probeFailed' }, at, { ...policy, probeMsMax }, random);
    }
    return found;
  }

  test('get further apart, up to the longest distance', () => {
    const seconds = distances(300_000, most).map((ms) => ms / 1_000);
    expect(seconds).toEqual([5, 15, 30, 60, 120, 300, 300, 300, 300]);
    expect(distances(20_000, most).slice(1)).toEqual(new Array(8).fill(20_000).fill(15_000, 0, 1));
  });

  test('are up to a fifth sooner, each endpoint by another part', () => {
    const one = distances(300_000, seededRandom(1)).slice(1);
    const other = distances(300_000, seededRandom(2)).slice(1);
    expect(one).not.toEqual(other);
    for (const [i, base] of [15, 30, 60, 120, 300, 300, 300, 300].entries())
      for (const ms of [one[i]!, other[i]!]) {
        expect(ms).toBeLessThanOrEqual(base * 1_000);
        expect(ms).toBeGreaterThanOrEqual(base * 800);
      }
  });
});

describe('what may be attempted', () => {
  test('of a healthy one is everything', () => {
    expect(permitOf(fresh, at, policy)).toEqual({ kind: 'all' });
  });

  test('in probation is nothing, and one probe from its time on', () => {
    expect(permitOf(probation, 899, policy)).toEqual({ kind: 'none', until: 900 });
    expect(permitOf(probation, 900, policy)).toEqual({ kind: 'probe' });
  });

  test('while it recovers is a share that doubles every half second', () => {
    const share = (ms: number): unknown => permitOf(recovering, 700 + ms, policy);
    expect([0, 499, 500, 1_000, 2_999, 3_000].map(share)).toEqual([
      ...[1 / 64, 1 / 64, 1 / 32, 1 / 16, 1 / 2].map((part) => ({ kind: 'share', share: part })),
      { kind: 'all' },
    ]);
    expect(share(rampMs - 1)).not.toEqual({ kind: 'all' });
    // A clock that is behind.
    expect(share(-10_000)).toEqual({ kind: 'share', share: 1 / 64 });
  });

  test('is everything where endpoints are not held back', () => {
    for (const state of Object.values(states))
      expect(permitOf(state, 0, { ...policy, failuresMax: 0 })).toEqual({ kind: 'all' });
  });
});

test('counts add up, and the later of two instants stays', () => {
  const outcome = 'TimedOut' as const;
  const before = { failures: { ServerError: 2 }, lastFailure: { at: 5, outcome }, lastSuccessAt: 9 };
  const seen = {
    failures: { ServerError: 1, TimedOut: 1 },
    lastFailure: { at: 7, outcome },
    lastSuccessAt: 8,
  };
  expect(withSeen(before, seen)).toEqual({
    failures: { ServerError: 3, TimedOut: 1 },
    lastFailure: { at: 7, outcome },
    lastSuccessAt: 9,
  });
});

test('whatever happens, something may be attempted again within the longest distance and an attempt', () => {
  const anyEvent = fc.constantFrom(...Object.values(events));
  fc.assert(
    fc.property(fc.array(fc.tuple(anyEvent, fc.nat(400_000))), fc.integer(), (happened, seed) => {
      const random = seededRandom(seed);
      let now = 0;
      let health = fresh;
      for (const [event, ms] of happened) {
        now += ms;
        health = next(health, event, now, policy, random);
        expect(health.state === 'Probation').toBe(health.nextProbeAt !== undefined);
        expect(permitOf(health, now + policy.probeMsMax + 7_000, policy).kind).not.toBe('none');
      }
    }),
  );
});
