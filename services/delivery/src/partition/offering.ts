/** Offers the deliveries of one entry after the other to the lanes; it may have to stop in the middle of one and go on later. */
import type { Clock } from '@gridpost/model';
import type { LogEntry } from '@gridpost/store';
import { giveUp } from '../attempts/endings.js';
import type { OpenEntry } from './entry.js';
import type { Lanes } from '../lanes/lanes.js';
import type { Match, Matching } from './matching.js';
import { OpenDelivery } from '../attempts/open-delivery.js';
import type { Site } from './site.js';

export interface OfferingOptions {
  readonly clock: Clock;
  readonly lanes: Lanes;
  readonly matching: Matching;
  readonly site: Site;
}

export class Offering {
  readonly #options: OfferingOptions;
  #entry: OpenEntry | undefined;
  /** Why its endpoints may have seen the entry's events already. */
  #redelivery: OpenDelivery['redelivery'];
  #index = 0;
  #match: Match | undefined;
  #target = 0;
  /** The delivery that made reading wait. */
  #waiting: OpenDelivery | undefined;

  constructor(options: OfferingOptions) {
    this.#options = options;
  }

  /** The entry that is not offered in full. */
  get entry(): OpenEntry | undefined {
    return this.#entry;
  }

  /** Takes the next entry in hand. */
  begin(log: LogEntry, redelivery: OpenDelivery['redelivery']): void {
    this.#entry = this.#options.site.open(log);
    this.#redelivery = redelivery;
    this.#index = 0;
  }

  /** Offers what is left of the entry. False if reading is to wait, which `force` excludes. */
  proceed(force: boolean): boolean {
    const { lanes, matching, site, clock } = this.#options;
    const entry = this.#entry;
    if (!entry) return true;
    const { events, acceptedAt, id } = entry.log;
    const now = clock.elapsed();
    const lagMs = site.storeNow(now) - acceptedAt;
    for (; this.#index < events.length; this.#index++) {
      const index = this.#index;
      this.#match ??= matching.match(events[index]!);
      const { targets, event, broken } = this.#match;
      for (; this.#target < targets.length; this.#target++) {
        let delivery = this.#waiting;
        if (!delivery) {
          const origin = { holder: site, entry: id, index, event, acceptedAt };
          delivery = new OpenDelivery(lanes.of(targets[this.#target]!), origin);
          delivery.redelivery = this.#redelivery;
        }
        entry.add(delivery);
        if (broken) giveUp(delivery, 'Quarantined');
        else if (!lanes.offer(delivery, now, lagMs, force)) {
          entry.takeBack();
          this.#waiting = delivery;
          return false;
        }
        entry.begunAt ??= now;
        this.#waiting = undefined;
      }
      this.#match = undefined;
      this.#target = 0;
    }
    this.#entry = undefined;
    site.offered(entry);
    return true;
  }
}
