/**
 * The line of each subscription that holds something: its counters, and a lower bound of when its next delivery is due,
 * by which a heap orders the lines. The counters are on disk with what they count; the rest is found again by looking.
 */
import type { Incarnation } from '@gridpost/model';
import { Heap, type Heaped } from './heap.js';
import type { Mirror } from './commits.js';
import { metaKey, type Tables } from './layout.js';
import { type LineRecord, packLine, unpackLine } from './records.js';

export interface Line extends Heaped {
  readonly subscription: Incarnation;
  readonly number: number;
  generation: number;
  hastenings: readonly number[];
  deferred: number;
  deferredBytes: number;
  dead: number;
  deadBytes: number;
  /** No open delivery is due before. */
  dueAt: number;
  /** Acceptance of the oldest open delivery on disk, once somebody has asked, until the line changes. */
  oldestAcceptedAt: number | undefined;
}

export class Lines implements Mirror {
  /** Lines with open deliveries, by when to look at them next. */
  readonly byNext = new Heap<Line>();
  readonly #tables: Tables;
  readonly #lines = new Map<Incarnation, Line>();
  readonly #touched = new Set<Line>();
  /** Not looked at before, also what has no line yet. In memory only: forgetting it costs one look. */
  readonly #parkedUntil = new Map<Incarnation, number>();
  #next = 1;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.undone();
  }

  [Symbol.iterator](): IterableIterator<Line> {
    return this.#lines.values();
  }

  find(subscription: Incarnation): Line | undefined {
    return this.#lines.get(subscription);
  }

  /** In a transaction. */
  of(subscription: Incarnation): Line {
    let line = this.#lines.get(subscription);
    if (!line) {
      line = newLine(subscription, {
        number: this.#next++,
        generation: 0,
        hastenings: [],
        deferred: 0,
        deferredBytes: 0,
        dead: 0,
        deadBytes: 0,
      });
      this.#lines.set(subscription, line);
      this.#tables.meta.put(metaKey.lines, Buffer.from(String(this.#next)));
    }
    return line;
  }

  /** To be called for every change of what is on disk of a line, before the transaction ends. */
  touch(line: Line): void {
    this.#touched.add(line);
  }

  /** The line may have something due at this instant; or, with `exactly`, has nothing before it. */
  expect(line: Line, dueAt: number, exactly = false): void {
    line.dueAt = exactly || line.heapAt < 0 ? dueAt : Math.min(line.dueAt, dueAt);
    this.byNext.place(line, Math.max(line.dueAt, this.#parkedUntil.get(line.subscription) ?? 0));
  }

  /** Parks these, each for so long. */
  park(parked: ReadonlyMap<Incarnation, number>, now: number): void {
    if (parked.size === 0) return;
    for (const [subscription, until] of this.#parkedUntil)
      if (until <= now) this.#parkedUntil.delete(subscription);
    for (const [subscription, ms] of parked) {
      this.#parkedUntil.set(subscription, now + ms);
      this.#replace(this.#lines.get(subscription));
    }
  }

  /** Ends its parking. */
  unpark(subscription: Incarnation): void {
    this.#parkedUntil.delete(subscription);
    this.#replace(this.#lines.get(subscription));
  }

  /** For a new owner, which has parked nothing. */
  unparkAll(): void {
    for (const subscription of this.#parkedUntil.keys()) this.unpark(subscription);
  }

  #replace(line: Line | undefined): void {
    if (line && line.heapAt >= 0) this.expect(line, line.dueAt, true);
  }

  write(): void {
    for (const line of this.#touched) {
      const key = Buffer.from(line.subscription);
      if (line.deferred === 0) this.byNext.remove(line);
      if (line.deferred + line.dead > 0) this.#tables.lines.put(key, packLine(line));
      else {
        this.#tables.lines.remove(key);
        this.#lines.delete(line.subscription);
      }
    }
  }

  committed(): void {
    for (const line of this.#touched) line.oldestAcceptedAt = undefined;
    this.#touched.clear();
  }

  undone(): void {
    this.byNext.clear();
    this.#lines.clear();
    this.#touched.clear();
    this.#next = Number(this.#tables.meta.get(metaKey.lines) ?? 1);
    for (const { key, value } of this.#tables.lines.getRange({ start: Buffer.from([0]) })) {
      const line = newLine(key.toString(), unpackLine(value));
      this.#lines.set(line.subscription, line);
      if (line.deferred > 0) this.expect(line, 0);
    }
  }
}

function newLine(subscription: Incarnation, record: LineRecord): Line {
  return {
    subscription,
    ...record,
    dueAt: 0,
    oldestAcceptedAt: undefined,
    order: 0,
    heapAt: -1,
  };
}
