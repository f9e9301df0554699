/** What scripts answer about deliveries, as the port has it. */
import type { Incarnation } from '@gridpost/model';
import {
  type DeadLetter,
  type LeasedDelivery,
  type QuotaEffect,
  type Usage,
  unpackState,
} from '@gridpost/store';
import { entryOf, placeOf } from './keys.js';

/** Fields of a leased run before its pieces (`scripts/due.ts`). */
const runFields = 7;

/**
 * Adds the deliveries of leased runs to others. What a run's deliveries have in common is read once; their frames are views
 * of its pieces.
 */
export function readLeased(partition: number, fields: readonly Buffer[], deliveries: LeasedDelivery[]): void {
  for (let at = 0; at < fields.length; ) {
    const { entry, acceptedAt } = entryOf(fields[at]!.toString('latin1'));
    const subscription = fields[at + 1]!.toString('latin1');
    const token = fields[at + 2]!.toString('latin1');
    const leaseExpired = fields[at + 3]![0] === leasedKind;
    const state = unpackState(String(fields[at + 4]));
    const indexes = fields[at + 5]!;
    const firsts = fields[at + 6]!;
    at += runFields;
    let next = 0;
    let topic = '';
    for (const first of firsts) {
      const piece = fields[at++]!;
      for (let index = first, cursor = 0; cursor < piece.length && next < indexes.length; index++) {
        const topicEnd = cursor + 1 + piece[cursor]!;
        const end = topicEnd + 4 + piece.readUInt32LE(topicEnd);
        if (index === indexes[next]) {
          next++;
          if (!isTextAt(piece, cursor + 1, topicEnd, topic))
            topic = piece.toString('latin1', cursor + 1, topicEnd);
          deliveries.push({
            place: { partition, entry, index },
            subscription,
            topic,
            acceptedAt,
            token,
            leaseExpired,
            state,
            frame: piece.subarray(topicEnd + 4, end),
          });
        }
        cursor = end;
      }
    }
  }
}

/** Nearly every event is of the topic of the one before it. */
function isTextAt(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

const leasedKind = 'l'.charCodeAt(0);

export function deadLetterOf(
  partition: number,
  subscription: Incarnation,
  fields: readonly Buffer[],
  at: number,
): DeadLetter {
  const { acceptedAt, ...place } = placeOf(fields[at]!.toString('latin1'));
  const [deadLetteredAt, reason] = fields[at + 1]!.toString('latin1').split(' ');
  const payload = fields[at + 3]!;
  const topicEnd = 1 + payload[0]!;
  return {
    place: { partition, ...place },
    subscription,
    topic: payload.toString('latin1', 1, topicEnd),
    acceptedAt,
    deadLetteredAt: Number(deadLetteredAt),
    reason: reason as DeadLetter['reason'],
    state: unpackState(String(fields[at + 2])),
    frame: payload.subarray(topicEnd + 4),
  };
}

export function usageOf(fields: readonly (Buffer | number | null)[], at: number): Usage {
  const oldest = fields[at + 5];
  return {
    subscription: String(fields[at]),
    deferred: Number(fields[at + 1]),
    deferredBytes: Number(fields[at + 2]),
    deadLettered: Number(fields[at + 3]),
    deadLetteredBytes: Number(fields[at + 4]),
    oldestAcceptedAt: oldest ? entryOf(String(oldest)).acceptedAt : undefined,
  };
}

export function quotaEffectsOf(effects: readonly (Buffer | number)[]): QuotaEffect[] {
  const quotaEffects: QuotaEffect[] = [];
  for (let i = 0; i < effects.length; i += 3) {
    quotaEffects.push({
      subscription: String(effects[i]),
      deadLettered: effects[i + 1] as number,
      dropped: effects[i + 2] as number,
    });
  }
  return quotaEffects;
}
