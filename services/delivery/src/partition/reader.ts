/**
 * Reads the log of one partition from the front, matches its events, and offers their deliveries to the lanes. At most
 * one pass runs at a time:
 *
 * - It first works off what has been read. It stops at the cap on unsettled entries, and where a lane makes reading wait;
 *   it goes on when entries are settled, when a lane has room, and at each sweep.
 * - Then it reads on, at once where a read left something, else on a hint or at the beat.
 *
 * An entry none of whose deliveries has been taken is as good as unread: it waits without the settle window running.
 * One that is taken in part when its window ends is finished by `force`, which defers what its lane cannot take.
 *
 * Where the store has lost writes (`front.ts`), the log is read from its front again, without what is in hand.
 *
 * Each read brings the configuration's version along. What was read is matched only when the registry is known to be
 * that new, so that a subscription made before a publish receives the event.
 */
import type { Clock, EntryId, Log, Timer } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import { type Claim, Fenced, type LogEntry, type Store } from '@gridpost/store';
import type { OpenEntry } from './entry.js';
import { Fifo } from '../lanes/fifo.js';
import { frontIsOdd, type Rereading } from './front.js';
import type { Lanes } from '../lanes/lanes.js';
import type { Matching } from './matching.js';
import { Offering } from './offering.js';
import { Outage } from '../outage.js';
import type { Site } from './site.js';
import { Suspects } from './suspects.js';
import { turn } from '../turn.js';

export interface ReaderOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly lanes: Lanes;
  readonly matching: Matching;
  readonly site: Site;
  readonly beatMs: number;
  readonly claim: Claim;
}

/** What one read brings at most: enough to be worth the call, little enough to be read again by a successor. */
const readLimits = { entriesMax: 256, bytesMax: 1024 * 1024 };
/** Events that are offered before other things of the process get their turn. */
const eventsPerTurn = 128;

export class Reader {
  readonly #options: ReaderOptions;
  readonly #outage: Outage;
  readonly #offering: Offering;
  readonly #fetched = new Fifo<LogEntry>();
  readonly #suspects: Suspects | undefined;
  #after: EntryId | undefined;
  #pass: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #readAt = Number.NEGATIVE_INFINITY;
  #retry: Timer | undefined;
  /** Of the last entry read. */
  #acceptedAt = 0;
  /** The store was out of reach, so what it holds is not certain. */
  #doubt = false;
  /** Set while the log is read from the front again. */
  #reread: Rereading | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'reading', { partition: options.site.partition });
    this.#offering = new Offering(options);
    const { suspectUpTo } = options.claim;
    if (suspectUpTo !== undefined) this.#suspects = new Suspects({ ...options, upTo: suspectUpTo });
  }

  /** Whether what an unclean end left has not all been gone through. */
  get suspecting(): boolean {
    return this.#suspects?.pending ?? false;
  }

  /** Starts a pass, or lets the one under way go on when it would end. */
  wake(): void {
    if (this.#stopped || this.#retry) return;
    if (this.#pass) {
      this.#again = true;
      return;
    }
    this.#pass = this.#run().finally(() => {
      this.#pass = undefined;
      if (this.#again) this.wake();
    });
  }

  /** Goes on with what has been read and could not be offered so far, if there is any. */
  resume(): void {
    if (this.#offering.entry || this.#fetched.size > 0) this.wake();
  }

  /** To be called about every 100 ms: keeps the beat, and looks again at lanes that made reading wait. */
  tick(now: number): void {
    if (now - this.#readAt >= this.#options.beatMs) this.wake();
    else this.resume();
  }

  /** Finishes offering an entry whose window has ended. */
  force(entry: OpenEntry): void {
    if (this.#offering.entry === entry) this.#offering.proceed(true);
  }

  /**
   * Looks whether the store has lost writes, and has the log read again if so. Once every some seconds is enough. Rejects as the store does, but not with `Fenced`.
   */
  async verify(): Promise<void> {
    const { store, site, log, clock } = this.#options;
    if (this.#after === undefined || (this.#reread && !this.#reread.passed) || this.suspecting) return;
    try {
      const place = { after: () => this.#after, fetched: () => this.#fetched.first?.id };
      if (!(await frontIsOdd(store, site, place))) return;
    } catch (error) {
      if (!(error instanceof Fenced)) throw error;
      site.fenced();
    }
    if (this.#stopped || site.lost) return;
    log.warn(
      { partition: site.partition },
      'the store has lost writes it had confirmed: its log is read again',
    );
    const until = site.storeNow(clock.elapsed());
    this.#reread = { before: this.#acceptedAt, until, passed: false };
    this.#after = undefined;
    // What was read and not begun is found again.
    while (this.#fetched.shift());
    site.reread(true);
    this.wake();
  }

  /** Reads no more. Resolves when what was begun has been offered: nothing is half in hand then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#pass;
    if (!this.#options.site.lost) this.#offering.proceed(true);
  }

  async #run(): Promise<void> {
    try {
      let more: boolean;
      do {
        // Before anything else: a pass that ends without room must not begin again before there is some.
        this.#again = false;
        if (!(await this.#workOff()) || this.#stopped) return;
        more = await this.#read();
        if (!(await this.#workOff()) || this.#stopped) return;
        if (!more && this.#doubt) {
          this.#doubt = false;
          await this.verify();
        }
        if (more) await turn();
      } while (!this.#stopped && (more || this.#again));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Whether everything read has been offered. */
  async #workOff(): Promise<boolean> {
    const { site } = this.#options;
    let events = 0;
    while (!site.lost) {
      if (!this.#offering.proceed(false)) return false;
      const log = this.#fetched.first;
      if (!log) return true;
      if (!site.hasRoom || this.#stopped) return false;
      this.#fetched.shift();
      if (this.suspecting) {
        await this.#suspects!.process(log);
        continue;
      }
      this.#offering.begin(log, this.#reread && log.acceptedAt <= this.#reread.before ? 'crash' : undefined);
      events += log.events.length;
      if (events < eventsPerTurn) continue;
      events = 0;
      await turn();
    }
    return false;
  }

  /** Whether to read on at once. */
  async #read(): Promise<boolean> {
    const { store, registry, clock, lanes, site } = this.#options;
    if (this.#reread?.passed) this.#endReread();
    const asOf = clock.elapsed();
    this.#readAt = asOf;
    const after = this.#after;
    const { entries, more, version, now } = await store.read(site.partition, site.epoch, after, readLimits);
    if (this.#stopped) return false;
    site.noteStoreNow(now);
    if (!registry.confirm(version, asOf)) await registry.refresh();
    if (this.#outage.over()) this.#doubt = true;
    lanes.reopen(clock.elapsed());
    // It was found meanwhile that the log has to be read again.
    if (after !== this.#after) return true;
    for (const entry of entries) {
      this.#after = entry.id;
      this.#acceptedAt = entry.acceptedAt;
      if (!this.#reread || !site.knows(entry.id)) this.#fetched.push(entry);
    }
    if (entries.length === 0) this.#suspects?.end();
    if (this.#reread && (entries.length === 0 || this.#acceptedAt > this.#reread.until))
      this.#reread.passed = true;
    // To find the last suspect, or the end of a second reading, it is read until nothing comes.
    return entries.length > 0 && (more || this.suspecting || this.#reread !== undefined);
  }

  #endReread(): void {
    this.#reread = undefined;
    this.#options.site.reread(false);
  }

  #failed(error: unknown): void {
    const { site, clock } = this.#options;
    if (this.#stopped) return;
    if (error instanceof Fenced) {
      site.fenced();
      return;
    }
    this.#retry = clock.after(this.#outage.failed(error), () => {
      this.#retry = undefined;
      this.wake();
    });
  }
}
