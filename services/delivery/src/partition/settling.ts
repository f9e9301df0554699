/**
 * Writes what became of things: the settled entries and the ended leases of one partition. One store call is under way
 * at a time; what is concluded meanwhile goes into the next. While more is about to be concluded a call waits for it a
 * moment, so that a busy partition settles by the dozen and not one by one.
 *
 * A call that fails is repeated unchanged until it succeeds, which the store makes harmless. What waits behind it is
 * bounded by what the partition may have in hand.
 */
import type { Clock, EntryId, Incarnation, Log, Timer } from '@gridpost/model';
import { type AttemptBlock, Fenced, type LeaseOutcome, type SettleResult, type Store } from '@gridpost/store';
import type { AttemptRecords } from '../attempts/records.js';
import { hastened, type OpenEntry } from './entry.js';
import { Outage } from '../outage.js';

export interface SettlingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly partition: number;
  readonly epoch: number;
  /** Whether attempts run whose ends are worth waiting for. */
  readonly expecting: () => boolean;
  /** Subscriptions whose consumers are told of what is deferred for them. */
  readonly announced: ReadonlySet<Incarnation>;
  /** What is to be written into the attempt log. */
  readonly records: Pick<AttemptRecords, 'take' | 'waits'>;
  readonly onSettled: (batch: Batch, result: SettleResult) => void;
  readonly onFenced: () => void;
}

export interface Batch {
  readonly entries: readonly OpenEntry[];
  readonly outcomes: readonly LeaseOutcome[];
  /** Of these, and perhaps of what is still in hand. */
  readonly attempts: readonly AttemptBlock[];
}

/** How long a call waits for more to write, in milliseconds, and how much is enough not to wait. */
const gatherMs = 2;
const enough = 64;
/** Most entries and outcomes of one call, and about how many bytes of held payloads: a store's step must stay short. */
const batchItemsMax = 512;
const batchHeldBytesMax = 4 * 1024 * 1024;

export class Settling {
  readonly #options: SettlingOptions;
  readonly #outage: Outage;
  #entries: OpenEntry[] = [];
  #outcomes: LeaseOutcome[] = [];
  #batch: Batch | undefined;
  #scheduled = false;
  #stopped = false;
  #timer: Timer | undefined;
  #idle: (() => void)[] = [];

  constructor(options: SettlingOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'settling', { partition: options.partition });
  }

  /** The last call failed and is being repeated. */
  get failing(): boolean {
    return this.#outage.lasts;
  }

  addEntry(entry: OpenEntry): void {
    this.#entries.push(entry);
    this.#schedule();
  }

  /** Whether an entry waits to be written. */
  holds(id: EntryId): boolean {
    const waits = (entry: OpenEntry): boolean => entry.id === id;
    return this.#entries.some(waits) || (this.#batch?.entries.some(waits) ?? false);
  }

  addOutcome(outcome: LeaseOutcome): void {
    this.#outcomes.push(outcome);
    this.#schedule();
  }

  /** Makes what waits to be deferred for the subscription due at once. A call under way stays as it is. */
  hasten(subscription: Incarnation): void {
    for (const entry of this.#entries) entry.hasten(subscription);
    this.#outcomes = hastened(this.#outcomes, subscription);
  }

  /** Resolves when everything is written, or nothing will be any more. */
  async idle(): Promise<void> {
    if (this.#stopped || (!this.#batch && !this.#waits)) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Writes nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#wakeIdle();
  }

  /** Whether there is something to write, or more of the attempt log than a settle took. */
  get #waits(): boolean {
    return this.#entries.length + this.#outcomes.length > 0 || this.#options.records.waits;
  }

  #schedule(): void {
    if (this.#scheduled || this.#batch || this.#stopped) return;
    this.#scheduled = true;
    // What else is concluded in this turn of the event loop costs no waiting.
    setImmediate(this.#gather);
  }

  readonly #gather = (): void => {
    if (this.#stopped) return;
    if (this.#entries.length + this.#outcomes.length < enough && this.#options.expecting())
      this.#timer = this.#options.clock.after(gatherMs, this.#write);
    else this.#write();
  };

  readonly #write = (): void => {
    this.#scheduled = false;
    this.#batch ??= this.#take();
    void this.#call(this.#batch);
  };

  async #call(batch: Batch): Promise<void> {
    const { store, partition, epoch, clock, announced } = this.#options;
    let result: SettleResult;
    try {
      result = await store.settle(partition, epoch, { ...batch, announced });
    } catch (error) {
      if (this.#stopped) return;
      if (error instanceof Fenced) this.#options.onFenced();
      else this.#timer = clock.after(this.#outage.failed(error), this.#write);
      return;
    }
    if (this.#stopped) return;
    this.#outage.over();
    this.#batch = undefined;
    this.#options.onSettled(batch, result);
    if (this.#waits) this.#schedule();
    else this.#wakeIdle();
  }

  #take(): Batch {
    let held = 0;
    let count = 0;
    for (const { events } of this.#entries) {
      for (const { frame } of events.values()) held += frame.length;
      if (count > 0 && (held > batchHeldBytesMax || count >= batchItemsMax)) break;
      count++;
    }
    const entries = this.#entries;
    this.#entries = entries.splice(count);
    const attempts = this.#options.records.take();
    // The outcome of a lease must not be written before the entry that brings the lease: it would find no token.
    if (this.#entries.length > 0) return { entries, outcomes: [], attempts };
    const outcomes = this.#outcomes;
    this.#outcomes = outcomes.splice(batchItemsMax);
    return { entries, outcomes, attempts };
  }

  #wakeIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
