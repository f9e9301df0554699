/**
 * Reads the log of one partition from the front, matches its events, and offers their deliveries to the lanes. At most
 * one pass runs at a time:
 *
 * - It first works off what has been read. It stops at the cap on unsettled entries, and where a lane makes reading wait;
 *   it goes on when entries are settled, when a lane has room, and at each sweep.
 * - Then it reads on, at once after a round that brought something, else on a hint or at the beat.
 *
 * An entry none of whose deliveries has been taken is as good as unread: it waits without the settle window running.
 * One that is taken in part when its window ends is finished by `force`, which defers what its lane cannot take.
 *
 * Each read brings the configuration's version along. What was read is matched only when the registry is known to be
 * that new, so that a subscription made before a publish receives the event.
 */
import type { Clock, EntryId, Log, Timer } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import { type Claim, Fenced, type LogEntry, type Store } from '@gridpost/store';
import { giveUp } from './endings.js';
import type { OpenEntry } from './entry.js';
import { Fifo } from './fifo.js';
import type { Lanes } from './lanes.js';
import type { Match, Matching } from './matching.js';
import { OpenDelivery } from './open-delivery.js';
import { Outage } from './outage.js';
import type { Site } from './site.js';
import { Suspects } from './suspects.js';
import { turn } from './turn.js';

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

/** How far the entry being offered has come. */
interface Cursor {
  readonly entry: OpenEntry;
  index: number;
  match: Match | undefined;
  target: number;
  /** The delivery that made reading wait. */
  waiting: OpenDelivery | undefined;
}

export class Reader {
  readonly #options: ReaderOptions;
  readonly #outage: Outage;
  readonly #fetched = new Fifo<LogEntry>();
  readonly #suspects: Suspects | undefined;
  #after: EntryId | undefined;
  #cursor: Cursor | undefined;
  #pass: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #readAt = Number.NEGATIVE_INFINITY;
  #retry: Timer | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'reading', { partition: options.site.partition });
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
    if (this.#cursor !== undefined || this.#fetched.size > 0) this.wake();
  }

  /** To be called about every 100 ms: keeps the beat, and looks again at lanes that made reading wait. */
  tick(now: number): void {
    if (now - this.#readAt >= this.#options.beatMs) this.wake();
    else this.resume();
  }

  /** Finishes offering an entry whose window has ended. */
  force(entry: OpenEntry): void {
    if (this.#cursor?.entry === entry) this.#offer(this.#cursor, true);
  }

  /** Reads no more. Resolves when what was begun has been offered: nothing is half in hand then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#pass;
    if (this.#cursor && !this.#options.site.lost) this.#offer(this.#cursor, true);
  }

  async #run(): Promise<void> {
    let more: boolean;
    do {
      this.#again = false;
      try {
        if (!(await this.#workOff()) || this.#stopped) return;
        more = await this.#read();
      } catch (error) {
        this.#failed(error);
        return;
      }
      if (more) await turn();
    } while (!this.#stopped && (more || this.#again));
  }

  /** Whether everything read has been offered. */
  async #workOff(): Promise<boolean> {
    const { site } = this.#options;
    let events = 0;
    while (!site.lost) {
      let cursor = this.#cursor;
      if (!cursor) {
        const log = this.#fetched.first;
        if (!log) return true;
        if (!site.hasRoom || this.#stopped) return false;
        this.#fetched.shift();
        if (this.#suspects?.pending) {
          await this.#suspects.process(log);
          continue;
        }
        cursor = { entry: site.open(log), index: 0, match: undefined, target: 0, waiting: undefined };
        this.#cursor = cursor;
      }
      if (!this.#offer(cursor, false)) return false;
      events += cursor.entry.log.events.length;
      if (events < eventsPerTurn) continue;
      events = 0;
      await turn();
    }
    return false;
  }

  /** Offers the rest of an entry's deliveries. False if reading is to wait, which `force` excludes. */
  #offer(cursor: Cursor, force: boolean): boolean {
    const { lanes, matching, site, clock } = this.#options;
    const { entry } = cursor;
    const { events, acceptedAt, id } = entry.log;
    const now = clock.elapsed();
    const lagMs = site.storeNow(now) - acceptedAt;
    while (cursor.index < events.length) {
      const { index } = cursor;
      cursor.match ??= matching.match(events[index]!);
      const { targets, event, broken } = cursor.match;
      while (cursor.target < targets.length) {
        const delivery =
          cursor.waiting ??
          new OpenDelivery(lanes.of(targets[cursor.target]!), {
            holder: site,
            entry: id,
            index,
            event,
            acceptedAt,
          });
        entry.add(delivery);
        if (broken) giveUp(delivery, 'Quarantined');
        else if (!lanes.offer(delivery, now, lagMs, force)) {
          entry.takeBack();
          cursor.waiting = delivery;
          return false;
        }
        entry.begunAt ??= now;
        cursor.waiting = undefined;
        cursor.target++;
      }
      cursor.match = undefined;
      cursor.target = 0;
      cursor.index++;
    }
    this.#cursor = undefined;
    site.offered(entry);
    return true;
  }

  /** Whether there was something. */
  async #read(): Promise<boolean> {
    const { store, registry, clock, lanes, site } = this.#options;
    const asOf = clock.elapsed();
    this.#readAt = asOf;
    const { entries, version, now } = await store.read(site.partition, site.epoch, this.#after, readLimits);
    if (this.#stopped) return false;
    site.noteStoreNow(now);
    if (!registry.confirm(version, asOf)) await registry.refresh();
    this.#outage.over();
    lanes.reopen(clock.elapsed());
    for (const entry of entries) {
      this.#fetched.push(entry);
      this.#after = entry.id;
    }
    if (entries.length === 0) this.#suspects?.end();
    return entries.length > 0;
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
