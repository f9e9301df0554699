/**
 * Directed events: events that are appended to the log again, for one subscription alone. What is replayed, resent, or
 * redriven to another subscription goes the way of any event from there on. Its direction stands in the frame, so that it
 * survives being deferred and given up.
 */
import { directedVersion, Event } from './event.js';
import type { Incarnation } from './names.js';
import { type Direction, messageId, type Original, type Place } from './place.js';

/** The event with this direction, in place of one that it may have. Copies the frame. */
export function directed({ frame }: Event, direction: Direction): Event {
  const bare =
    frame[0] === directedVersion
      ? frame.subarray(0, frame.length - 4 - frame.readUInt32LE(frame.length - 4))
      : frame;
  const text = Buffer.from(JSON.stringify(direction));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(text.length);
  const copy = Buffer.concat([bare, text, length]);
  copy[0] = directedVersion;
  return new Event(copy);
}

/** Where an event that now stands at `place` stood first: there, unless it was appended again. */
export function originalOf({ direction }: Event, place: Place, acceptedAt: number): Original {
  return direction?.original ?? { entry: place.entry, index: place.index, acceptedAt };
}

/**
 * The message id of an event that stands at `place` for a subscription: that of its first place, so that what is sent
 * again can be told from what is new.
 */
export function messageIdOf({ direction }: Event, place: Place, subscription: Incarnation): string {
  return messageId({ ...place, ...direction?.original }, subscription);
}
