/**
 * Records packed into blocks as they are made, so that until the block is written nothing is kept of deliveries but the last
 * one's event.
 *
 *     u8 version (2), u8 flags (1: some record has no event), u48 instant of the first record
 *
 *     then per record:
 *     u8      kind of ending (bits 0–2), attempt (8), event (16), status (32), error (64), more (128); or 7 alone: as the
 *             record before but for index and id, as the events of a batch are; follow varint index, since that before, text id
 *     more    u8: job (1), copy (2), its job (4), its original (8)
 *     varint  instant, since that of the record before
 *     entry   u8 characters shared with the entry before, u8 others, those (latin1)
 *     varint  index
 *     ref     subscription: topic's incarnation, own incarnation, topic, name
 *     varint  acceptance, back from the instant
 *     event   ref source, text id
 *     attempt varint number, varint duration, ref outcome, varint status, text error
 *     ending  deferred, leased: varint until, since the instant; ref reason. sentOn: ref reason, text target. Otherwise:
 *             ref reason. Empty texts stand for absent ones
 *     job     ref
 *     copy    ref cause, ref job, original: text entry, varint index, varint acceptance, back from the instant
 *
 * Little-endian. A varint has seven bits a byte, lowest first, and the sign in its lowest bit. A text is its length as a
 * varint and its bytes in UTF-8. A ref is the number of a text, or of a subscription, that occurred before in the block, as
 * a varint; the next free number is followed by what it stands for from then on. Ids stand as they are, once for each record, so that a
 * block can be searched for one without reading it.
 */
import type { Direction, Event, Subscription } from '@gridpost/model';
import { type Ending, type RecordedAttempt, type RecordedPlace, textMax } from './record.js';

/** Bytes from which on a block is closed. */
export const blockBytesMax = 256 * 1024;
/** What a record takes at most: eleven texts of three bytes a character, and numbers. */
const recordBytesMax = 11 * 3 * textMax + 256;
const firstBytes = 32 * 1024;

export const blockVersion = 2;
export const headerBytes = 8;
export const hasNameless = 1;
export const kinds = ['delivered', 'deferred', 'leased', 'deadLettered', 'dropped', 'sentOn'] as const;
/** Stands for a record that is as the one before. */
export const again = 7;
export const bits = { attempt: 8, event: 16, status: 32, error: 64, more: 128 } as const;
export const moreBits = { job: 1, copy: 2, copyJob: 4, original: 8 } as const;

/** What `write` comes to after checks of its arguments. */
interface Writable extends Buffer {
  utf8Write(text: string, at: number): number;
}

type Recorded = Pick<Subscription, 'topicIncarnation' | 'incarnation' | 'topic' | 'name'>;

export class BlockWriter {
  #bytes = Buffer.allocUnsafe(firstBytes) as Writable;
  #cursor = headerBytes;
  #count = 0;
  #flags = 0;
  #first = 0;
  #at = 0;
  #entry = '';
  #event: Event | undefined;
  #sourceNumber = 0;
  #subscription: Recorded | undefined;
  #subscriptionNumber = 0;
  #acceptedAt = 0;
  #attempted: RecordedAttempt | undefined;
  /** Undefined also after a record that had more: none is as that. */
  #ended: Ending | undefined;
  readonly #texts = new Map<string, number>();
  readonly #subscriptions = new Map<string, number>();

  /** Records in the block. */
  get count(): number {
    return this.#count;
  }

  /** Whether the block is to be taken before another record is added. */
  get full(): boolean {
    return this.#cursor >= blockBytesMax;
  }

  /**
   * Instants are rounded to milliseconds. Without an event the record can be found by its place alone. `job`: whose it is.
   * What records that follow each other have in common is written once if `subscription`, `ending` and `attempt` are the same
   * objects.
   */
  add(
    place: RecordedPlace,
    event: Event | undefined,
    subscription: Recorded,
    at: number,
    ending: Ending,
    attempt?: RecordedAttempt,
    job?: string,
  ): void {
    this.#makeRoom();
    const instant = Math.round(at);
    const copy = event?.direction;
    const more = copy !== undefined || job !== undefined;
    const sourced = event !== undefined && this.#event !== undefined && event.hasSourceOf(this.#event);
    this.#count++;
    if (
      sourced &&
      !more &&
      attempt === this.#attempted &&
      ending === this.#ended &&
      subscription === this.#subscription &&
      instant === this.#at &&
      place.acceptedAt === this.#acceptedAt &&
      place.entry === this.#entry
    ) {
      this.#bytes[this.#cursor++] = again;
      this.#varint(place.index);
      this.#idOf(event);
      return;
    }
    if (this.#count === 1) {
      this.#first = instant;
      this.#at = instant;
    }
    this.#bytes[this.#cursor++] =
      kinds.indexOf(ending.kind) |
      (event === undefined ? 0 : bits.event) |
      (attempt === undefined ? 0 : bits.attempt) |
      (attempt?.status === undefined ? 0 : bits.status) |
      (attempt?.error === undefined ? 0 : bits.error) |
      (more ? bits.more : 0);
    if (more) this.#bytes[this.#cursor++] = moreOf(copy, job);
    this.#varint(instant - this.#at);
    this.#at = instant;
    this.#entryOf(place.entry);
    this.#varint(place.index);
    this.#subscriptionOf(subscription);
    this.#varint(instant - Math.round(place.acceptedAt));
    this.#acceptedAt = place.acceptedAt;
    if (event === undefined) this.#flags |= hasNameless;
    else {
      if (sourced) this.#varint(this.#sourceNumber);
      else this.#sourceNumber = this.#ref(event.source);
      this.#idOf(event);
    }
    this.#event = event;
    if (attempt !== undefined) this.#attempt(attempt);
    this.#attempted = attempt;
    // Nearly every record ends here.
    if (ending.kind !== 'delivered') this.#ending(ending, instant);
    if (more) this.#more(copy, job, instant);
    this.#ended = more ? undefined : ending;
  }

  /** The block so far, as a copy; the writer begins the next. Undefined without records. */
  take(): Buffer | undefined {
    if (this.#count === 0) return undefined;
    const bytes = this.#bytes;
    bytes[0] = blockVersion;
    bytes[1] = this.#flags;
    bytes.writeUIntLE(this.#first, 2, 6);
    const block = Buffer.allocUnsafe(this.#cursor);
    bytes.copy(block, 0, 0, this.#cursor);
    this.#cursor = headerBytes;
    this.#count = 0;
    this.#flags = 0;
    this.#entry = '';
    this.#event = undefined;
    this.#subscription = undefined;
    this.#attempted = undefined;
    this.#ended = undefined;
    this.#texts.clear();
    this.#subscriptions.clear();
    return block;
  }

  #makeRoom(): void {
    if (this.#bytes.length - this.#cursor >= recordBytesMax) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length) as Writable;
    this.#bytes.copy(larger, 0, 0, this.#cursor);
    this.#bytes = larger;
  }

  #attempt({ number, durationMs, outcome, status, error }: RecordedAttempt): void {
    this.#varint(number);
    this.#varint(Math.round(durationMs));
    this.#ref(outcome);
    if (status !== undefined) this.#varint(status);
    if (error !== undefined) this.#text(error);
  }

  #ending(ending: Exclude<Ending, { readonly kind: 'delivered' }>, instant: number): void {
    if (ending.kind === 'deferred' || ending.kind === 'leased')
      this.#varint(Math.round(ending.until) - instant);
    this.#ref(ending.reason ?? '');
    if (ending.kind === 'sentOn') this.#text(ending.target ?? '');
  }

  #more(copy: Direction | undefined, job: string | undefined, instant: number): void {
    if (job !== undefined) this.#ref(job);
    if (copy === undefined) return;
    this.#ref(copy.cause);
    if (copy.job !== undefined) this.#ref(copy.job);
    const { original } = copy;
    if (original === undefined) return;
    this.#text(original.entry);
    this.#varint(original.index);
    this.#varint(instant - Math.round(original.acceptedAt));
  }

  #entryOf(entry: string): void {
    const before = this.#entry;
    // Not read past its end: engines give up fast access for good where that happens.
    const most = Math.min(entry.length, before.length);
    let shared = entry === before ? most : 0;
    while (shared < most && entry.charCodeAt(shared) === before.charCodeAt(shared)) shared++;
    this.#bytes[this.#cursor++] = shared;
    this.#bytes[this.#cursor++] = entry.length - shared;
    for (let i = shared; i < entry.length; i++) this.#bytes[this.#cursor++] = entry.charCodeAt(i);
    this.#entry = entry;
  }

  #subscriptionOf(subscription: Recorded): void {
    if (subscription === this.#subscription) {
      this.#varint(this.#subscriptionNumber);
      return;
    }
    const { topicIncarnation, incarnation, topic, name } = subscription;
    const known = this.#subscriptions.get(incarnation);
    this.#subscription = subscription;
    this.#subscriptionNumber = known ?? this.#subscriptions.size;
    this.#varint(this.#subscriptionNumber);
    if (known !== undefined) return;
    this.#subscriptions.set(incarnation, this.#subscriptions.size);
    this.#text(topicIncarnation);
    this.#text(incarnation);
    this.#text(topic);
    this.#text(name);
  }

  /** Returns the text's number. */
  #ref(text: string): number {
    const known = this.#texts.get(text);
    const number = known ?? this.#texts.size;
    this.#varint(number);
    if (known === undefined) {
      this.#texts.set(text, number);
      this.#text(text);
    }
    return number;
  }

  #idOf(event: Event): void {
    // One byte of length. No character has fewer bytes than UTF-16 code units, so that there is nothing to cut.
    const bytes = event.copyId(this.#bytes, this.#cursor + 1, 63);
    if (bytes > 63) {
      this.#text(event.id);
      return;
    }
    this.#bytes[this.#cursor] = 2 * bytes;
    this.#cursor += 1 + bytes;
  }

  #text(text: string): void {
    const kept = text.length <= textMax ? text : text.slice(0, textMax);
    // Nearly every text is so short that its length is one byte: it is measured by being written.
    const bytes = kept.length < 64 ? this.#bytes.utf8Write(kept, this.#cursor + 1) : 64;
    if (bytes < 64) {
      this.#bytes[this.#cursor] = 2 * bytes;
      this.#cursor += 1 + bytes;
      return;
    }
    this.#varint(Buffer.byteLength(kept));
    this.#cursor += this.#bytes.utf8Write(kept, this.#cursor);
  }

  #varint(value: number): void {
    if (value >= 0 && value < 64) {
      this.#bytes[this.#cursor++] = 2 * value;
      return;
    }
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    while (rest >= 128) {
      this.#bytes[this.#cursor++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#cursor++] = rest;
  }
}

function moreOf(copy: Direction | undefined, job: string | undefined): number {
  return (
    (job === undefined ? 0 : moreBits.job) |
    (copy === undefined ? 0 : moreBits.copy) |
    (copy?.job === undefined ? 0 : moreBits.copyJob) |
    (copy?.original === undefined ? 0 : moreBits.original)
  );
}
