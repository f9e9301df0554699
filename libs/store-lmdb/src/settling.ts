/** One settle as a step: entries out of the log, deferrals in, leases ended, quotas kept, attempts logged. */
import type { Clock, EntryId } from '@gridpost/model';
import type {
  AttemptBlock,
  ConcludeResult,
  LeaseOutcome,
  SettleBatch,
  SettledEntry,
  SettleResult,
} from '@gridpost/store';
import type { Attempts } from './attempts.js';
import type { Step } from './commits.js';
import type { Deliveries } from './deliveries.js';
import { entryNumber } from './layout.js';
import type { Lines } from './lines.js';
import type { Log } from './log.js';
import type { Notes } from './notes.js';
import type { Ownership } from './ownership.js';
import type { Payloads } from './payloads.js';
import type { Quotas } from './quotas.js';
import type { Runs } from './runs.js';

export interface SettlingOptions {
  readonly clock: Clock;
  readonly ownership: Ownership;
  readonly log: Log;
  readonly notes: Notes;
  readonly lines: Lines;
  readonly runs: Runs;
  readonly payloads: Payloads;
  readonly deliveries: Deliveries;
  readonly quotas: Quotas;
  readonly attempts: Attempts;
}

const none: readonly AttemptBlock[] = [];

export class Settling {
  readonly #options: SettlingOptions;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  /** Blind where all that happens is that known entries leave the log: the way of every event delivered in time. */
  step(epoch: number, batch: SettleBatch): { step: Step; result: Promise<SettleResult> } {
    const { promise, resolve, reject } = withResolvers<SettleResult>();
    let result: SettleResult = { removed: 0, quotaEffects: [] };
    const step: Step = {
      // Deferrals and outcomes are waited for: an attempt may be about to follow from them.
      patient: !batch.outcomes.length && batch.entries.every(({ deferrals }) => !deferrals.length),
      blind: () =>
        !batch.outcomes.length &&
        !this.#options.quotas.pending &&
        batch.entries.every((entry) => this.#isPlain(entry)),
      run: () => {
        result = this.#settle(epoch, batch);
      },
      committed: () => resolve(result),
      failed: reject,
    };
    return { step, result: promise };
  }

  #isPlain({ id, deferrals }: SettledEntry): boolean {
    const { log, notes } = this.#options;
    return !deferrals.length && log.known(id) && !notes.has(entryNumber(id));
  }

  #settle(epoch: number, { entries, outcomes, attempts }: SettleBatch): SettleResult {
    const { ownership, log, notes, quotas } = this.#options;
    ownership.fence(epoch);
    let removed = 0;
    for (const entry of entries) {
      if (!log.remove(entry.id)) continue;
      removed++;
      notes.forget(entryNumber(entry.id));
      if (entry.deferrals.length) this.#defer(entry);
    }
    let applied = 0;
    for (const outcome of outcomes) if (this.#conclude(outcome)) applied++;
    this.#record(removed + applied > 0 || entries.length + outcomes.length === 0, attempts);
    return { removed, quotaEffects: quotas.enforce() };
  }

  #defer({ id, acceptedAt, deferrals, events }: SettledEntry): void {
    const { deliveries, payloads, lines, quotas } = this.#options;
    const entry = entryNumber(id as EntryId);
    const users = new Map<number, number>();
    for (const { index } of deferrals) users.set(index, (users.get(index) ?? 0) + 1);
    payloads.keep(entry, events, users);
    for (const { index, subscription, disposition } of deferrals) {
      const line = lines.of(subscription);
      const frameBytes = events.get(index)!.frame.length;
      deliveries.hold({ line, entry, index }, { acceptedAt, frameBytes }, disposition);
      quotas.check(line);
    }
  }

  /** In a transaction. As the outcomes of a settle, but only of leases that have not ended. */
  conclude(outcomes: readonly LeaseOutcome[], attempts?: readonly AttemptBlock[]): ConcludeResult {
    const { clock, quotas } = this.#options;
    const now = clock.now();
    const applied = outcomes.map((outcome) => this.#conclude(outcome, now));
    this.#record(applied.includes(true) || outcomes.length === 0, attempts);
    return { applied, quotaEffects: quotas.enforce() };
  }

  /** `fresh`: what the attempts were made of had not been settled before. */
  #record(fresh: boolean, attempts: readonly AttemptBlock[] | undefined): void {
    this.#options.attempts.append((fresh && attempts) || none);
  }

  /** Returns whether it was applied. `endsAfter`: only if the lease does. */
  #conclude(
    { entry: id, index, subscription, token, disposition }: LeaseOutcome,
    endsAfter = Number.NEGATIVE_INFINITY,
  ): boolean {
    const { lines, runs, deliveries, quotas } = this.#options;
    const line = lines.find(subscription);
    const entry = entryNumber(id);
    if (!line || Number.isNaN(entry)) return false;
    const run = runs.find(line, entry, index);
    if (!run?.leased || run.token !== token || run.dueAt <= endsAfter) return false;
    deliveries.dispose(run, index, disposition);
    quotas.check(line);
    return true;
  }
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}
