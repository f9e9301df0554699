/** Bytes that grow as they are written: numbers and texts as a block of records has them (`block-writer.ts`). */
import type { Event } from '@gridpost/model';
import { textMax } from './record.js';

const firstBytes = 32 * 1024;

/** What `write` comes to after checks of its arguments. */
interface Writable extends Buffer {
  utf8Write(text: string, at: number): number;
}

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(firstBytes) as Writable;
  #length: number;

  /** `headRoom`: bytes at the front that are left for whoever takes the rest. */
  constructor(headRoom: number) {
    this.#length = headRoom;
  }

  get length(): number {
    return this.#length;
  }

  /** To be called before what takes so many bytes at most is written. */
  makeRoom(bytes: number): void {
    if (this.#bytes.length - this.#length >= bytes) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length) as Writable;
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#bytes[this.#length++] = value;
  }

  varint(value: number): void {
    if (value >= 0 && value < 64) {
      this.#bytes[this.#length++] = 2 * value;
      return;
    }
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Cut at `textMax`. */
  text(text: string): void {
    const kept = text.length <= textMax ? text : text.slice(0, textMax);
    // Nearly every text is so short that its length is one byte: it is measured by being written.
    const bytes = kept.length < 64 ? this.#bytes.utf8Write(kept, this.#length + 1) : 64;
    if (bytes < 64) {
      this.#bytes[this.#length] = 2 * bytes;
      this.#length += 1 + bytes;
      return;
    }
    this.varint(Buffer.byteLength(kept));
    this.#length += this.#bytes.utf8Write(kept, this.#length);
  }

  /** As `text` of it. */
  idOf(event: Event): void {
    // One byte of length. No character has fewer bytes than UTF-16 code units, so that there is nothing to cut.
    const bytes = event.copyId(this.#bytes, this.#length + 1, 63);
    if (bytes > 63) {
      this.text(event.id);
      return;
    }
    this.#bytes[this.#length] = 2 * bytes;
    this.#length += 1 + bytes;
  }

  /** What `text` has in common with `before`, as a byte of how much, and the rest behind one of its length; latin1. */
  suffix(text: string, before: string): void {
    // Not read past its end: engines give up fast access for good where that happens.
    const most = Math.min(text.length, before.length);
    let shared = text === before ? most : 0;
    while (shared < most && text.charCodeAt(shared) === before.charCodeAt(shared)) shared++;
    this.byte(shared);
    this.byte(text.length - shared);
    for (let i = shared; i < text.length; i++) this.byte(text.charCodeAt(i));
  }

  /** A copy of all, after which the next begins behind the head room. */
  take(headRoom: number): Buffer {
    const taken = Buffer.allocUnsafe(this.#length);
    this.#bytes.copy(taken, 0, 0, this.#length);
    this.#length = headRoom;
    return taken;
  }
}
