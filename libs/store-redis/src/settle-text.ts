/** A settle as its script takes it: JSON, in the shape that `scripts/settle.ts` documents. */
import {
  announcedBy,
  chargedBytes,
  type Disposition,
  type LeaseOutcome,
  packState,
  type Quota,
  releasedBy,
  type SettleBatch,
  type SettledEntry,
} from '@gridpost/store';
import { checkIncarnation, isEntryId, memberOf } from './keys.js';

/** Deliveries that one quota moves in one settle, so that a quota that was lowered does not block the server. */
const quotaStepsMax = 1_000;
const tokenBytesMax = 200;

/** Whether everything is finished, and nothing but entries has to go. */
export function isOnlyRemoval({ entries, outcomes }: SettleBatch): boolean {
  return outcomes.length === 0 && entries.every(({ deferrals }) => deferrals.length === 0);
}

export function settleText(batch: SettleBatch, quota: Quota): string {
  return JSON.stringify({
    entries: batch.entries.filter(({ id }) => isEntryId(id)).map(entryOf),
    outcomes: batch.outcomes.flatMap((outcome) => outcomeOf(outcome) ?? []),
    announced: Array.from(announcedBy(batch), checkIncarnation),
    quota: quotaText(quota),
  });
}

/** The outcomes that a delivery here can have; those of the others are not applied. */
export function concludeText(
  outcomes: readonly LeaseOutcome[],
  quota: Quota,
): { readonly text: string; readonly possible: readonly boolean[] } {
  const texts = outcomes.map(outcomeOf);
  return {
    text: JSON.stringify({
      outcomes: texts.flatMap((text) => text ?? []),
      released: Array.from(releasedBy(outcomes), checkIncarnation),
      quota: quotaText(quota),
    }),
    possible: texts.map((text) => text !== undefined),
  };
}

const quotaText = ({ deferredBytesMax, bytesMax }: Quota) => ({
  deferred: deferredBytesMax,
  all: bytesMax,
  steps: quotaStepsMax,
});

/** In an array of its own. */
function outcomeOf({ entry, index, subscription, token, disposition }: LeaseOutcome) {
  const member = memberOf(entry, index);
  if (member === undefined) return undefined;
  const end = disposition.kind === 'finished' ? finished : dispositionOf(disposition);
  return [[member, checkIncarnation(subscription), token, ...end]];
}

const finished = ['f', 0, '', ''] as const;

function entryOf({ id, deferrals, events }: SettledEntry) {
  return [
    id,
    deferrals.map(({ index, subscription, disposition }) => [
      index,
      memberOf(id, index),
      checkIncarnation(subscription),
      chargedBytes(events.get(index)!.frame.length),
      ...dispositionOf(disposition),
    ]),
  ];
}

/** Kind, delay or lease in ms, token or reason, state. */
function dispositionOf(disposition: Disposition): readonly [string, number, string, string] {
  const state = packState(disposition.state);
  if (disposition.kind === 'deferred') return ['d', Math.ceil(disposition.dueInMs), '', state];
  if (disposition.kind === 'deadLettered') return ['x', 0, disposition.reason, state];
  const { token, leaseMs } = disposition;
  if (Buffer.byteLength(token) > tokenBytesMax) throw new RangeError(`token of ${token.length} characters`);
  return ['l', Math.ceil(leaseMs), token, state];
}
