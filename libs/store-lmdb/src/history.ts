/** Histories of topics with retention: what was appended, per topic and entry, in the order of the log. */
import type { Clock, Incarnation } from '@gridpost/model';
import {
  answerBytesMax,
  type HistoryBounds,
  type HistoryOrder,
  type HistoryPage,
  type HistoryStart,
  type PendingEvent,
} from '@gridpost/store';
import { after, type Tables, topicKey } from './layout.js';
import { Pieces } from './pieces.js';
import type { Space } from './space.js';

type HistoryEvent = HistoryPage['events'][number];

/** Instant of acceptance, and how many bytes of frames the history got before this entry: 48 bits each. */
const headBytes = 12;
const continuation = /^[0-9a-f]{1,12}\.[0-9a-f]{1,2}$/;

export class History {
  readonly #pieces: Pieces;
  readonly #clock: Clock;
  readonly #space: Space;
  /**
   * Bytes of frames that each history has ever got, once it has been looked at. What was undone is counted as well, until
   * the entry behind it is the oldest.
   */
  readonly #ends = new Map<Incarnation, number>();

  constructor(tables: Tables, clock: Clock, space: Space) {
    this.#pieces = new Pieces(tables, 'history');
    this.#clock = clock;
    this.#space = space;
  }

  /** Writes those events of a new entry that are `retained`, by index. Reads nothing but a history's end, once. */
  add(
    entry: number,
    acceptedAt: number,
    events: readonly PendingEvent[],
    retained: readonly boolean[],
  ): void {
    const byTopic = new Map<Incarnation, number[]>();
    for (const [index, { topic }] of events.entries()) {
      if (!retained[index]) continue;
      const indexes = byTopic.get(topic);
      if (indexes) indexes.push(index);
      else byTopic.set(topic, [index]);
    }
    for (const [topic, indexes] of byTopic) {
      let frameBytes = 0;
      for (const index of indexes) frameBytes += events[index]!.frame.length;
      const bytes = headBytes + 5 * indexes.length + frameBytes;
      const value = Buffer.allocUnsafe(bytes);
      const end = this.#endOf(topic);
      this.#ends.set(topic, end + frameBytes);
      value.writeUIntLE(acceptedAt, 0, 6);
      value.writeUIntLE(end, 6, 6);
      let cursor = headBytes;
      for (const index of indexes) {
        const { frame } = events[index]!;
        value[cursor] = index;
        value.writeUInt32LE(frame.length, cursor + 1);
        cursor += 5 + frame.copy(value, cursor + 5);
      }
      this.#pieces.put(topicKey(topic, entry), value);
      this.#space.add(bytes);
    }
  }

  /** `next` names the last event given: entry and index, in hexadecimal. */
  page(
    topic: Incarnation,
    from: HistoryStart | undefined,
    max: number,
    order: HistoryOrder = 'oldestFirst',
  ): HistoryPage {
    const prefix = topicKey(topic);
    const reverse = order === 'newestFirst';
    const [entry, index] = this.#startOf(topic, from, reverse);
    const events: HistoryEvent[] = [];
    if (entry === -1) return { events };
    let bytes = 0;
    // Backwards a range begins at its upper end. No entry has a topic's bare prefix as its key.
    const range = reverse
      ? { start: entry === undefined ? after(prefix) : topicKey(topic, entry), end: prefix, reverse }
      : { start: topicKey(topic, entry), end: after(prefix) };
    for (const { key, value: head } of this.#pieces.heads.getRange(range)) {
      const number = key.readUIntBE(prefix.length, 6);
      const inEntry = [...this.#events(number, this.#pieces.complete(key, head))];
      for (const event of reverse ? inEntry.toReversed() : inEntry) {
        const at = event.place.index;
        if (number === entry && index !== undefined && (reverse ? at >= index : at <= index)) continue;
        if (events.length === max || bytes > answerBytesMax) {
          const { place } = events.at(-1)!;
          return { events, next: `${place.entry}.${place.index.toString(16)}` };
        }
        events.push(event);
        bytes += event.frame.length;
      }
    }
    return { events };
  }

  topics(): Incarnation[] {
    const topics: Incarnation[] = [];
    let start: Buffer = Buffer.from([0]);
    for (;;) {
      const [key] = [...this.#pieces.heads.getKeys({ start, limit: 1 })];
      if (!key) return topics;
      const topic = key.toString('latin1', 1, 1 + key[0]!);
      topics.push(topic);
      start = after(topicKey(topic));
    }
  }

  /** In a transaction. Returns how many entries of the topic it removed. */
  trim(topic: Incarnation, bounds: HistoryBounds, max: number): number {
    const { ageMs, bytesMax = Number.POSITIVE_INFINITY } = bounds;
    const before = this.#clock.now() - ageMs;
    const spare = this.#endOf(topic) - bytesMax;
    const prefix = topicKey(topic);
    const old: Buffer[] = [];
    const range = { start: prefix, end: after(prefix), limit: max };
    for (const { key, value } of this.#pieces.heads.getRange(range)) {
      if (value.readUIntLE(0, 6) > before && value.readUIntLE(6, 6) >= spare) break;
      old.push(key);
    }
    for (const key of old) this.#pieces.remove(key);
    return old.length;
  }

  /** The entry that a page begins in, and the index it begins behind, if any. */
  #startOf(
    topic: Incarnation,
    from: HistoryStart | undefined,
    reverse: boolean,
  ): readonly [entry?: number, index?: number] {
    if (from === undefined) return [];
    if (typeof from !== 'string') {
      const { acceptedAt } = from;
      return [
        reverse ? this.#firstAt(topic, Math.floor(acceptedAt) + 1) - 1 : this.#firstAt(topic, acceptedAt),
      ];
    }
    if (!continuation.test(from)) throw new RangeError(`no page ended at ${from}`);
    const [entry, index] = from.split('.') as [string, string];
    return [Number.parseInt(entry, 16), Number.parseInt(index, 16)];
  }

  /** The number of the first entry that was accepted at an instant or later, or one behind the last. */
  #firstAt(topic: Incarnation, acceptedAt: number): number {
    const prefix = topicKey(topic);
    const last = this.#end(topic);
    let low = 0;
    let high = last ? last.key.readUIntBE(prefix.length, 6) + 1 : 0;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const range = { start: topicKey(topic, middle), end: after(prefix), limit: 1 };
      const [found] = [...this.#pieces.heads.getRange(range)];
      if (!found || found.value.readUIntLE(0, 6) >= acceptedAt) high = middle;
      else low = found.key.readUIntBE(prefix.length, 6) + 1;
    }
    return low;
  }

  #endOf(topic: Incarnation): number {
    let end = this.#ends.get(topic);
    if (end === undefined) {
      const last = this.#end(topic);
      end = last ? last.value.readUIntLE(6, 6) : 0;
      if (last)
        for (const { frame } of this.#events(0, this.#pieces.complete(last.key, last.value)))
          end += frame.length;
      this.#ends.set(topic, end);
    }
    return end;
  }

  #end(topic: Incarnation): { readonly key: Buffer; readonly value: Buffer } | undefined {
    const prefix = topicKey(topic);
    const range = { start: after(prefix), end: prefix, reverse: true, limit: 1 };
    return [...this.#pieces.heads.getRange(range)][0];
  }

  *#events(entry: number, value: Buffer): Generator<HistoryEvent> {
    const acceptedAt = value.readUIntLE(0, 6);
    const id = entry.toString(16);
    for (let cursor = headBytes; cursor < value.length; ) {
      const start = cursor + 5;
      const end = start + value.readUInt32LE(cursor + 1);
      const place = { partition: 0, entry: id, index: value[cursor]! };
      yield { place, acceptedAt, frame: value.subarray(start, end) };
      cursor = end;
    }
  }
}
