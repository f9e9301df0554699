/**
 * Open deliveries, in runs: those of one entry for one line that are alike in everything but their event share one record
 * in `open` and one key in `due`, so that what happens to a hundred at once is written once. A run stands under the last
 * of its indexes: deliveries are given out and concluded from the front, and what is left then stays where it is.
 *
 * In a transaction, runs are changed in memory and written when the transaction ends, or before something is looked for
 * on disk (`write`). A run in hand must not be used any more after that.
 */
import { type DeliveryState, isSameState, packState } from '@gridpost/store';
import type { Mirror } from './commits.js';
import { dueKey, lineRange, openKey, readOpenKey, type Tables } from './layout.js';
import type { Line } from './lines.js';
import { frameBytesOf, indexOf, memberOf, packRun, type RunRecord, unpackRun } from './records.js';
import type { Space } from './space.js';

export interface Run extends RunRecord {
  readonly line: Line;
  readonly entry: number;
  leased: boolean;
  generation: number;
  dueAt: number;
  token: string;
  state: string;
  /** The last of its indexes, when it is written. */
  last: number;
  /** What its keys on disk say; undefined while it is not there. */
  stored: Stored | undefined;
  changed: boolean;
}

type Stored = Readonly<Pick<Run, 'last' | 'leased' | 'generation' | 'dueAt'>>;

/** In what the deliveries of a run may differ from those of another. */
export interface Terms {
  readonly leased: boolean;
  readonly dueAt: number;
  /** Empty unless leased. */
  readonly token: string;
  readonly state: DeliveryState;
}

/** What the transaction has looked at of one entry, for one line. */
interface Group {
  readonly runs: Run[];
  /** What was given its terms last, and may take in what gets the same: so that comparing costs little. */
  newest: { readonly run: Run; readonly terms: Terms } | undefined;
}

/** The keys of one record, in bytes. */
const keyBytes = 32;
const deferredFlag = Buffer.from([0]);
const leasedFlag = Buffer.from([1]);

export class Runs implements Mirror {
  readonly #tables: Tables;
  readonly #space: Space;
  readonly #groups = new Map<Line, Map<number, Group>>();

  constructor(tables: Tables, space: Space) {
    this.#tables = tables;
    this.#space = space;
  }

  /** The run that holds a delivery, if it is open. */
  find(line: Line, entry: number, index: number): Run | undefined {
    // A key would take it for another.
    if (index > 255) return undefined;
    const { runs } = this.#groupOf(line, entry);
    for (const run of runs) if (positionIn(run, index) >= 0) return run;
    // It has left the run whose key this was.
    if (isIn(runs, index)) return undefined;
    const { open } = this.#tables;
    const stored = open.get(openKey(line.number, entry, index));
    if (stored) return holding(index, this.#load(line, entry, index, stored));
    const range = { start: openKey(line.number, entry, index), end: openKey(line.number, entry, 255) };
    for (const { key, value } of open.getRange(range)) {
      const { last } = readOpenKey(key);
      if (isIn(runs, last)) continue;
      const run = holding(index, this.#load(line, entry, last, value));
      if (run) return run;
    }
    return undefined;
  }

  /** The run that `due` names. */
  at(line: Line, entry: number, last: number): Run {
    const { runs } = this.#groupOf(line, entry);
    const known = runs.find(({ stored }) => stored?.last === last);
    if (known) return known;
    const stored = this.#tables.open.get(openKey(line.number, entry, last));
    if (!stored) throw new Error(`deliveries of entry ${entry.toString(16)} are due but not there`);
    return this.#load(line, entry, last, stored);
  }

  /** The line's runs, oldest entry first. Nothing may be written before the caller has done with it. */
  *of(line: Line): Generator<Run> {
    this.write();
    for (const { key, value } of this.#tables.open.getRange(lineRange(line.number))) {
      const { entry, last } = readOpenKey(key);
      yield this.#load(line, entry, last, value);
    }
  }

  /** Opens a delivery. */
  add(
    { line, entry, index }: { readonly line: Line; readonly entry: number; readonly index: number },
    { acceptedAt, frameBytes }: { readonly acceptedAt: number; readonly frameBytes: number },
    terms: Terms,
  ): void {
    const group = this.#groupOf(line, entry);
    const run = alike(group, line, terms) ?? this.#begin(group, line, entry, acceptedAt, terms);
    run.members.push(memberOf(index, frameBytes));
  }

  /** Takes a delivery out; returns the bytes of its event's frame. */
  take(run: Run, index: number): number {
    return frameBytesOf(takeOut(run, index));
  }

  /** Gives a delivery other terms. */
  move(run: Run, index: number, terms: Terms): void {
    const { line, entry, acceptedAt } = run;
    const group = this.#groupOf(line, entry);
    const like = alike(group, line, terms);
    if (like === run) return;
    if (!like && run.members.length === 1) {
      this.#renew(group, run, terms);
      return;
    }
    const other = like ?? this.#begin(group, line, entry, acceptedAt, terms);
    other.members.push(takeOut(run, index));
  }

  /** Gives the first `count` deliveries other terms; returns the run that holds them now. */
  moveFirst(run: Run, count: number, terms: Terms): Run {
    const { line, entry, acceptedAt } = run;
    const group = this.#groupOf(line, entry);
    if (count >= run.members.length) {
      this.#renew(group, run, terms);
      return run;
    }
    const front = this.#begin(group, line, entry, acceptedAt, terms);
    front.members.push(...run.members.splice(0, count));
    run.changed = true;
    return front;
  }

  write(): void {
    for (const groups of this.#groups.values()) for (const { runs } of groups.values()) this.#writeAll(runs);
    this.#groups.clear();
  }

  undone(): void {
    this.#groups.clear();
  }

  #groupOf(line: Line, entry: number): Group {
    let groups = this.#groups.get(line);
    if (!groups) this.#groups.set(line, (groups = new Map()));
    let group = groups.get(entry);
    if (!group) groups.set(entry, (group = { runs: [], newest: undefined }));
    return group;
  }

  #load(line: Line, entry: number, last: number, packed: Buffer): Run {
    const record = unpackRun(packed);
    const { leased, generation, dueAt } = record;
    const stored = { last, leased, generation, dueAt };
    const run = { line, entry, ...record, last, stored, changed: false };
    this.#groupOf(line, entry).runs.push(run);
    return run;
  }

  #begin(group: Group, line: Line, entry: number, acceptedAt: number, terms: Terms): Run {
    const run: Run = {
      line,
      entry,
      acceptedAt,
      leased: terms.leased,
      generation: line.generation,
      dueAt: terms.dueAt,
      token: terms.token,
      state: packState(terms.state),
      members: [],
      last: -1,
      stored: undefined,
      changed: true,
    };
    group.runs.push(run);
    group.newest = { run, terms };
    return run;
  }

  #renew(group: Group, run: Run, terms: Terms): void {
    run.leased = terms.leased;
    run.generation = run.line.generation;
    run.dueAt = terms.dueAt;
    run.token = terms.token;
    run.state = packState(terms.state);
    run.changed = true;
    group.newest = { run, terms };
  }

  /** The runs of one group. All old keys go first, since another run of the group may stand there from now on. */
  #writeAll(runs: readonly Run[]): void {
    const { open, due } = this.#tables;
    for (const run of runs) {
      const { line, entry, stored } = run;
      if (!run.changed) continue;
      run.last = lastOf(run);
      if (!stored) continue;
      if (run.last !== stored.last) open.remove(openKey(line.number, entry, stored.last));
      if (!staysDue(run, stored)) {
        due.remove(dueKey(line.number, stored.generation, stored.dueAt, entry, stored.last));
      }
    }
    for (const run of runs) {
      const { line, entry, last, generation, dueAt, leased, stored } = run;
      if (!run.changed || run.members.length === 0) continue;
      const packed = packRun(run);
      open.put(openKey(line.number, entry, last), packed);
      if (!stored) this.#space.add(packed.length + keyBytes);
      if (stored && staysDue(run, stored)) continue;
      due.put(dueKey(line.number, generation, dueAt, entry, last), leased ? leasedFlag : deferredFlag);
    }
  }
}

const holding = (index: number, run: Run): Run | undefined => (positionIn(run, index) < 0 ? undefined : run);

const isIn = (runs: readonly Run[], last: number): boolean =>
  runs.some(({ stored }) => stored?.last === last);

/** -1 if it is empty. */
function lastOf({ members }: Run): number {
  let last = -1;
  for (const member of members) if (indexOf(member) > last) last = indexOf(member);
  return last;
}

/** -1 if it is not there. What is concluded stands at the front, as a rule. */
function positionIn({ members }: Run, index: number): number {
  for (let at = 0; at < members.length; at++) if (indexOf(members[at]!) === index) return at;
  return -1;
}

function takeOut(run: Run, index: number): number {
  run.changed = true;
  return run.members.splice(positionIn(run, index), 1)[0]!;
}

function staysDue(run: Run, stored: Stored): boolean {
  return (
    stored.last === run.last &&
    stored.dueAt === run.dueAt &&
    stored.leased === run.leased &&
    stored.generation === run.generation
  );
}

/** The run that what gets these terms can join. */
function alike({ newest }: Group, line: Line, terms: Terms): Run | undefined {
  if (!newest) return undefined;
  const { run, terms: before } = newest;
  return run.generation === line.generation &&
    before.dueAt === terms.dueAt &&
    before.leased === terms.leased &&
    before.token === terms.token &&
    isSameState(before.state, terms.state)
    ? run
    : undefined;
}
