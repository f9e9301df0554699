/** A settle as its script takes it: JSON, in the shape that `scripts/settle.ts` documents. */
import {
  chargedBytes,
  type Disposition,
  packState,
  type Quota,
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

export function settleText(
  { entries, outcomes }: SettleBatch,
  { deferredBytesMax, bytesMax }: Quota,
): string {
  return JSON.stringify({
    entries: entries.filter(({ id }) => isEntryId(id)).map(entryOf),
    outcomes: outcomes.flatMap(({ entry, index, subscription, token, disposition }) => {
      const member = memberOf(entry, index);
      if (member === undefined) return [];
      const end = disposition.kind === 'finished' ? finished : dispositionOf(disposition);
      return [[member, checkIncarnation(subscription), token, ...end]];
    }),
    quota: { deferred: deferredBytesMax, all: bytesMax, steps: quotaStepsMax },
  });
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
