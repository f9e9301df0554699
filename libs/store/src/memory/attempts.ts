/** The attempt log of one partition of the reference model. */
import type { Clock } from '@gridpost/model';
import { readBlockId } from '../block-id.js';
import { attemptBytesKept, attemptShedMax, chargedBlockBytes } from '../bounds.js';
import type { AttemptBlock, AttemptKind, AttemptPage, AttemptUsage } from '../port.js';

interface Block {
  readonly at: number;
  readonly number: number;
  readonly block: Buffer;
}

export class MemoryAttempts {
  readonly #clock: Clock;
  readonly #quota: number;
  /** Oldest first. */
  readonly #blocks: Record<AttemptKind, Block[]> = { failures: [], successes: [] };
  readonly #usage: Record<AttemptKind, AttemptUsage> = {
    failures: { bytes: 0, shed: 0, heldFrom: undefined },
    successes: { bytes: 0, shed: 0, heldFrom: undefined },
  };
  #last = 0;
  #number = 0;

  /** `quota`: charged bytes. */
  constructor(clock: Clock, quota: number) {
    this.#clock = clock;
    this.#quota = quota;
  }

  get bytesUsed(): number {
    return this.#usage.failures.bytes + this.#usage.successes.bytes;
  }

  append(attempts: readonly AttemptBlock[]): void {
    for (const { kind, block } of attempts) {
      this.#last = Math.max(this.#last, this.#clock.now());
      this.#blocks[kind].push({ at: this.#last, number: ++this.#number, block: Buffer.from(block) });
      this.#charge(kind, chargedBlockBytes(block.length));
    }
  }

  trim(): void {
    if (this.bytesUsed <= this.#quota) return;
    const kept = attemptBytesKept(this.#quota);
    for (let left = attemptShedMax; left > 0 && this.bytesUsed > kept; left--) {
      const kind = this.#blocks.successes.length ? 'successes' : 'failures';
      const { at, block } = this.#blocks[kind].shift()!;
      this.#charge(kind, -chargedBlockBytes(block.length));
      this.#usage[kind] = { ...this.#usage[kind], shed: this.#usage[kind].shed + 1, heldFrom: at + 1 };
    }
  }

  page(kind: AttemptKind, before: string | undefined, bytesMax: number): AttemptPage {
    const [at, number] = before === undefined ? [Number.POSITIVE_INFINITY, 0] : readBlockId(before);
    const older = this.#blocks[kind].filter((one) => one.at < at || (one.at === at && one.number < number));
    const blocks = [];
    let bytes = 0;
    for (const one of older.toReversed()) {
      bytes += one.block.length;
      if (blocks.length && bytes > bytesMax) break;
      blocks.push({ id: `${one.at}-${one.number}`, block: one.block });
    }
    return { blocks, more: blocks.length < older.length };
  }

  usage(): Readonly<Record<AttemptKind, AttemptUsage>> {
    return { ...this.#usage };
  }

  #charge(kind: AttemptKind, bytes: number): void {
    this.#usage[kind] = { ...this.#usage[kind], bytes: this.#usage[kind].bytes + bytes };
  }
}
