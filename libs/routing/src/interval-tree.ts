/**
 * Ranges of numbers and what belongs to them, such that the ranges around a point are found without looking at the
 * others: a treap ordered by lower end, each node knowing the highest upper end below it. Adding and removing cost about
 * the logarithm of the number of ranges. Ranges include both ends, which may be infinite.
 */

interface RangeNode<T> {
  readonly low: number;
  readonly high: number;
  readonly value: T;
  /** Random, higher above lower: that is what keeps the tree flat whatever the order of insertions. */
  readonly rank: number;
  left: RangeNode<T> | undefined;
  right: RangeNode<T> | undefined;
  highest: number;
}

export class IntervalTree<T> {
  #root: RangeNode<T> | undefined;
  #state = 1;

  /** The value of exactly this range, undefined if there is none. */
  get(low: number, high: number): T | undefined {
    let node = this.#root;
    while (node) {
      const order = compare(low, high, node);
      if (order === 0) return node.value;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** The range must not be in the tree. */
  add(low: number, high: number, value: T): void {
    const node = { low, high, value, rank: this.#random(), left: undefined, right: undefined, highest: high };
    this.#root = insert(this.#root, node);
  }

  delete(low: number, high: number): void {
    this.#root = remove(this.#root, low, high);
  }

  get empty(): boolean {
    return this.#root === undefined;
  }

  /** Visits what belongs to ranges that the point lies in. */
  visit<A>(point: number, each: (value: T, argument: A) => void, argument: A): void {
    visit(this.#root, point, each, argument);
  }

  /** xorshift32: ranks need be nothing but well spread. */
  #random(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state;
  }
}

function compare<T>(low: number, high: number, node: RangeNode<T>): number {
  if (low !== node.low) return low < node.low ? -1 : 1;
  return high === node.high ? 0 : high < node.high ? -1 : 1;
}

function visit<T, A>(
  from: RangeNode<T> | undefined,
  point: number,
  each: (value: T, argument: A) => void,
  argument: A,
): void {
  let node = from;
  while (node && node.highest >= point) {
    visit(node.left, point, each, argument);
    if (node.low > point) return;
    if (node.high >= point) each(node.value, argument);
    node = node.right;
  }
}

function insert<T>(root: RangeNode<T> | undefined, node: RangeNode<T>): RangeNode<T> {
  if (!root) return node;
  if (node.rank > root.rank) {
    const [left, right] = split(root, node);
    node.left = left;
    node.right = right;
    return refreshed(node);
  }
  if (compare(node.low, node.high, root) < 0) root.left = insert(root.left, node);
  else root.right = insert(root.right, node);
  return refreshed(root);
}

/** What is before the node, and what is after it. */
function split<T>(
  root: RangeNode<T> | undefined,
  node: RangeNode<T>,
): [RangeNode<T> | undefined, RangeNode<T> | undefined] {
  if (!root) return [undefined, undefined];
  if (compare(node.low, node.high, root) < 0) {
    const [left, right] = split(root.left, node);
    root.left = right;
    return [left, refreshed(root)];
  }
  const [left, right] = split(root.right, node);
  root.right = left;
  return [refreshed(root), right];
}

function remove<T>(root: RangeNode<T> | undefined, low: number, high: number): RangeNode<T> | undefined {
  if (!root) return undefined;
  const order = compare(low, high, root);
  if (order === 0) return merge(root.left, root.right);
  if (order < 0) root.left = remove(root.left, low, high);
  else root.right = remove(root.right, low, high);
  return refreshed(root);
}

function merge<T>(left: RangeNode<T> | undefined, right: RangeNode<T> | undefined): RangeNode<T> | undefined {
  if (!left) return right;
  if (!right) return left;
  if (left.rank > right.rank) {
    left.right = merge(left.right, right);
    return refreshed(left);
  }
  right.left = merge(left, right.left);
  return refreshed(right);
}

function refreshed<T>(node: RangeNode<T>): RangeNode<T> {
  let { high } = node;
  if (node.left && node.left.highest > high) high = node.left.highest;
  if (node.right && node.right.highest > high) high = node.right.highest;
  node.highest = high;
  return node;
}
