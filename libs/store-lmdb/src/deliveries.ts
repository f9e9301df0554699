/**
 * Deliveries that outlive their log entry, and every transition between open (deferred or leased), dead and gone. Each
 * method runs in a transaction and keeps these in step:
 *
 * - an open delivery stands in a run (`runs.ts`); a dead one has a record in `dead`, and is found by its place;
 * - either is a user of its event (`payloads.ts`);
 * - the line's counters count them.
 *
 * Which delivery makes a transition, and when, is decided by `settling.ts`, `due.ts` and `dead-letters.ts`.
 */
import type { Clock } from '@gridpost/model';
import { chargedBytes, type Disposition } from '@gridpost/store';
import { deadKey, lineRange, openKey, type Tables } from './layout.js';
import type { Line, Lines } from './lines.js';
import type { Payloads } from './payloads.js';
import { type DeadRecord, packDead, unpackRun } from './records.js';
import type { Run, Runs, Terms } from './runs.js';
import type { Space } from './space.js';

/** Pages that a dead letter may add, beside its payload, in bytes. */
const deadBytes = 512;

/** What stays the same of a delivery, whatever becomes of it. */
type Facts = Pick<DeadRecord, 'acceptedAt' | 'frameBytes'>;
type OpenDisposition = Exclude<Disposition, { kind: 'deadLettered' }>;
type DeadDisposition = Extract<Disposition, { kind: 'deadLettered' }>;

/** Where a delivery is. */
export interface Spot {
  readonly line: Line;
  readonly entry: number;
  readonly index: number;
}

export interface DeliveriesOptions {
  readonly tables: Tables;
  readonly lines: Lines;
  readonly runs: Runs;
  readonly payloads: Payloads;
  readonly clock: Clock;
  readonly space: Space;
}

export class Deliveries {
  readonly #options: DeliveriesOptions;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Adds one of the deliveries of an event just settled, whose payload is kept. */
  hold(spot: Spot, facts: Facts, disposition: Disposition): void {
    if (disposition.kind === 'deadLettered') this.#addDead(spot, facts, disposition);
    else this.#addOpen(spot, facts, disposition);
  }

  /** An open delivery becomes something else, or leaves. */
  dispose(run: Run, index: number, disposition: Disposition | { readonly kind: 'finished' }): void {
    const { runs, lines, payloads } = this.#options;
    const { line, entry, acceptedAt } = run;
    if (disposition.kind === 'deferred' || disposition.kind === 'leased') {
      runs.move(run, index, this.#termsOf(line, disposition));
      return;
    }
    const frameBytes = runs.take(run, index);
    line.deferred--;
    line.deferredBytes -= chargedBytes(frameBytes);
    lines.touch(line);
    if (disposition.kind === 'finished') payloads.release(entry, index);
    else this.#addDead({ line, entry, index }, { acceptedAt, frameBytes }, disposition);
  }

  /** Leases the first `count` deliveries of a run; returns the run that holds them now. */
  lease(run: Run, count: number, lease: Extract<Disposition, { kind: 'leased' }>): Run {
    return this.#options.runs.moveFirst(run, count, this.#termsOf(run.line, lease));
  }

  /** A dead letter is deferred again, due now. */
  revive(spot: Spot, deadAt: number, record: DeadRecord): void {
    this.#removeDead(spot, deadAt, record);
    const state = { attempts: 0, liveFrom: this.#options.clock.now() };
    this.#addOpen(spot, record, { kind: 'deferred', dueInMs: 0, state });
  }

  /** A dead letter is let go. */
  drop(spot: Spot, deadAt: number, record: DeadRecord): void {
    this.#removeDead(spot, deadAt, record);
    this.#options.payloads.release(spot.entry, spot.index);
  }

  /** Acceptance of the line's oldest open delivery. Needs no transaction. */
  oldestAcceptedAt(line: Line): number | undefined {
    if (line.deferred === 0) return undefined;
    if (line.oldestAcceptedAt === undefined) {
      const { open } = this.#options.tables;
      for (const { value } of open.getRange({ ...lineRange(line.number), limit: 1 })) {
        line.oldestAcceptedAt = unpackRun(value).acceptedAt;
      }
    }
    return line.oldestAcceptedAt;
  }

  #addOpen(spot: Spot, facts: Facts, disposition: OpenDisposition): void {
    const { runs, lines } = this.#options;
    const { line } = spot;
    runs.add(spot, facts, this.#termsOf(line, disposition));
    line.deferred++;
    line.deferredBytes += chargedBytes(facts.frameBytes);
    lines.touch(line);
  }

  /** The line is told when to look at them again. */
  #termsOf(line: Line, disposition: OpenDisposition): Terms {
    const { clock, lines } = this.#options;
    const { state } = disposition;
    const leased = disposition.kind === 'leased';
    // Whole milliseconds, late rather than early.
    const dueAt = Math.ceil(clock.now() + (leased ? disposition.leaseMs : disposition.dueInMs));
    lines.expect(line, dueAt);
    return { leased, dueAt, token: leased ? disposition.token : '', state };
  }

  #addDead({ line, entry, index }: Spot, facts: Facts, { reason, state }: DeadDisposition): void {
    const { tables, lines, clock, space } = this.#options;
    const { acceptedAt, frameBytes } = facts;
    const deadAt = clock.now();
    const instant = Buffer.allocUnsafe(6);
    instant.writeUIntBE(deadAt, 0, 6);
    tables.places.put(openKey(line.number, entry, index), instant);
    const record = { acceptedAt, frameBytes, reason, state };
    tables.dead.put(deadKey(line.number, deadAt, entry, index), packDead(record));
    space.add(deadBytes);
    line.dead++;
    line.deadBytes += chargedBytes(frameBytes);
    lines.touch(line);
  }

  #removeDead({ line, entry, index }: Spot, deadAt: number, { frameBytes }: DeadRecord): void {
    const { tables, lines } = this.#options;
    tables.dead.remove(deadKey(line.number, deadAt, entry, index));
    tables.places.remove(openKey(line.number, entry, index));
    line.dead--;
    line.deadBytes -= chargedBytes(frameBytes);
    lines.touch(line);
  }
}
