/**
 * The events of open deliveries and dead letters, in chunks: neighbouring events of one entry that fill a page together,
 * or one larger event. A chunk goes when no delivery uses any of its events any more, so that an event that is held keeps
 * no more than its page. How many users each chunk has stands in one list for the whole entry, so that what a batch
 * releases is counted once.
 *
 * In a transaction the lists are changed in memory, and written when it ends.
 */
import type { PendingEvent } from '@gridpost/store';
import type { Mirror } from './commits.js';
import { entryKey, placeKey, type Tables } from './layout.js';
import { pieceBytes, Pieces } from './pieces.js';
import { type ChunkRecord, packChunks, unpackChunks } from './records.js';
import type { Space } from './space.js';

/** Before each event: its index, the length of its topic, the length of its frame. */
const eventHead = 6;

export class Payloads implements Mirror {
  readonly #pieces: Pieces;
  readonly #space: Space;
  /** Of the entries whose users the transaction has changed. */
  readonly #changed = new Map<number, ChunkRecord[]>();
  /** What a chunk is packed into, if it fits: within a transaction LMDB has copied it when `put` returns. */
  readonly #page = Buffer.allocUnsafeSlow(pieceBytes);

  constructor(tables: Tables, space: Space) {
    this.#pieces = new Pieces(tables, 'payloads');
    this.#space = space;
  }

  /** In a transaction. Keeps events of an entry that has left the log; `users` says of how many deliveries each. */
  keep(entry: number, events: ReadonlyMap<number, PendingEvent>, users: ReadonlyMap<number, number>): void {
    const chunks: ChunkRecord[] = [];
    let chunk: number[] = [];
    let bytes = 0;
    let topicBefore = '';
    const end = () => {
      let count = 0;
      for (const index of chunk) count += users.get(index)!;
      const last = chunk.at(-1)!;
      const packed = bytes < pieceBytes ? this.#page.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
      packEvents(chunk, events, packed);
      this.#pieces.put(placeKey(entry, last), packed);
      this.#space.add(bytes);
      chunks.push({ last, bytes, users: count });
    };
    for (const index of [...users.keys()].sort((a, b) => a - b)) {
      const event = events.get(index);
      if (!event) throw new RangeError(`the settled entry does not bring its event ${index}`);
      const { topic, frame } = event;
      const alone = eventHead + topic.length + frame.length;
      const behind = topic === topicBefore ? alone - topic.length : alone;
      if (chunk.length && bytes + behind >= pieceBytes) {
        end();
        chunk = [];
        bytes = 0;
      }
      bytes += chunk.length ? behind : alone;
      chunk.push(index);
      topicBefore = topic;
    }
    if (chunk.length) end();
    this.#changed.set(entry, chunks);
  }

  /** In a transaction. The event loses a user. */
  release(entry: number, index: number): void {
    let chunks = this.#changed.get(entry);
    if (!chunks) this.#changed.set(entry, (chunks = this.#chunksOf(entry)));
    chunkOf(chunks, entry, index).users--;
  }

  /** The events, in the order of their indexes here. */
  read(entry: number, indexes: readonly number[]): PendingEvent[] {
    const chunks = this.#changed.get(entry) ?? this.#chunksOf(entry);
    const found: PendingEvent[] = [];
    const events: PendingEvent[] = [];
    for (const index of indexes) {
      if (!found[index]) {
        const chunk = this.#pieces.get(placeKey(entry, chunkOf(chunks, entry, index).last));
        if (chunk) unpackEvents(chunk, found);
        if (!found[index]) throw missing(entry, index);
      }
      events.push(found[index]);
    }
    return events;
  }

  write(): void {
    const { heads } = this.#pieces;
    for (const [entry, chunks] of this.#changed) {
      const used = chunks.filter(({ users }) => users > 0);
      for (const { users, last, bytes } of chunks) {
        if (users === 0) this.#pieces.removeKnown(placeKey(entry, last), bytes);
      }
      if (used.length) heads.put(entryKey(entry), packChunks(used));
      else heads.remove(entryKey(entry));
    }
    this.#changed.clear();
  }

  undone(): void {
    this.#changed.clear();
  }

  #chunksOf(entry: number): ChunkRecord[] {
    const stored = this.#pieces.heads.get(entryKey(entry));
    return stored ? unpackChunks(stored) : [];
  }
}

/** Of those that are there, the first that does not end before the event. */
function chunkOf(chunks: readonly ChunkRecord[], entry: number, index: number): ChunkRecord {
  for (const chunk of chunks) if (chunk.last >= index) return chunk;
  throw missing(entry, index);
}

const missing = (entry: number, index: number): Error =>
  new Error(`the payload of event ${index} of entry ${entry.toString(16)} is missing`);

/** A topic that is that of the event before has the length 0. */
function packEvents(
  indexes: readonly number[],
  events: ReadonlyMap<number, PendingEvent>,
  into: Buffer,
): void {
  let cursor = 0;
  let before = '';
  for (const index of indexes) {
    const { topic, frame } = events.get(index)!;
    into[cursor++] = index;
    into[cursor++] = topic === before ? 0 : topic.length;
    if (topic !== before) cursor += into.write(topic, cursor, 'latin1');
    before = topic;
    cursor = into.writeUInt32LE(frame.length, cursor);
    cursor += frame.copy(into, cursor);
  }
}

/** Puts the events of a chunk under their indexes. */
function unpackEvents(packed: Buffer, into: PendingEvent[]): void {
  let topic = '';
  for (let cursor = 0; cursor < packed.length; ) {
    const index = packed[cursor++]!;
    const topicLength = packed[cursor++]!;
    if (topicLength) topic = packed.toString('latin1', cursor, cursor + topicLength);
    cursor += topicLength;
    const length = packed.readUInt32LE(cursor);
    cursor += 4;
    into[index] = { topic, frame: packed.subarray(cursor, cursor + length) };
    cursor += length;
  }
}
