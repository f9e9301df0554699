import { describe, expect, test } from '@jest/globals';
import { type AttemptEnd, decide } from './decision.js';

const policy = { maxDeliveryAttempts: 3, eventTimeToLiveInMinutes: 60 };
const finalStatuses = new Set([400, 401, 403, 413]);
const middle = (): number => 0.5;
const of = (end: Partial<AttemptEnd>) =>
  decide(
    { outcome: 'ServerError', status: 500, attempts: 1, retryAfterMs: undefined, ...end },
    policy,
    finalStatuses,
    middle,
  );

describe('an attempt', () => {
  test('that succeeded ends the delivery, even the last one allowed', () => {
    expect(of({ outcome: 'Delivered', status: 204, attempts: 3 })).toEqual({ kind: 'delivered' });
  });

  test('that failed is repeated after the schedule', () => {
    expect(of({})).toEqual({ kind: 'retry', delayMs: 10_000 });
    expect(of({ attempts: 2 })).toEqual({ kind: 'retry', delayMs: 30_000 });
  });

  test.each([3, 4])('number %i of three is the last', (attempts) => {
    expect(of({ attempts })).toEqual({ kind: 'deadLetter', reason: 'MaxDeliveryAttemptsExceeded' });
  });

  test.each([
    [400, 'BadRequest', 'UndeliverableDueToBadRequest'],
    [401, 'Unauthorized', 'UndeliverableDueToUnauthorized'],
    [403, 'Forbidden', 'UndeliverableDueToForbidden'],
    [413, 'PayloadTooLarge', 'UndeliverableDueToPayloadTooLarge'],
  ] as const)('with status %i is given up at once', (status, outcome, reason) => {
    expect(of({ status, outcome })).toEqual({ kind: 'deadLetter', reason });
  });

  test('with a status that only this deployment calls final is given up at once', () => {
    const end = { outcome: 'NotFound', status: 404, attempts: 1, retryAfterMs: undefined } as const;
    expect(decide(end, policy, new Set([404]), middle)).toEqual({
      kind: 'deadLetter',
      reason: 'MaxDeliveryAttemptsExceeded',
    });
  });

  test.each([
    [404, 'NotFound'],
    [302, 'Redirected'],
    [429, 'Busy'],
  ] as const)('with status %i is repeated', (status, outcome) => {
    expect(of({ status, outcome }).kind).toBe('retry');
  });

  test('that met 410 stops the subscription, even the last one allowed', () => {
    expect(of({ outcome: 'Gone', status: 410, attempts: 3 })).toEqual({ kind: 'stop' });
  });

  test('that the worker cut is due again at once, even the last one allowed', () => {
    expect(of({ outcome: 'Aborted', status: undefined, attempts: 3 })).toEqual({ kind: 'retry', delayMs: 0 });
  });
});
