/**
 * The subscriptions of one topic, arranged so that an event meets only those it could match.
 *
 * A tree. A node first holds its subscriptions in a list; when that grows, each one goes on, by the most selective of its
 * filter's necessary conditions, through a gate (`gates.ts`). One that is alone behind its gate sits there; where
 * several come together they get a node. So what many share, such as a type, leads to a node that tells them apart by
 * something else, and data is parsed only where an event has come to a node that asks for it. What has no condition left
 * to be found by stays in its node's list and is tried. What a gate has made sure of is not tried again.
 *
 * A match runs to its end within one turn of the event loop and changes are made in another, so a match never sees half
 * a change and takes no lock. Adding or removing touches the nodes on the way and no others, except that a list that
 * has just become too long is distributed.
 */
import type { Event } from '@gridpost/model';
import { AllClause, type Clause, type Sign, type Way } from './clause.js';
import type { CompiledFilter } from './filter.js';
import { Gate } from './gates.js';

/** Subscriptions that are tried in turn before a node distributes them: as many as cost about what a gate costs. */
const listMax = 8;

interface Row<T> {
  readonly filter: CompiledFilter;
  readonly target: T;
  /** Where it is: in more than one place if its way has several signs. */
  seats: readonly Seat<T>[];
  /** The match in which it was last tried. */
  triedIn: number;
}

type Bucket<T> = Seat<T> | Node<T>;

/** A subscription's place: in the list of a node, or alone behind one of its gates. */
class Seat<T> {
  // What a match looks at stands first, and so in one line of the cache.
  /** The same as the row's, so that a sure match need not look further. */
  readonly target: T;
  /** What the ways that led here have not made sure of: one clause, or several as one. */
  readonly rest: Clause | undefined;
  /** Whether the row may have other seats that the same event comes to. */
  readonly shared: boolean;
  readonly row: Row<T>;
  /** The ways that led here: the others are left to go on by. */
  readonly taken: readonly Way[];
  node: Node<T>;
  /** How it is come by, if it is alone behind a gate of its node. */
  sign: Sign | undefined;

  constructor(row: Row<T>, node: Node<T>, taken: readonly Way[], sign?: Sign) {
    this.target = row.target;
    this.rest = restOf(row.filter.tests, taken);
    this.shared = taken.some(({ signs, exclusive }) => signs.length > 1 && !exclusive);
    this.row = row;
    this.taken = taken;
    this.node = node;
    this.sign = sign;
  }
}

class Node<T> {
  list: Seat<T>[] = [];
  /** Once the list has been distributed. */
  gates: Map<string, Gate<Bucket<T>>> | undefined;
  /** Seats in it and below. */
  count = 0;
  readonly above: Node<T> | undefined;
  readonly sign: Sign | undefined;

  constructor(above?: Node<T>, sign?: Sign) {
    this.above = above;
    this.sign = sign;
  }
}

function restOf(tests: readonly Clause[], taken: readonly Way[]): Clause | undefined {
  const rest = tests.filter((test) => !taken.some(({ proves }) => proves === test));
  return rest.length > 1 ? new AllClause('', rest) : rest[0];
}

export class RoutingIndex<T> {
  readonly #rows = new Map<string, Row<T>>();
  readonly #root = new Node<T>();
  #scanned = 0;
  #match = 0;
  /** Of the match under way, which nothing interrupts. */
  #event: Event | undefined;
  #matched: T[] = [];
  /** Whether everything on the way to where the match is was sure. */
  #sure = true;

  get size(): number {
    return this.#rows.size;
  }

  /** Subscriptions whose filter has clauses and nothing to be found by: each is tried for every event. */
  get scanned(): number {
    return this.#scanned;
  }

  /** Adds a subscription, or replaces the one with the same key. */
  set(key: string, filter: CompiledFilter, target: T): void {
    this.delete(key);
    const row: Row<T> = { filter, target, seats: [], triedIn: 0 };
    this.#rows.set(key, row);
    if (isScanned(filter)) this.#scanned++;
    place(row, this.#root, []);
  }

  delete(key: string): void {
    const row = this.#rows.get(key);
    if (!row) return;
    this.#rows.delete(key);
    if (isScanned(row.filter)) this.#scanned--;
    for (const seat of row.seats) leave(seat);
  }

  /** The targets of all matching subscriptions, in no particular order. */
  match(event: Event): T[] {
    const matched: T[] = [];
    this.#match++;
    this.#event = event;
    this.#matched = matched;
    this.#sure = true;
    try {
      this.#enter(this.#root);
    } finally {
      this.#event = undefined;
    }
    return matched;
  }

  #enter({ list, gates }: Node<T>): void {
    for (let i = 0; i < list.length; i++) this.#try(list[i]!);
    if (gates) for (const gate of gates.values()) gate.visit(this.#event!, this.#visit);
  }

  readonly #visit = (bucket: Bucket<T>, sure: boolean): void => {
    const before = this.#sure;
    this.#sure &&= sure;
    if (bucket instanceof Seat) this.#try(bucket);
    else this.#enter(bucket);
    this.#sure = before;
  };

  #try(seat: Seat<T>): void {
    const sure = this.#sure;
    if (seat.shared || !sure) {
      const { row } = seat;
      if (row.triedIn === this.#match) return;
      row.triedIn = this.#match;
    }
    if (sure ? (seat.rest?.holds(this.#event!) ?? true) : seat.row.filter.holds(this.#event!))
      this.#matched.push(seat.target);
  }
}

const isScanned = ({ ways, tests }: CompiledFilter): boolean => ways.length === 0 && tests.length > 0;

function place<T>(row: Row<T>, node: Node<T>, taken: readonly Way[]): void {
  const way = node.gates === undefined ? undefined : bestWay(row, node, taken);
  if (way) {
    const then = taken.concat(way);
    for (const sign of way.signs) placeBehind(row, node, sign, then);
    return;
  }
  const seat = new Seat(row, node, taken);
  row.seats = row.seats.concat(seat);
  node.list.push(seat);
  count(node, 1);
  if (node.gates === undefined && node.list.length > listMax) distribute(node);
}

/** Places a row behind a gate: alone, or in the node of those that are there. */
function placeBehind<T>(row: Row<T>, node: Node<T>, sign: Sign, taken: readonly Way[]): void {
  const { key } = sign.operand;
  let gate = node.gates!.get(key);
  if (!gate) node.gates!.set(key, (gate = new Gate(sign.operand)));
  const bucket = gate.get(sign);
  if (bucket === undefined) {
    const seat = new Seat(row, node, taken, sign);
    row.seats = row.seats.concat(seat);
    gate.set(sign, seat);
    count(node, 1);
    return;
  }
  if (bucket instanceof Node) {
    place(row, bucket, taken);
    return;
  }
  const below = new Node(node, bucket.sign);
  gate.set(sign, below);
  bucket.node = below;
  bucket.sign = undefined;
  below.list.push(bucket);
  below.count = 1;
  place(row, below, taken);
}

function count<T>(from: Node<T>, change: number): void {
  for (let node: Node<T> | undefined = from; node; node = node.above) node.count += change;
}

function leave<T>(seat: Seat<T>): void {
  const { node, sign } = seat;
  if (sign) detach(node, sign);
  else {
    const { list } = node;
    const last = list.pop()!;
    if (last !== seat) list[list.indexOf(seat)] = last;
  }
  count(node, -1);
  for (let each = node; each.above && each.count === 0; each = each.above) detach(each.above, each.sign!);
}

function detach<T>(node: Node<T>, sign: Sign): void {
  const { key } = sign.operand;
  const gate = node.gates!.get(key)!;
  gate.delete(sign);
  if (gate.empty) node.gates!.delete(key);
}

/** Sends those on that have a way to go. */
function distribute<T>(node: Node<T>): void {
  const seats = node.list;
  node.gates = new Map();
  node.list = [];
  count(node, -seats.length);
  for (const seat of seats) {
    const { row, taken } = seat;
    row.seats = row.seats.filter((each) => each !== seat);
    place(row, node, taken);
  }
}

/** What an event pays for each gate of a node that it comes to, in trials of a filter; more where it looks into the data. */
const gateCost = 1;
const dataGateCost = 4;
/** What a node below costs that tells its subscriptions apart by another way: less than a gate into the data here. */
const nodeCost = 3;
/** What an open range takes in, in trials. A range without an end is hit by about every other event. */
const openRangeCost = 8;

function bestWay<T>(row: Row<T>, node: Node<T>, taken: readonly Way[]): Way | undefined {
  const open = row.filter.ways.filter((way) => !taken.includes(way));
  if (open.length < 2) return open[0];
  let best: Way | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const way of open) {
    const cost = costOf(way, node);
    if (cost >= lowest) continue;
    best = way;
    lowest = cost;
  }
  return best;
}

/** About how many trials a way costs an event that comes by it, where there is another to go on by. */
function costOf<T>({ signs }: Way, node: Node<T>): number {
  let cost = 0;
  for (const sign of signs) {
    const { probe, operand } = sign;
    const gate = node.gates!.get(operand.key);
    const bucket = gate?.get(sign);
    if (bucket) cost += bucket instanceof Node ? Math.min(bucket.count, nodeCost) : 1;
    if (!gate) cost += operand.inData ? dataGateCost : gateCost;
    if (probe.gate === 'range' && !(Number.isFinite(probe.low) && Number.isFinite(probe.high)))
      cost += openRangeCost;
    if (probe.gate === 'exact' && typeof probe.value === 'boolean') cost += openRangeCost;
  }
  // Of two that cost the same the one that takes less room.
  return cost / signs.length + signs.length / 1_000;
}
