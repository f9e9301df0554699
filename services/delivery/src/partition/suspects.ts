/**
 * The first entries after an unclean takeover: any of their events may have brought the previous worker down. They are
 * processed one event at a time, each noted in the store before anything touches it, so that an event present at three
 * crashes (the first, after which it became suspect, and two under a note) is found out and kept as a dead letter.
 *
 * An event's note stays as long as its entry, whatever became of the event. So that the innocent neighbours in an entry
 * are not found at every crash of the one, an entry is gone through forwards and backwards in turn: what lies before it
 * is noted at one crash, what lies after it at the next, and only the event itself at both. Whose turn it is, is noted in
 * the same way, for the place behind the entry's last event.
 *
 * An event's attempts get a moment to end before the next event begins, since what is under way at a crash shares the
 * blame; all moments together are bounded, so that many suspects with a slow endpoint do not hold up the rest for long.
 */
import type { Clock, EntryId, Log } from '@gridpost/model';
import { Fenced, type LogEntry, type Store } from '@gridpost/store';
import { giveUp } from '../attempts/endings.js';
import type { OpenEntry } from './entry.js';
import type { Lanes } from '../lanes/lanes.js';
import type { Matching } from './matching.js';
import { OpenDelivery } from '../attempts/open-delivery.js';
import { Outage } from '../outage.js';
import type { Site } from './site.js';

export interface SuspectsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly lanes: Lanes;
  readonly matching: Matching;
  readonly site: Site;
  readonly upTo: EntryId;
}

/**
 * How long one event's attempts are waited for, and all together. Long enough for an endpoint's answer on a busy machine:
 * where the next event begins before a crash comes, it is blamed as well.
 */
const momentMs = 200;
const momentsMsMax = 5_000;
/** Notes under earlier epochs from which on an event is quarantined. */
const notesMax = 2;

export class Suspects {
  readonly #options: SuspectsOptions;
  readonly #until: number;
  #done = false;

  constructor(options: SuspectsOptions) {
    this.#options = options;
    this.#until = options.clock.elapsed() + momentsMsMax;
  }

  /** Whether the next entry of the log is still suspect. */
  get pending(): boolean {
    return !this.#done;
  }

  /** Nothing is left of them in the log. */
  end(): void {
    this.#done = true;
  }

  /** Processes one entry. Rejects only with `Fenced`. */
  async process(log: LogEntry): Promise<void> {
    const { site, upTo } = this.#options;
    const entry = site.open(log);
    const { length } = log.events;
    const passes = length > 1 ? await this.#note(entry, length) : 0;
    for (let step = 0; step < length && !site.lost; step++)
      await this.#processEvent(entry, passes % 2 === 0 ? step : length - 1 - step);
    if (site.lost) return;
    entry.onConclude = undefined;
    site.offered(entry);
    if (log.id === upTo) this.#done = true;
  }

  async #processEvent(entry: OpenEntry, index: number): Promise<void> {
    const { lanes, matching, site, clock } = this.#options;
    const notes = await this.#note(entry, index);
    // It was there at a crash. What is out of the log by the next one is not found beside it again.
    if (notes > 0) await this.#moment(site.settled());
    if (site.lost) return;
    const { event, targets, broken } = matching.match(entry.log.events[index]!);
    const now = clock.elapsed();
    let open = 0;
    const over = new Promise<void>((resolve) => {
      entry.onConclude = (concluded) => {
        if (concluded === index && --open === 0) resolve();
      };
      open = targets.length;
      if (open === 0) resolve();
    });
    for (const target of targets) {
      const { acceptedAt, id } = entry.log;
      const origin = { holder: site, entry: id, index, event, acceptedAt };
      const delivery = new OpenDelivery(lanes.of(target), origin);
      delivery.redelivery = 'crash';
      entry.add(delivery);
      if (broken || notes >= notesMax) this.#quarantine(delivery, notes);
      else lanes.offer(delivery, now, 0, true);
    }
    await this.#moment(over);
  }

  async #note(entry: OpenEntry, index: number): Promise<number> {
    const { store, site, log } = this.#options;
    const outage = new Outage(log, 'noting suspects', { partition: site.partition });
    for (;;) {
      try {
        const notes = await store.begin(site.partition, site.epoch, entry.id, index);
        outage.over();
        return notes;
      } catch (error) {
        if (error instanceof Fenced) throw error;
        if (site.lost) return 0;
        await site.pause(outage.failed(error));
      }
    }
  }

  #quarantine(delivery: OpenDelivery, notes: number): void {
    const { topic, name } = delivery.lane.registered.subscription;
    const { id, source } = delivery.event;
    this.#options.log.error(
      { topic, subscription: name, eventId: id, source, crashes: notes + 1 },
      'event quarantined: it was there at every crash',
    );
    giveUp(delivery, 'Quarantined');
  }

  async #moment(over: Promise<void>): Promise<void> {
    const { clock, site } = this.#options;
    const leftMs = Math.min(momentMs, this.#until - clock.elapsed());
    if (leftMs > 0) await site.pause(leftMs, over);
  }
}
