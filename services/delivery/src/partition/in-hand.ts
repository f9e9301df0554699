/** What a partition's owner has in hand: entries not settled, and deliveries under a lease. */
import { Bag, type EntryId, type Incarnation } from '@gridpost/model';
import type { LogEntry } from '@gridpost/store';
import { OpenEntry } from './entry.js';
import type { OpenDelivery } from '../attempts/open-delivery.js';

export interface Pending {
  readonly count: number;
  /** Acceptance of the oldest. */
  readonly oldestAt: number;
}

export class InHand {
  /** Not concluded in full. */
  readonly entries = new Bag<OpenEntry>();
  readonly leased = new Bag<OpenDelivery>();
  /** Since the log began to be read again. */
  readonly #settled = new Set<EntryId>();
  #rereading = false;
  #events = 0;
  #bytes = 0;

  /** Events and bytes of entries that are not written. */
  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `onComplete` is called when everything of it is concluded. */
  open(log: LogEntry, onComplete: (entry: OpenEntry) => void): OpenEntry {
    const entry = new OpenEntry(log, onComplete);
    this.entries.add(entry);
    this.#events += log.events.length;
    this.#bytes += log.bytes;
    return entry;
  }

  /** An entry is out of the log. */
  settled({ id, events, bytes }: LogEntry): void {
    this.#events -= events.length;
    this.#bytes -= bytes;
    if (this.#rereading) this.#settled.add(id);
  }

  /** Whether an entry is not concluded, or was settled since the log began to be read again. */
  knows(id: EntryId): boolean {
    if (this.#settled.has(id)) return true;
    for (const entry of this.entries) if (entry.id === id) return true;
    return false;
  }

  /** The log is, or is no more, read from its front again. What is settled meanwhile may be among what was read before. */
  reread(begins: boolean): void {
    this.#rereading = begins;
    this.#settled.clear();
  }

  /** Deliveries that belong to unsettled entries, by subscription. */
  pending(): Map<Incarnation, Pending> {
    const pending = new Map<Incarnation, { count: number; oldestAt: number }>();
    for (const { deliveries, acceptedAt } of this.entries) {
      for (const { stage, token, subscription } of deliveries) {
        if (stage === 'concluded' || token !== undefined) continue;
        const known = pending.get(subscription);
        if (known) known.count++;
        else pending.set(subscription, { count: 1, oldestAt: acceptedAt });
      }
    }
    return pending;
  }

  /** Takes everything that waits out of its line, and hands it on. */
  withdraw(each: (delivery: OpenDelivery) => void): void {
    for (const { deliveries } of this.entries) withdrawFrom(deliveries, each);
    withdrawFrom(this.leased, each);
  }
}

/** Takes what waits of these out of its line, and hands it on. */
export function withdrawFrom(
  deliveries: Iterable<OpenDelivery>,
  each: (delivery: OpenDelivery) => void,
): void {
  for (const delivery of deliveries) {
    if (delivery.stage !== 'waiting') continue;
    delivery.lane.withdraw(delivery);
    each(delivery);
  }
}
