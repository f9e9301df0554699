/** A settle as its script takes it: JSON, in the shape that `scripts/settle.ts` documents. */
import {
  announcedBy,
  chargedBytes,
  type LeaseOutcome,
  packState,
  type Quota,
  releasedBy,
  type SettleBatch,
  type SettledEntry,
} from '@gridpost/store';
import { type Alike, alikeOf, alikeOfEntry } from './alike.js';
import { checkIncarnation, isEntryId, nameOf } from './keys.js';

/** Deliveries that one quota moves in one settle, so that a quota that was lowered does not block the server. */
const quotaStepsMax = 1_000;
const tokenBytesMax = 200;

/** Whether everything is finished, and nothing but entries has to go. */
export function isOnlyRemoval({ entries, outcomes }: SettleBatch): boolean {
  return outcomes.length === 0 && entries.every(({ deferrals }) => deferrals.length === 0);
}

export function settleText(batch: SettleBatch, quota: Quota): string {
  return JSON.stringify({
    entries: batch.entries.filter(({ id }) => isEntryId(id)).map(entryText),
    outcomes: alikeOf(batch.outcomes).map(outcomeText),
    overhead: chargedBytes(0),
    announced: Array.from(announcedBy(batch), checkIncarnation),
    quota: quotaText(quota),
  });
}

/** `groups`: the outcomes, put together. */
export function concludeText(
  outcomes: readonly LeaseOutcome[],
  groups: readonly Alike[],
  quota: Quota,
): string {
  return JSON.stringify({
    outcomes: groups.map(outcomeText),
    released: Array.from(releasedBy(outcomes), checkIncarnation),
    quota: quotaText(quota),
  });
}

const quotaText = ({ deferredBytesMax, bytesMax }: Quota) => ({
  deferred: deferredBytesMax,
  all: bytesMax,
  steps: quotaStepsMax,
});

const none: readonly never[] = [];

function outcomeText({ entry, subscription, token, indexes, disposition }: Alike) {
  return [nameOf(entry), checkIncarnation(subscription), token, indexes, ...dispositionText(disposition)];
}

function entryText({ id, deferrals }: SettledEntry) {
  if (deferrals.length === 0) return [id, '', none];
  const groups = alikeOfEntry(id, deferrals).map(({ subscription, indexes, disposition }) => [
    checkIncarnation(subscription),
    indexes,
    ...dispositionText(disposition),
  ]);
  return [id, nameOf(id), groups];
}

/** Kind, delay or lease in ms, token or reason, state. */
function dispositionText(disposition: Alike['disposition']): readonly [string, number, string, string] {
  if (disposition.kind === 'finished') return ['f', 0, '', ''];
  const state = packState(disposition.state);
  if (disposition.kind === 'deferred') return ['d', Math.ceil(disposition.dueInMs), '', state];
  if (disposition.kind === 'deadLettered') return ['x', 0, disposition.reason, state];
  const { token, leaseMs } = disposition;
  if (Buffer.byteLength(token) > tokenBytesMax) throw new RangeError(`token of ${token.length} characters`);
  return ['l', Math.ceil(leaseMs), token, state];
}
