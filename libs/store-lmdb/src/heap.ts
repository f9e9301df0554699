/** A binary heap of objects that know their place in it, so that one can be moved or taken out in O(log n). */

export interface Heaped {
  /** Smallest first. Changed only together with `place`. */
  order: number;
  /** Position in the heap, -1 outside of it. */
  heapAt: number;
}

export class Heap<T extends Heaped> {
  readonly #items: T[] = [];

  get first(): T | undefined {
    return this.#items[0];
  }

  /** Puts the item in, or moves it, with this order. */
  place(item: T, order: number): void {
    item.order = order;
    if (item.heapAt < 0) {
      item.heapAt = this.#items.length;
      this.#items.push(item);
    }
    this.#down(this.#up(item));
  }

  remove(item: T): void {
    const at = item.heapAt;
    if (at < 0) return;
    item.heapAt = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#set(last, at);
    this.#down(this.#up(last));
  }

  clear(): void {
    for (const item of this.#items.splice(0)) item.heapAt = -1;
  }

  #up(item: T): T {
    let at = item.heapAt;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#items[above]!;
      if (parent.order <= item.order) break;
      this.#set(parent, at);
      at = above;
    }
    this.#set(item, at);
    return item;
  }

  #down(item: T): void {
    let at = item.heapAt;
    for (;;) {
      let below = 2 * at + 1;
      const left = this.#items[below];
      if (!left) break;
      const right = this.#items[below + 1];
      if (right && right.order < left.order) below++;
      const child = this.#items[below]!;
      if (child.order >= item.order) break;
      this.#set(child, at);
      at = below;
    }
    this.#set(item, at);
  }

  #set(item: T, at: number): void {
    this.#items[at] = item;
    item.heapAt = at;
  }
}
