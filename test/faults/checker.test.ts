/**
 * The checker and what feeds it, against a router of a few lines whose defects are known: an honest one passes, and
 * every kind of defect is caught, down to one event in hundreds.
 */
import { expect, test } from '@jest/globals';
import { check, type Expectation, quantile } from '../support/checker.js';
import { startLedgerSink } from '../support/endpoint.js';
import { openLedger, readLedger } from '../support/ledger.js';
import { startPublisher } from '../support/publisher.js';
import { type Defect, startPlainRouter } from '../support/router.js';

const subscriptions = ['left', 'right'];
/** Router, endpoints and publisher are one process, which is not to time itself out when it stands still. */
const timeoutMs = 60_000;

/** Publishes a few hundred events through a router with one defective event, and judges it. */
async function judge(defects: Readonly<Record<string, Defect>>, expectation: Partial<Expectation> = {}) {
  const ledger = openLedger();
  const sink = await startLedgerSink(ledger);
  const router = await startPlainRouter(
    subscriptions.map((name) => sink.url(`/${name}`)),
    (id) => defects[id],
  );
  const publisher = startPublisher({ urls: [router.url], ledger, rate: 1_000, timeoutMs });
  await publisher.accepted(200);
  await publisher.stop();
  await router.drained();
  return check(readLedger(ledger), { subscriptions, ...expectation });
}

const clean = { lost: [], phantom: [], invented: [], corrupted: [], duplicates: [], renamed: [] };

test('an honest router passes', async () => {
  const verdict = await judge({ e7: 'refuse' });
  expect(verdict).toMatchObject({ ...clean, refused: 1, unknown: 0 });
  expect(verdict.accepted).toBeGreaterThanOrEqual(200);
  expect(verdict.delivered).toBe(2 * verdict.accepted);
  expect(verdict.latencies).toHaveLength(verdict.delivered);
});

test.each<[Defect, Partial<typeof clean>]>([
  ['lose', { lost: ['left/e7', 'right/e7'] as never[] }],
  ['duplicate', { duplicates: ['left/e7', 'right/e7'] as never[] }],
  [
    'rename',
    {
      duplicates: ['left/e7', 'right/e7'] as never[],
      renamed: ['left/e7', 'right/e7'] as never[],
    },
  ],
  ['corrupt', { corrupted: ['left/e7', 'right/e7'] as never[] }],
  ['invent', { invented: ['left/e7-again', 'right/e7-again'] as never[] }],
  ['phantom', { phantom: ['left/e7', 'right/e7'] as never[] }],
])('a router that does one "%s" is caught', async (defect, expected) => {
  const { duplicates, renamed, lost, phantom, invented, corrupted } = await judge({ e7: defect });
  const sorted = Object.fromEntries(
    Object.entries({ duplicates, renamed, lost, phantom, invented, corrupted }).map(([kind, found]) => [
      kind,
      [...found].sort(),
    ]),
  );
  expect(sorted).toEqual({ ...clean, ...expected });
});

test('an event whose publisher got no answer may have appeared', async () => {
  expect(await judge({ e7: 'unanswered' })).toMatchObject({ ...clean, unknown: 1, refused: 0 });
});

test('a dead letter is not lost, but only at the subscription that holds it', async () => {
  const verdict = await judge({ e7: 'lose' }, { deadLettered: new Set(['left/e7']) });
  expect(verdict.lost).toEqual(['right/e7']);
});

test('a receipt at an endpoint of nobody is invented', async () => {
  const verdict = await judge({}, { subscriptions: ['left'] });
  expect(verdict.invented).toHaveLength(verdict.accepted);
});

test('a router that cannot be reached refused, and publishing goes on when it can', async () => {
  const ledger = openLedger();
  const sink = await startLedgerSink(ledger);
  const router = await startPlainRouter([sink.url('/left')]);
  const urls = ['http://127.0.0.1:1/', router.url];
  const publisher = startPublisher({ urls, ledger, rate: 500, timeoutMs });
  await publisher.accepted(20);
  await publisher.nextAccepted();
  await publisher.stop();
  await router.drained();
  const verdict = check(readLedger(ledger), { subscriptions: ['left'] });
  expect(verdict).toMatchObject({ ...clean, unknown: 0 });
  expect(verdict.refused).toBeGreaterThan(0);
});

test('times are joined: latency from the answer, gaps between receipts', () => {
  const published = [
    { id: 'a', at: 0, digest: 'd' },
    { id: 'a', at: 5, outcome: 'accepted' as const },
    { id: 'b', at: 6, digest: 'd' },
    { id: 'b', at: 7, outcome: 'accepted' as const },
  ];
  const received = [
    { id: 'a', subscription: 's', digest: 'd', message: 'm1', at: 4 },
    { id: 'b', subscription: 's', digest: 'd', message: 'm2', at: 30 },
  ];
  const { latencies, longestGapMs } = check({ published, received }, { subscriptions: ['s'] });
  expect(latencies).toEqual([0, 23]);
  expect(longestGapMs).toBe(26);
  expect(quantile(latencies, 0.99)).toBe(23);
  expect(quantile([], 0.5)).toBeNaN();
});
