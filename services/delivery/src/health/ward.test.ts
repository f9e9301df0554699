/** What one worker makes of its endpoint's health when others write it too, in the order in which their answers come. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Health } from '@gridpost/model';
import { FakeClock, seededRandom } from '@gridpost/model/testing';
import { type Draft, Ward } from './ward.js';

const terms = { policy: { failuresMax: 2, probeMsMax: 300_000 }, timeoutMs: 7_000 };
const failure = { outcome: 'ServerError', status: 500, lastError: '' } as const;
let clock: FakeClock;
let ward: Ward;
let changes: number;
let releases: number;

beforeEach(() => {
  clock = new FakeClock();
  changes = 0;
  releases = 0;
  ward = new Ward(
    {
      ...{ id: 's', clock, random: seededRandom(1) },
      onChange: () => void changes++,
      onReleased: () => void releases++,
    },
    terms,
    undefined,
  );
});

const attempt = (startedAt = clock.elapsed()) => ({ fresh: true, startedAt });
const fail = (): void => ward.failed(attempt(), failure);
/** Has the draft written, and gives back what the store has then. */
function written(draft: Draft, version: number): { health: Health; etag: string } {
  ward.wrote(draft, `e${version}`, version);
  return { health: draft.health, etag: `e${version}` };
}

/** Held back, written, and the time of the first probe come. */
async function ripe(): Promise<void> {
  fail();
  fail();
  written(ward.draft()!, 1);
  await clock.advance(5_000);
  expect(ward.draft()).toBeUndefined();
  expect(ward.probing).toBe(true);
}

test('is stopped at once, before that is written, and tells so', () => {
  fail();
  expect([ward.held, changes]).toEqual([false, 0]);
  fail();
  expect([ward.held, ward.admits(0, 64), changes]).toEqual([true, false, 1]);
  expect(ward.heldMs).toBeGreaterThan(3_999);
  const draft = ward.draft()!;
  expect(draft).toMatchObject({ etag: undefined, health: { failures: { ServerError: 2 } } });
  // One write at a time.
  expect(ward.draft()).toBeUndefined();
  written(draft, 1);
  expect(ward.draft()).toBeUndefined();
});

test('a draft that was not written is drawn anew, with all that was seen', () => {
  fail();
  fail();
  ward.notWritten(ward.draft()!);
  ward.failed(attempt(-1), failure);
  expect(ward.draft()!.health.failures).toEqual({ ServerError: 3 });
});

test('a probe starts only once its right was written, and only one', async () => {
  await ripe();
  expect(ward.admits(0, 64)).toBe(false);
  const draft = ward.draft()!;
  expect(draft).toMatchObject({ claims: true, health: { probes: 1 } });
  expect(ward.admits(0, 64)).toBe(false);
  written(draft, 2);
  expect(ward.admits(0, 64)).toBe(true);
  ward.started();
  expect(ward.admits(0, 64)).toBe(false);
  ward.draft();
  expect(ward.held).toBe(true);
  // What was begun before says nothing, what the probe says counts.
  ward.worked(attempt(clock.elapsed() - 1), clock.elapsed());
  expect(ward.held).toBe(true);
  ward.worked(attempt(), clock.elapsed());
  expect([ward.held, ward.allowed(64), ward.allowed(1)]).toEqual([false, 1, 1]);
  expect(ward.draft()!.health).toMatchObject({ state: 'Recovering', lastSuccessAt: clock.now() });
});

test('a right that is not used in its time is given up, and the next probe comes as after a failure', async () => {
  await ripe();
  ward.admits(0, 64);
  written(ward.draft()!, 2);
  await clock.advance(15_000);
  expect(ward.admits(0, 64)).toBe(false);
  const { health, claims } = ward.draft()!;
  expect([claims, health.probes]).toEqual([false, 1]);
  expect(health.nextProbeAt! - clock.now()).toBeLessThanOrEqual(15_000);
});

test('what others wrote first counts', async () => {
  await ripe();
  ward.admits(0, 64);
  const draft = ward.draft()!;
  const theirs = { ...draft.health, nextProbeAt: clock.now() + 60_000 };
  // Not while an answer is waited for, which may be about something newer.
  ward.learn({ health: theirs, etag: 'x' }, 2);
  expect(ward.probing).toBe(true);
  ward.notWritten(draft);
  ward.learn({ health: theirs, etag: 'x' }, 2);
  expect([ward.held, ward.heldMs]).toEqual([true, 60_000]);
});

test('what is older than the last write is not believed, what is newer is', () => {
  fail();
  fail();
  written(ward.draft()!, 5);
  ward.learn(undefined, 4);
  expect(ward.held).toBe(true);
  ward.learn(undefined, 5);
  expect([ward.held, ward.free]).toEqual([false, true]);
});

test('a clock that is hours ahead holds nobody back for hours', () => {
  const health: Health = { ...ahead(), state: 'Probation', nextProbeAt: clock.now() + 7_200_000 };
  ward.learn({ health, etag: 'x' }, 1);
  expect(ward.heldMs).toBeLessThanOrEqual(300_000 + 230_000);
  ward.learn({ health: { ...ahead(), state: 'Recovering' }, etag: 'y' }, 2);
  expect(ward.allowed(64)).toBe(1);
});
const ahead = () => ({
  ...{ incarnation: 's', since: clock.now() + 7_200_000, failures: {}, probes: 1 },
});

test('a worker that stops claims nothing, and gives back what it has', async () => {
  await ripe();
  ward.admits(0, 64);
  const draft = ward.draft()!;
  ward.leave();
  written(draft, 2);
  expect(ward.admits(0, 64)).toBe(false);
  expect(ward.unsaved).toBe(true);
  const { health, claims } = ward.draft()!;
  expect(claims).toBe(false);
  expect(health.nextProbeAt! - clock.now()).toBeLessThanOrEqual(15_000);
});

describe('what the endpoint asked for with Retry-After', () => {
  const at: Health = { incarnation: 's', state: 'Healthy', since: 0, failures: {}, probes: 0 };
  const until = (ms: number) => ({ at: clock.now(), until: clock.now() + ms, status: 503 });

  test('is written once, unless it is short, and shortened by nothing', async () => {
    ward.asked(5_000, 429);
    expect([ward.free, ward.leaveAloneMs]).toEqual([true, 0]);
    ward.asked(5_001, 429);
    expect([ward.free, ward.unsaved, ward.leaveAloneMs]).toEqual([false, true, 5_001]);
    const draft = ward.draft()!;
    expect(draft.health).toMatchObject({ state: 'Healthy', failures: {}, retryAfter: { status: 429 } });
    written(draft, 1);
    expect([ward.free, ward.unsaved]).toEqual([true, false]);
    for (const ms of [1_000, 5_001, 10_001]) ward.asked(ms, 503);
    expect([ward.draft(), ward.leaveAloneMs]).toEqual([undefined, 5_001]);
    ward.asked(10_002, 503);
    expect(ward.draft()!.health.retryAfter).toEqual(until(10_002));
    await clock.advance(10_002);
    expect(ward.leaveAloneMs).toBe(0);
  });

  test('is not written any more when it is over', async () => {
    ward.asked(8_000, 429);
    await clock.advance(8_000);
    expect([ward.draft(), ward.free]).toEqual([undefined, true]);
  });

  test('is kept to when another was asked, for five minutes at most, and ends when what is stored is forgotten', () => {
    ward.learn({ health: { ...at, retryAfter: until(7_200_000) }, etag: 'x' }, 1);
    expect([ward.leaveAloneMs, changes, releases]).toEqual([300_000, 1, 0]);
    ward.learn(undefined, 2);
    expect([ward.leaveAloneMs, changes, releases]).toEqual([0, 2, 1]);
    ward.asked(60_000, 429);
    written(ward.draft()!, 3);
    ward.learn({ health: at, etag: 'y' }, 4);
    expect([ward.leaveAloneMs, releases]).toEqual([0, 2]);
  });

  test('ends by itself without being released', async () => {
    ward.learn({ health: { ...at, retryAfter: until(6_000) }, etag: 'x' }, 1);
    await clock.advance(6_000);
    ward.learn(undefined, 2);
    expect(releases).toBe(0);
  });

  test('is found by a worker that starts', () => {
    const found = { health: { ...at, retryAfter: until(60_000) }, etag: 'x' };
    const others = { onChange: () => {}, onReleased: () => {} };
    const another = new Ward({ id: 's', clock, random: seededRandom(1), ...others }, terms, found);
    expect([another.leaveAloneMs, another.free]).toEqual([60_000, true]);
  });

  test('that was written by another before is not lost, nor does it shorten what this one was asked for', () => {
    ward.asked(60_000, 429);
    ward.notWritten(ward.draft()!);
    ward.learn({ health: { ...at, retryAfter: until(20_000) }, etag: 'x' }, 1);
    expect(ward.leaveAloneMs).toBe(60_000);
    expect(ward.draft()).toMatchObject({ etag: 'x', health: { retryAfter: { status: 429 } } });
  });

  test('leaves the count of failures as it is, whoever writes it, and what is to be written', () => {
    fail();
    ward.asked(60_000, 429);
    written(ward.draft()!, 1);
    ward.learn({ health: { ...at, retryAfter: until(120_000) }, etag: 'x' }, 2);
    expect(ward.held).toBe(false);
    fail();
    expect(ward.held).toBe(true);
    ward.learn({ health: { ...at, retryAfter: until(180_000) }, etag: 'y' }, 3);
    expect(ward.held).toBe(true);
    expect(ward.draft()).toMatchObject({
      etag: 'y',
      health: { state: 'Probation', failures: { ServerError: 2 }, retryAfter: { status: 503 } },
    });
  });

  test('goes along with probes', async () => {
    await ripe();
    ward.asked(60_000, 503);
    ward.admits(0, 64);
    const { health } = written(ward.draft()!, 2);
    expect(health).toMatchObject({ state: 'Probation', probes: 1, retryAfter: { status: 503 } });
    expect([ward.unsaved, ward.admits(0, 64)]).toEqual([false, true]);
    ward.started();
    ward.worked(attempt(), clock.elapsed());
    expect(ward.draft()!.health).toMatchObject({ state: 'Recovering', retryAfter: { status: 503 } });
  });
});
