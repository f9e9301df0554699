/**
 * The attempt log as one sequence: the blocks of all partitions and both kinds, newest first. Blocks of one instant come by
 * partition and kind, so that a place in the sequence is one instant and what tells its blocks apart.
 *
 * A scan stops when it has read enough for one request, and tells where to go on.
 */
import type { Clock } from '@gridpost/model';
import {
  type AttemptKind,
  attemptKinds,
  readBlockId,
  type Store,
  type StoredAttemptBlock,
} from '@gridpost/store';

export interface ScanLimits {
  /** Bytes of blocks read for one request. */
  readonly bytesMax: number;
  readonly ms: number;
}

/** The next record: a block, by instant, stream and number, and how many of its records, newest first, come before. */
export interface Position {
  readonly at: number;
  readonly stream: number;
  readonly number: number;
  readonly skip: number;
}

export interface ScannedBlock {
  readonly partition: number;
  readonly block: Buffer;
  /** When it was written. */
  readonly at: number;
  /** Of its records, newest first, those that an earlier page had. */
  readonly skip: number;
  /** The place behind so many of its records. */
  after(records: number): Position;
}

/** Bytes of blocks asked for at a time, over all streams. */
const askBytes = 4 * 1024 * 1024;

/** One partition and kind. */
class Stream {
  readonly partition: number;
  readonly kind: AttemptKind;
  before: string | undefined;
  blocks: readonly StoredAttemptBlock[] = [];
  next = 0;
  more = true;

  constructor(partition: number, kind: AttemptKind, before: string | undefined) {
    this.partition = partition;
    this.kind = kind;
    this.before = before;
  }

  get head(): StoredAttemptBlock | undefined {
    return this.blocks[this.next];
  }
}

const isEmpty = (stream: Stream): boolean => !stream.head && stream.more;

export class AttemptScan {
  /** Where to go on when the scan was stopped by its limits; undefined at the end of the log. */
  stoppedAt: Position | undefined;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: ScanLimits;
  readonly #streams: readonly Stream[];
  readonly #from: Position | undefined;

  /** `from`: a place, or the instant at which the newest blocks were written; undefined: the newest there are. */
  constructor(store: Store, clock: Clock, limits: ScanLimits, from: Position | number | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
    this.#from = typeof from === 'number' ? undefined : from;
    this.#streams = Array.from({ length: store.info.partitions }, (_, partition) =>
      attemptKinds.map((kind, at) => {
        const stream = partition * attemptKinds.length + at;
        return new Stream(partition, kind, from === undefined ? undefined : beforeOf(from, stream));
      }),
    ).flat();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ScannedBlock> {
    const until = this.#clock.elapsed() + this.#limits.ms;
    let bytes = 0;
    for (;;) {
      if (this.#streams.some(isEmpty)) await this.#fill();
      const found = this.#newest();
      if (!found) return;
      const { at, number, stream } = found;
      const from = this.#from;
      const resumed = from?.at === at && from.stream === stream && from.number === number;
      const skip = resumed ? from.skip : 0;
      const after = (records: number): Position => ({ at, stream, number, skip: records });
      if (bytes > this.#limits.bytesMax || this.#clock.elapsed() > until) {
        this.stoppedAt = after(skip);
        return;
      }
      const { partition, head } = this.#streams[stream]!;
      const { block } = head!;
      this.#streams[stream]!.next++;
      bytes += block.length;
      yield { partition, block, at, skip, after };
    }
  }

  async #fill(): Promise<void> {
    const bytesMax = Math.ceil(askBytes / this.#streams.length);
    await Promise.all(
      this.#streams.map(async (stream) => {
        if (!isEmpty(stream)) return;
        const { blocks, more } = await this.#store.attempts(
          stream.partition,
          stream.kind,
          stream.before,
          bytesMax,
        );
        Object.assign(stream, { blocks, more, next: 0, before: blocks.at(-1)?.id ?? stream.before });
      }),
    );
    // Publishers get their turn between two steps, also where a store answers at once.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #newest(): { at: number; number: number; stream: number } | undefined {
    let newest: { at: number; number: number; stream: number } | undefined;
    for (const [stream, { head }] of this.#streams.entries()) {
      if (!head) continue;
      const [at, number] = readBlockId(head.id);
      if (!newest || at > newest.at) newest = { at, number, stream };
    }
    return newest;
  }
}

/** What of a stream comes at a place or later: the position before which its blocks are asked for. */
function beforeOf(from: Position | number, stream: number): string {
  if (typeof from === 'number') return `${from + 1}-0`;
  if (stream === from.stream) return `${from.at}-${from.number + 1}`;
  return stream < from.stream ? `${from.at}-0` : `${from.at + 1}-0`;
}

export function positionText({ at, stream, number, skip }: Position): string {
  return `${at}-${number}.${stream}.${skip}`;
}

/** Undoes `positionText`; undefined for other texts. */
export function readPosition(text: string): Position | undefined {
  const shape = /^(\d{1,13})-(\d{1,13})\.(\d{1,6})\.(\d{1,6})$/.exec(text);
  if (!shape) return undefined;
  const [at, number, stream, skip] = shape.slice(1).map(Number) as [number, number, number, number];
  return { at, number, stream, skip };
}
