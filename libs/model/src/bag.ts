/**
 * Objects that come and go by the thousand each second, in no order. A `Set` does the same at several times the cost in
 * garbage: V8 replaces its table after so many deletions, each old table keeps pointing to its successor and to what it
 * held, and a collection of young objects cannot see that the whole chain is dead once one of them has become old.
 */

/** What an element keeps for the bag that it is in: one at a time. */
export interface InBag {
  /** The bag's own; -1 outside of one. */
  bagIndex: number;
}

export class Bag<T extends InBag> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The element must not be in a bag. */
  add(item: T): void {
    item.bagIndex = this.#items.length;
    this.#items.push(item);
  }

  /** False if it is in none. */
  delete(item: T): boolean {
    const at = item.bagIndex;
    if (at === -1) return false;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[at] = last;
      last.bagIndex = at;
    }
    item.bagIndex = -1;
    return true;
  }

  /** Goes over what is in it now, whatever is added or deleted meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#items.slice()[Symbol.iterator]();
  }
}
