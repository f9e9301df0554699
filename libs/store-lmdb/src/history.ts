/** Histories of topics with retention: what was appended, per topic and entry, in the order of the log. */
import type { Clock, Incarnation } from '@gridpost/model';
import { answerBytesMax, type HistoryOrder, type HistoryPage, type PendingEvent } from '@gridpost/store';
import { after, type Tables, topicKey } from './layout.js';
import { Pieces } from './pieces.js';
import type { Space } from './space.js';

type HistoryEvent = HistoryPage['events'][number];

const acceptedBytes = 6;
const continuation = /^[0-9a-f]{1,12}\.[0-9a-f]{1,2}$/;

export class History {
  readonly #pieces: Pieces;
  readonly #clock: Clock;
  readonly #space: Space;

  constructor(tables: Tables, clock: Clock, space: Space) {
    this.#pieces = new Pieces(tables, 'history');
    this.#clock = clock;
    this.#space = space;
  }

  /** Writes those events of a new entry that are `retained`, by index. Reads nothing. */
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
      let bytes = acceptedBytes;
      for (const index of indexes) bytes += 5 + events[index]!.frame.length;
      const value = Buffer.allocUnsafe(bytes);
      value.writeUIntLE(acceptedAt, 0, 6);
      let cursor = acceptedBytes;
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
    from: string | undefined,
    max: number,
    order: HistoryOrder = 'oldestFirst',
  ): HistoryPage {
    if (from !== undefined && !continuation.test(from)) throw new RangeError(`no page ended at ${from}`);
    const [entry, index] = from === undefined ? [] : from.split('.').map((part) => Number.parseInt(part, 16));
    const prefix = topicKey(topic);
    const reverse = order === 'newestFirst';
    const events: HistoryEvent[] = [];
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
        if (number === entry && (reverse ? at >= index! : at <= index!)) continue;
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
  trim(topic: Incarnation, olderThanMs: number, max: number): number {
    const before = this.#clock.now() - olderThanMs;
    const prefix = topicKey(topic);
    const old: Buffer[] = [];
    const range = { start: prefix, end: after(prefix), limit: max };
    for (const { key, value } of this.#pieces.heads.getRange(range)) {
      if (value.readUIntLE(0, 6) > before) break;
      old.push(key);
    }
    for (const key of old) this.#pieces.remove(key);
    return old.length;
  }

  *#events(entry: number, value: Buffer): Generator<HistoryEvent> {
    const acceptedAt = value.readUIntLE(0, 6);
    const id = entry.toString(16);
    for (let cursor = acceptedBytes; cursor < value.length; ) {
      const start = cursor + 5;
      const end = start + value.readUInt32LE(cursor + 1);
      const place = { partition: 0, entry: id, index: value[cursor]! };
      yield { place, acceptedAt, frame: value.subarray(start, end) };
      cursor = end;
    }
  }
}
