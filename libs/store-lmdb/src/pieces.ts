/**
 * Values of any size, cut into pieces that fill one page each: the first stands in the value's own table, the others in
 * `rest`. LMDB puts a larger value into adjacent free pages; in a queue, whose values come and go in all sizes, such
 * runs become rare, the search for them long, and the file grows although most of it is free. Single pages always fit.
 *
 * The last piece is shorter than a full one, empty if need be, which is how a reader knows it.
 */
import type { Table, Tables } from './layout.js';

export const pageBytes = 4_096;
/** A page less the header of an overflow page of lmdb 3. */
export const pieceBytes = pageBytes - 24;

/** A table whose values may have more than one piece. The tag tells its keys apart in `rest`. */
export class Pieces {
  readonly heads: Table;
  readonly #rest: Table;
  readonly #tag: number;

  constructor(tables: Tables, name: 'log' | 'payloads' | 'history' | 'attempts') {
    this.heads = tables[name];
    this.#rest = tables.rest;
    this.#tag = name.charCodeAt(0);
  }

  put(key: Buffer, value: Buffer): void {
    if (value.length < pieceBytes) {
      this.heads.put(key, value);
      return;
    }
    this.heads.put(key, value.subarray(0, pieceBytes));
    for (let piece = 1, at = pieceBytes; at <= value.length; piece++, at += pieceBytes) {
      this.#rest.put(this.#restKey(key, piece), value.subarray(at, at + pieceBytes));
    }
  }

  get(key: Buffer): Buffer | undefined {
    const head = this.heads.get(key);
    return head && this.complete(key, head);
  }

  /** The whole value whose head has been read already. */
  complete(key: Buffer, head: Buffer): Buffer {
    if (head.length < pieceBytes) return head;
    const parts = [head];
    for (let piece = 1; parts.at(-1)!.length === pieceBytes; piece++) {
      const part = this.#rest.get(this.#restKey(key, piece));
      if (!part) throw new Error(`piece ${piece} of ${key.toString('hex')} is missing`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  /** Removes a value of known size without looking at it, as blind steps must. */
  removeKnown(key: Buffer, bytes: number): void {
    this.heads.remove(key);
    for (let piece = 1; piece * pieceBytes <= bytes; piece++) this.#rest.remove(this.#restKey(key, piece));
  }

  /** Removes a value; false if there is none. Only inside a transaction. */
  remove(key: Buffer): boolean {
    if (!this.heads.removeSync(key)) return false;
    for (let piece = 1; this.#rest.removeSync(this.#restKey(key, piece)); piece++);
    return true;
  }

  #restKey(key: Buffer, piece: number): Buffer {
    const rest = Buffer.allocUnsafe(key.length + 3);
    rest[0] = this.#tag;
    key.copy(rest, 1);
    rest.writeUInt16BE(piece, key.length + 1);
    return rest;
  }
}
