/**
 * Quotas of subscriptions, enforced with each settle for the lines it touched. What one settle leaves over because it is
 * too much for one step is worked off by those that follow.
 */
import { chargedBytes, type Quota, type QuotaEffect, unpackState } from '@gridpost/store';
import type { Mirror } from './commits.js';
import type { Deliveries } from './deliveries.js';
import { lineRange, readDeadKey, type Tables } from './layout.js';
import type { Line, Lines } from './lines.js';
import { frameBytesOf, indexOf, unpackDead } from './records.js';
import type { Run, Runs } from './runs.js';

/** Deliveries that one settle turns or drops per line at most: some 50 ms of work. */
const stepMax = 5_000;

export class Quotas implements Mirror {
  readonly #tables: Tables;
  readonly #lines: Lines;
  readonly #runs: Runs;
  readonly #deliveries: Deliveries;
  readonly #quota: Quota;
  /** Lines that may hold too much. */
  readonly #over = new Set<Line>();

  constructor(tables: Tables, lines: Lines, runs: Runs, deliveries: Deliveries, quota: Quota) {
    this.#tables = tables;
    this.#runs = runs;
    this.#deliveries = deliveries;
    this.#quota = quota;
    this.#lines = lines;
    // A quota may have been made smaller since the store was last open.
    this.undone();
  }

  /** Whether some line may hold too much, so that `enforce` has to read. */
  get pending(): boolean {
    return this.#over.size > 0;
  }

  /** To be called for every line that has been given something. */
  check(line: Line): void {
    const { deferredBytesMax, bytesMax } = this.#quota;
    const { deferredBytes, deadBytes } = line;
    if (deferredBytes > deferredBytesMax || deferredBytes + deadBytes > bytesMax) this.#over.add(line);
  }

  /** In a transaction. */
  enforce(): QuotaEffect[] {
    if (!this.#over.size) return [];
    const effects: QuotaEffect[] = [];
    for (const line of this.#over) {
      const deadLettered = this.#turnOldest(line);
      const dropped = this.#dropOldest(line);
      const { subscription } = line;
      if (deadLettered || dropped) effects.push({ subscription, deadLettered, dropped });
      if (deadLettered < stepMax && dropped < stepMax) this.#over.delete(line);
    }
    return effects;
  }

  /** After the lines, which are other objects then. */
  undone(): void {
    this.#over.clear();
    for (const line of this.#lines) this.check(line);
  }

  #turnOldest(line: Line): number {
    let over = line.deferredBytes - this.#quota.deferredBytesMax;
    if (over <= 0) return 0;
    const chosen: { run: Run; index: number }[] = [];
    choosing: for (const run of this.#runs.of(line)) {
      if (run.leased) continue;
      for (const member of run.members) {
        chosen.push({ run, index: indexOf(member) });
        over -= chargedBytes(frameBytesOf(member));
        if (over <= 0 || chosen.length === stepMax) break choosing;
      }
    }
    for (const { run, index } of chosen) {
      const state = unpackState(run.state);
      this.#deliveries.dispose(run, index, { kind: 'deadLettered', reason: 'QuotaExceeded', state });
    }
    return chosen.length;
  }

  #dropOldest(line: Line): number {
    let over = line.deferredBytes + line.deadBytes - this.#quota.bytesMax;
    if (over <= 0) return 0;
    const chosen = [];
    for (const { key, value } of this.#tables.dead.getRange(lineRange(line.number))) {
      const record = unpackDead(value);
      chosen.push({ ...readDeadKey(key), record });
      over -= chargedBytes(record.frameBytes);
      if (over <= 0 || chosen.length === stepMax) break;
    }
    for (const { deadAt, entry, index, record } of chosen) {
      this.#deliveries.drop({ line, entry, index }, deadAt, record);
    }
    return chosen.length;
  }
}
