/**
 * The attempt log: blocks as they came, by kind and in order. What blocks there are is also in memory, as instant, number
 * and size: so a settle that lets go of the oldest needs to read nothing, and can be a blind step.
 */
import type { Clock } from '@gridpost/model';
import {
  type AttemptBlock,
  type AttemptKind,
  type AttemptPage,
  type AttemptUsage,
  attemptBytesKept,
  attemptKinds,
  attemptShedMax,
  chargedBlockBytes,
  readBlockId,
  type StoredAttemptBlock,
} from '@gridpost/store';
import type { Mirror } from './commits.js';
import { attemptKey, attemptKindKey, metaKey, readAttemptKey, type Table, type Tables } from './layout.js';
import { Pieces } from './pieces.js';
import type { Space } from './space.js';

interface Block {
  readonly at: number;
  readonly number: number;
  readonly bytes: number;
}

interface Shed {
  readonly shed: number;
  readonly heldFrom?: number;
}

export interface AttemptsOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly space: Space;
  /** In charged bytes. */
  readonly quota: number;
}

export class Attempts implements Mirror {
  readonly #clock: Clock;
  readonly #space: Space;
  readonly #quota: number;
  readonly #meta: Table;
  readonly #pieces: Pieces;
  readonly #kinds: Readonly<Record<AttemptKind, Kind>>;
  #at = 0;
  #number = 0;

  constructor({ tables, clock, space, quota }: AttemptsOptions) {
    this.#clock = clock;
    this.#space = space;
    this.#quota = quota;
    this.#meta = tables.meta;
    this.#pieces = new Pieces(tables, 'attempts');
    const stored = tables.meta.get(metaKey.attempts);
    const shed = stored ? (JSON.parse(stored.toString()) as Record<AttemptKind, Shed>) : undefined;
    const load = (kind: AttemptKind): Kind => {
      const blocks = this.#stored(kind);
      const newest = blocks.at(-1);
      this.#at = Math.max(this.#at, newest?.at ?? 0);
      this.#number = Math.max(this.#number, newest?.number ?? 0);
      return new Kind(blocks, shed?.[kind] ?? { shed: 0 });
    };
    this.#kinds = { failures: load('failures'), successes: load('successes') };
  }

  /** In a commit, which may be blind: appends, and lets go of what is too much. */
  append(attempts: readonly AttemptBlock[]): void {
    for (const { kind, block } of attempts) {
      this.#at = Math.max(this.#at, this.#clock.now());
      const written = { at: this.#at, number: ++this.#number, bytes: block.length };
      this.#pieces.put(keyOf(kind, written), block);
      this.#space.add(block.length);
      this.#kinds[kind].push(written);
    }
    this.#trim();
  }

  /** Throws a `RangeError` for a position that is none. */
  page(kind: AttemptKind, before: string | undefined, bytesMax: number): AttemptPage {
    const start = before === undefined ? attemptKindKey(kind, 1) : attemptKey(kind, ...readBlockId(before));
    const blocks: StoredAttemptBlock[] = [];
    let bytes = 0;
    // Backwards a range begins at its upper end. Without the size a key stands before that of its block.
    for (const { key, value } of this.#pieces.heads.getRange({
      start,
      end: attemptKindKey(kind),
      reverse: true,
    })) {
      const { at, number, bytes: size } = readAttemptKey(key);
      bytes += size;
      if (blocks.length && bytes > bytesMax) return { blocks, more: true };
      blocks.push({ id: `${at}-${number}`, block: this.#pieces.complete(key, value) });
    }
    return { blocks, more: false };
  }

  usage(): Record<AttemptKind, AttemptUsage> {
    return { failures: this.#kinds.failures.usage(), successes: this.#kinds.successes.usage() };
  }

  committed(): void {
    for (const kind of attemptKinds) this.#kinds[kind].committed();
  }

  undone(): void {
    for (const kind of attemptKinds) this.#kinds[kind].undone();
  }

  #trim(): void {
    const { failures, successes } = this.#kinds;
    if (failures.bytes + successes.bytes <= this.#quota) return;
    const kept = attemptBytesKept(this.#quota);
    for (let left = attemptShedMax; left > 0 && failures.bytes + successes.bytes > kept; left--) {
      const kind = successes.oldest ? 'successes' : 'failures';
      const block = this.#kinds[kind].shift();
      this.#pieces.removeKnown(keyOf(kind, block), block.bytes);
    }
    const shed = { failures: failures.shed, successes: successes.shed };
    this.#meta.put(metaKey.attempts, Buffer.from(JSON.stringify(shed)));
  }

  #stored(kind: AttemptKind): Block[] {
    const range = { start: attemptKindKey(kind), end: attemptKindKey(kind, 1) };
    return Array.from(this.#pieces.heads.getKeys(range), readAttemptKey);
  }
}

const keyOf = (kind: AttemptKind, { at, number, bytes }: Block): Buffer =>
  attemptKey(kind, at, number, bytes);

/** The blocks of one kind, as the commit under way leaves them, and as the last one did. */
class Kind {
  readonly #blocks: Block[];
  /** Where the oldest stands: those before it are gone. */
  #first = 0;
  bytes = 0;
  shed: Shed;
  #committed: {
    readonly first: number;
    readonly length: number;
    readonly bytes: number;
    readonly shed: Shed;
  };

  constructor(blocks: Block[], shed: Shed) {
    this.#blocks = blocks;
    this.shed = shed;
    for (const { bytes } of blocks) this.bytes += chargedBlockBytes(bytes);
    this.#committed = { first: 0, length: blocks.length, bytes: this.bytes, shed };
  }

  get oldest(): Block | undefined {
    return this.#blocks[this.#first];
  }

  push(block: Block): void {
    this.#blocks.push(block);
    this.bytes += chargedBlockBytes(block.bytes);
  }

  /** There must be one. */
  shift(): Block {
    const block = this.#blocks[this.#first++]!;
    this.bytes -= chargedBlockBytes(block.bytes);
    this.shed = { shed: this.shed.shed + 1, heldFrom: block.at + 1 };
    return block;
  }

  usage(): AttemptUsage {
    const { bytes, shed } = this.#committed;
    return { bytes, shed: shed.shed, heldFrom: shed.heldFrom };
  }

  committed(): void {
    if (this.#first > 1_024 && 2 * this.#first > this.#blocks.length) {
      this.#blocks.splice(0, this.#first);
      this.#first = 0;
    }
    this.#committed = {
      first: this.#first,
      length: this.#blocks.length,
      bytes: this.bytes,
      shed: this.shed,
    };
  }

  undone(): void {
    const { first, length, bytes, shed } = this.#committed;
    this.#blocks.length = length;
    this.#first = first;
    this.bytes = bytes;
    this.shed = shed;
  }
}
