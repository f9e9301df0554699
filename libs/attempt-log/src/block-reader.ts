/** Reads blocks as `block-writer.ts` packs them. */
import type { DeadLetterReason, DirectionCause, DropReason } from '@gridpost/model';
import { again, bits, blockVersion, hasNameless, headerBytes, kinds, moreBits } from './block-writer.js';
import type {
  AttemptRecord,
  Ending,
  RecordedAttempt,
  RecordedCopy,
  RecordedOutcome,
  RecordedSubscription,
} from './record.js';

/** Whether a record may have a text in it that was passed through `asRecorded`, or an incarnation: far quicker than reading. */
export function mayName(block: Buffer, text: string): boolean {
  return block.includes(text);
}

/** Whether some record says of its event only where it stands. */
export function hasPlacesOnly(block: Buffer): boolean {
  return (block[1]! & hasNameless) !== 0;
}

/** The records of a block, in the order in which they were made. Throws an `Error` for a block of another version. */
export function readBlock(block: Buffer): AttemptRecord[] {
  if (block[0] !== blockVersion) throw new Error(`block of attempts of unknown version ${block[0]}`);
  return new Reader(block).records();
}

class Reader {
  readonly #block: Buffer;
  #cursor = headerBytes;
  #entry = '';
  readonly #texts: string[] = [];
  readonly #subscriptions: RecordedSubscription[] = [];

  constructor(block: Buffer) {
    this.#block = block;
  }

  records(): AttemptRecord[] {
    const records: AttemptRecord[] = [];
    let at = this.#block.readUIntLE(2, 6);
    while (this.#cursor < this.#block.length) {
      const head = this.#block[this.#cursor++]!;
      if (head === again) {
        const before = records.at(-1)!;
        const index = this.#varint();
        records.push({ ...before, index, event: { source: before.event!.source, id: this.#text() } });
        continue;
      }
      const more = head & bits.more ? this.#block[this.#cursor++]! : 0;
      at += this.#varint();
      const entry = this.#entryId();
      const index = this.#varint();
      const subscription = this.#subscription();
      const acceptedAt = at - this.#varint();
      const event = head & bits.event ? { source: this.#ref(), id: this.#text() } : undefined;
      const attempt = head & bits.attempt ? this.#attempt(head) : undefined;
      const ending = this.#ending(kinds[head & 7]!, at);
      const job = more & moreBits.job ? this.#ref() : undefined;
      const copy = more & moreBits.copy ? this.#copy(more, at) : undefined;
      records.push({
        ...{ at, entry, index, acceptedAt, subscription, ending },
        ...(event === undefined ? {} : { event }),
        ...(attempt === undefined ? {} : { attempt }),
        ...(job === undefined ? {} : { job }),
        ...(copy === undefined ? {} : { copy }),
      });
    }
    return records;
  }

  #attempt(head: number): RecordedAttempt {
    const number = this.#varint();
    const durationMs = this.#varint();
    const outcome = this.#ref() as RecordedOutcome;
    return {
      ...{ number, durationMs, outcome },
      ...(head & bits.status ? { status: this.#varint() } : {}),
      ...(head & bits.error ? { error: this.#text() } : {}),
    };
  }

  #ending(kind: Ending['kind'], at: number): Ending {
    switch (kind) {
      case 'delivered':
        return { kind };
      case 'deferred':
        return { kind, until: at + this.#varint(), reason: this.#ref() };
      case 'leased':
        return { kind, until: at + this.#varint(), ...named('reason', this.#ref()) };
      case 'deadLettered':
        return { kind, reason: this.#ref() as DeadLetterReason };
      case 'dropped':
        return { kind, reason: this.#ref() as DropReason | 'Purged' };
      case 'sentOn':
        return {
          ...{ kind, reason: this.#ref() as 'redriven' | 'resent' },
          ...named('target', this.#text()),
        };
    }
  }

  #copy(more: number, at: number): RecordedCopy {
    const cause = this.#ref() as DirectionCause;
    const job = more & moreBits.copyJob ? this.#ref() : undefined;
    const original =
      more & moreBits.original
        ? { entry: this.#text(), index: this.#varint(), acceptedAt: at - this.#varint() }
        : undefined;
    return {
      cause,
      ...(job === undefined ? {} : { job }),
      ...(original === undefined ? {} : { original }),
    };
  }

  #entryId(): string {
    const shared = this.#block[this.#cursor++]!;
    const others = this.#block[this.#cursor++]!;
    if (others > 0)
      this.#entry =
        this.#entry.slice(0, shared) + this.#block.toString('latin1', this.#cursor, (this.#cursor += others));
    else if (shared < this.#entry.length) this.#entry = this.#entry.slice(0, shared);
    return this.#entry;
  }

  #subscription(): RecordedSubscription {
    const number = this.#varint();
    if (number === this.#subscriptions.length)
      this.#subscriptions.push({
        topicIncarnation: this.#text(),
        incarnation: this.#text(),
        topic: this.#text(),
        name: this.#text(),
      });
    return this.#subscriptions[number]!;
  }

  #ref(): string {
    const number = this.#varint();
    if (number === this.#texts.length) this.#texts.push(this.#text());
    return this.#texts[number]!;
  }

  #text(): string {
    const bytes = this.#varint();
    return this.#block.toString('utf8', this.#cursor, (this.#cursor += bytes));
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#block[this.#cursor++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  }
}

/** A member for a text, none for an empty one. */
function named<K extends string>(name: K, text: string): { readonly [N in K]?: string } {
  return text === '' ? {} : ({ [name]: text } as { readonly [N in K]: string });
}
