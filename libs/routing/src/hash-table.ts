/**
 * Values by text, number or boolean, for lookups that mostly find nothing: hashes stand together in one small array, so
 * that a miss costs one look into memory that is near. A `Map` looks at the keys themselves, which lie all over the heap:
 * with 100,000 of them a miss in it costs ten times as much.
 *
 * Open addressing with linear probing; at most half full. Texts are hashed one code unit after the other, so that one
 * pass over a text gives the hashes of all its beginnings.
 */
import type { Scalar } from './kinds.js';

/**
 * FNV's offset basis; the state of the empty text. Not random per process: whoever could write filters whose values
 * collide may write filters that have to be tried one by one as well.
 */
export const noText = 0x811c_9dc5 | 0;

/** The state after one more code unit (FNV-1a). */
export function hashUnit(state: number, unit: number): number {
  return Math.imul(state ^ unit, 0x0100_0193);
}

/** The hash of a state: spread over all bits (murmur3's finalizer), and never 0. */
export function hashOf(state: number): number {
  let hash = state;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  hash ^= hash >>> 16;
  return hash === 0 ? 1 : hash;
}

export function hashText(text: string): number {
  let state = noText;
  for (let i = 0; i < text.length; i++) state = hashUnit(state, text.charCodeAt(i));
  return hashOf(state);
}

/** From the last code unit to the first. */
export function hashBackwards(text: string): number {
  let state = noText;
  for (let i = text.length - 1; i >= 0; i--) state = hashUnit(state, text.charCodeAt(i));
  return hashOf(state);
}

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

export function hashScalar(value: Scalar): number {
  if (typeof value === 'string') return hashText(value);
  // Minus zero equals zero.
  double[0] = typeof value === 'boolean' ? Number(value) : value + 0;
  return hashOf(hashUnit(hashUnit(noText, halves[0]!), halves[1]!));
}

const slotsMin = 8;

export class HashTable<K extends Scalar, V> {
  #hashes = new Int32Array(slotsMin);
  /** Of each slot its key and, beside it, where whoever finds the one has the other at hand, its value. */
  #entries: (K | V | undefined)[] = new Array(2 * slotsMin).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(hash: number, key: K): V | undefined {
    const slot = this.#find(hash, key);
    return slot < 0 ? undefined : (this.#entries[2 * slot + 1] as V);
  }

  /** As `get`, where the key is the first so many code units of a text, or the last. */
  getAffix(hash: number, text: string, length: number, atEnd: boolean): V | undefined {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let slot = hash & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      if (hashes[slot] !== hash) continue;
      const key = this.#entries[2 * slot] as string;
      if (key.length === length && (atEnd ? text.endsWith(key) : text.startsWith(key)))
        return this.#entries[2 * slot + 1] as V;
    }
    return undefined;
  }

  /** Adds, or replaces what is there. */
  set(hash: number, key: K, value: V): void {
    const known = this.#find(hash, key);
    if (known >= 0) {
      this.#entries[2 * known + 1] = value;
      return;
    }
    if (++this.#size * 2 > this.#hashes.length) this.#resize(this.#hashes.length * 2);
    this.#put(hash, key, value);
  }

  delete(hash: number, key: K): void {
    let hole = this.#find(hash, key);
    if (hole < 0) return;
    this.#size--;
    // What was put behind its own slot because others stood there moves up, so that no search ends too early.
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let slot = (hole + 1) & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      const home = hashes[slot]! & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      hashes[hole] = hashes[slot]!;
      this.#fill(hole, this.#entries[2 * slot], this.#entries[2 * slot + 1]);
      hole = slot;
    }
    hashes[hole] = 0;
    this.#fill(hole, undefined, undefined);
    if (hashes.length > slotsMin && this.#size * 8 < hashes.length) this.#resize(hashes.length / 2);
  }

  /** The slot of a key, negative if there is none. */
  #find(hash: number, key: K): number {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let slot = hash & mask; hashes[slot] !== 0; slot = (slot + 1) & mask)
      if (hashes[slot] === hash && this.#entries[2 * slot] === key) return slot;
    return -1;
  }

  #put(hash: number, key: K, value: V): void {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    let slot = hash & mask;
    while (hashes[slot] !== 0) slot = (slot + 1) & mask;
    hashes[slot] = hash;
    this.#fill(slot, key, value);
  }

  #fill(slot: number, key: K | V | undefined, value: K | V | undefined): void {
    this.#entries[2 * slot] = key;
    this.#entries[2 * slot + 1] = value;
  }

  #resize(slots: number): void {
    const [hashes, entries] = [this.#hashes, this.#entries];
    this.#hashes = new Int32Array(slots);
    this.#entries = new Array(2 * slots).fill(undefined);
    for (let slot = 0; slot < hashes.length; slot++)
      if (hashes[slot] !== 0) this.#put(hashes[slot]!, entries[2 * slot] as K, entries[2 * slot + 1] as V);
  }
}
