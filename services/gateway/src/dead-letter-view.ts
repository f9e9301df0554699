/** A dead letter as it is shown, and the id under which it can be asked for again. */
import { encodeDelivery } from '@gridpost/codec';
import { Event, originalOf, type Place } from '@gridpost/model';
import type { DeadLetter } from '@gridpost/store';

/** Partition, entry (`EntryId`'s alphabet) and index, all within what a store can have given out. */
const placeShape = /^(\d{1,6})\.([0-9a-f-]{1,32})\.(\d{1,4})$/;

/** Opaque to clients, and safe in URLs. The same for the dead letter's whole life. */
export function deadLetterId({ partition, entry, index }: Place): string {
  return Buffer.from(`${partition}.${entry}.${index}`).toString('base64url');
}

/** The place an id stands for; undefined if it is none of ours. */
export function placeOf(id: string, partitions: number): Place | undefined {
  const shape = placeShape.exec(Buffer.from(id, 'base64url').toString('latin1'));
  if (!shape) return undefined;
  const [, partition, entry, index] = shape as unknown as [string, string, string, string];
  const place = { partition: Number(partition), entry, index: Number(index) };
  return place.partition < partitions && deadLetterId(place) === id ? place : undefined;
}

/**
 * One item of the list as JSON. An event that was published as JSON stands in it byte for byte, which is why the item
 * is put together from bytes.
 */
export function deadLetterItem(letter: DeadLetter): Buffer {
  const { place, reason, state, deadLetteredAt, frame } = letter;
  const event = new Event(frame);
  const { acceptedAt } = originalOf(event, place, letter.acceptedAt);
  const replay = event.direction?.job;
  const { attempts, lastAttemptAt, lastOutcome, lastStatus, lastError } = state;
  const about = JSON.stringify({
    deadLetterReason: reason,
    attempts,
    ...(lastOutcome === undefined
      ? {}
      : { lastOutcome: { outcome: lastOutcome, status: lastStatus, error: lastError } }),
    acceptedAt: instant(acceptedAt),
    ...(lastAttemptAt === undefined ? {} : { lastAttemptAt: instant(lastAttemptAt) }),
    deadLetteredAt: instant(deadLetteredAt),
    ...(replay === undefined ? {} : { replay }),
  });
  return Buffer.concat([
    Buffer.from(`{"id":"${deadLetterId(place)}","event":`),
    encodeDelivery(event, 'structured').body!,
    Buffer.from(`,${about.slice(1)}`),
  ]);
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
