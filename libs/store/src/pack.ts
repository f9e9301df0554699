/**
 * The log entry as bytes, the same in every adapter, so that a dump of one store can be read by the tools of another.
 *
 *     u8 version (1), u16 events; then per event: u8 topic length, topic (latin1), u32 frame length, frame
 *
 * Little-endian. Frames are `model/event.ts`'s business.
 */
import { limits } from '@gridpost/model';
import type { DeliveryState, PendingEvent } from './port.js';

const packVersion = 1;
const headerBytes = 3;

/** Splits events into the runs that make one entry each: at most 128 events or 256 KiB. Keeps the order. */
export function entriesOf(events: readonly PendingEvent[]): PendingEvent[][] {
  const runs: PendingEvent[][] = [];
  let run: PendingEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = event.frame.length;
    if (run.length && (run.length >= limits.entryEventsMax || bytes + size > limits.entryBytesMax)) {
      runs.push(run);
      run = [];
      bytes = 0;
    }
    run.push(event);
    bytes += size;
  }
  if (run.length) runs.push(run);
  return runs;
}

/** `headRoom` bytes are left at the front for what the adapter stores before the entry. */
export function packEntry(events: readonly PendingEvent[], headRoom = 0): Buffer {
  let size = headRoom + headerBytes;
  for (const { topic, frame } of events) size += 5 + topic.length + frame.length;
  const packed = Buffer.allocUnsafe(size);
  packed[headRoom] = packVersion;
  packed.writeUInt16LE(events.length, headRoom + 1);
  let cursor = headRoom + headerBytes;
  for (const { topic, frame } of events) {
    packed[cursor++] = topic.length;
    cursor += packed.write(topic, cursor, 'latin1');
    packed.writeUInt32LE(frame.length, cursor);
    cursor += 4;
    cursor += frame.copy(packed, cursor);
  }
  return packed;
}

/** One event as it stands in a packed entry, for adapters that put entries together where they are stored. */
export function packEvent({ topic, frame }: PendingEvent): Buffer {
  const packed = Buffer.allocUnsafe(5 + topic.length + frame.length);
  packed[0] = topic.length;
  const at = 1 + packed.write(topic, 1, 'latin1');
  packed.writeUInt32LE(frame.length, at);
  frame.copy(packed, at + 4);
  return packed;
}

/** How many events a packed entry has; its first three bytes suffice. */
export function packedEvents(packed: Buffer): number {
  return packed.readUInt16LE(1);
}

/** The frames are views of `packed`, which must not be written to afterwards. */
export function unpackEntry(packed: Buffer): PendingEvent[] {
  if (packed[0] !== packVersion) throw new Error(`log entry of unknown version ${packed[0]}`);
  const events: PendingEvent[] = [];
  let cursor = headerBytes;
  for (let left = packed.readUInt16LE(1); left > 0; left--) {
    const topicLength = packed[cursor++]!;
    const topic = packed.toString('latin1', cursor, cursor + topicLength);
    cursor += topicLength;
    const length = packed.readUInt32LE(cursor);
    cursor += 4;
    events.push({ topic, frame: packed.subarray(cursor, cursor + length) });
    cursor += length;
  }
  return events;
}

/** Delivery state as stored: compact JSON, read by people who look into a store. */
export function packState(state: DeliveryState): string {
  return JSON.stringify(state);
}

export function unpackState(text: string): DeliveryState {
  return JSON.parse(text) as DeliveryState;
}

/** Whether two states would be packed alike: compared member by member, which costs less. */
export function isSameState(a: DeliveryState, b: DeliveryState): boolean {
  return (
    a === b ||
    (a.attempts === b.attempts &&
      a.liveFrom === b.liveFrom &&
      a.lastAttemptAt === b.lastAttemptAt &&
      a.lastOutcome === b.lastOutcome &&
      a.lastStatus === b.lastStatus &&
      a.lastError === b.lastError)
  );
}
