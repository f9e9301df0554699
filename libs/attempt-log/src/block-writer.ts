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
import { ByteWriter } from './byte-writer.js';
import { type Ending, type RecordedAttempt, type RecordedPlace, textMax } from './record.js';

/** Bytes from which on a block is closed. */
export const blockBytesMax = 256 * 1024;
/** What a record takes at most: eleven texts of three bytes a character, and numbers. */
const recordBytesMax = 11 * 3 * textMax + 256;

export const blockVersion = 2;
export const headerBytes = 8;
export const hasNameless = 1;
export const kinds = ['delivered', 'deferred', 'leased', 'deadLettered', 'dropped', 'sentOn'] as const;
/** Stands for a record that is as the one before. */
export const again = 7;
export const bits = { attempt: 8, event: 16, status: 32, error: 64, more: 128 } as const;
export const moreBits = { job: 1, copy: 2, copyJob: 4, original: 8 } as const;

type Recorded = Pick<Subscription, 'topicIncarnation' | 'incarnation' | 'topic' | 'name'>;

export class BlockWriter {
  readonly #bytes = new ByteWriter(headerBytes);
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
    return this.#bytes.length >= blockBytesMax;
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
    this.#bytes.makeRoom(recordBytesMax);
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
      this.#bytes.byte(again);
      this.#bytes.varint(place.index);
      this.#bytes.idOf(event);
      return;
    }
    if (this.#count === 1) {
      this.#first = instant;
      this.#at = instant;
    }
    this.#bytes.byte(
      kinds.indexOf(ending.kind) |
        (event === undefined ? 0 : bits.event) |
        (attempt === undefined ? 0 : bits.attempt) |
        (attempt?.status === undefined ? 0 : bits.status) |
        (attempt?.error === undefined ? 0 : bits.error) |
        (more ? bits.more : 0),
    );
    if (more) this.#bytes.byte(moreOf(copy, job));
    this.#bytes.varint(instant - this.#at);
    this.#at = instant;
    this.#bytes.suffix(place.entry, this.#entry);
    this.#entry = place.entry;
    this.#bytes.varint(place.index);
    this.#subscriptionOf(subscription);
    this.#bytes.varint(instant - Math.round(place.acceptedAt));
    this.#acceptedAt = place.acceptedAt;
    if (event === undefined) this.#flags |= hasNameless;
    else {
      if (sourced) this.#bytes.varint(this.#sourceNumber);
      else this.#sourceNumber = this.#ref(event.source);
      this.#bytes.idOf(event);
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
    const block = this.#bytes.take(headerBytes);
    block[0] = blockVersion;
    block[1] = this.#flags;
    block.writeUIntLE(this.#first, 2, 6);
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

  #attempt({ number, durationMs, outcome, status, error }: RecordedAttempt): void {
    this.#bytes.varint(number);
    this.#bytes.varint(Math.round(durationMs));
    this.#ref(outcome);
    if (status !== undefined) this.#bytes.varint(status);
    if (error !== undefined) this.#bytes.text(error);
  }

  #ending(ending: Exclude<Ending, { readonly kind: 'delivered' }>, instant: number): void {
    if (ending.kind === 'deferred' || ending.kind === 'leased')
      this.#bytes.varint(Math.round(ending.until) - instant);
    this.#ref(ending.reason ?? '');
    if (ending.kind === 'sentOn') this.#bytes.text(ending.target ?? '');
  }

  #more(copy: Direction | undefined, job: string | undefined, instant: number): void {
    if (job !== undefined) this.#ref(job);
    if (copy === undefined) return;
    this.#ref(copy.cause);
    if (copy.job !== undefined) this.#ref(copy.job);
    const { original } = copy;
    if (original === undefined) return;
    this.#bytes.text(original.entry);
    this.#bytes.varint(original.index);
    this.#bytes.varint(instant - Math.round(original.acceptedAt));
  }

  #subscriptionOf(subscription: Recorded): void {
    if (subscription === this.#subscription) {
      this.#bytes.varint(this.#subscriptionNumber);
      return;
    }
    const { topicIncarnation, incarnation, topic, name } = subscription;
    const known = this.#subscriptions.get(incarnation);
    this.#subscription = subscription;
    this.#subscriptionNumber = known ?? this.#subscriptions.size;
    this.#bytes.varint(this.#subscriptionNumber);
    if (known !== undefined) return;
    this.#subscriptions.set(incarnation, this.#subscriptions.size);
    this.#bytes.text(topicIncarnation);
    this.#bytes.text(incarnation);
    this.#bytes.text(topic);
    this.#bytes.text(name);
  }

  /** Returns the text's number. */
  #ref(text: string): number {
    const known = this.#texts.get(text);
    const number = known ?? this.#texts.size;
    this.#bytes.varint(number);
    if (known === undefined) {
      this.#texts.set(text, number);
      this.#bytes.text(text);
    }
    return number;
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
