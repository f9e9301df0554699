/** A log entry in hand: its deliveries, and what is to be written of them when it is settled. */
import type { EntryId } from '@gridpost/model';
import type { Deferral, LogEntry, PendingEvent, SettledEntry } from '@gridpost/store';
import { type Conclusion, finished, type OpenDelivery } from './open-delivery.js';

const none: readonly never[] = [];
const noEvents: ReadonlyMap<number, PendingEvent> = new Map();

export class OpenEntry implements SettledEntry {
  readonly log: LogEntry;
  readonly deliveries: OpenDelivery[] = [];
  deferrals: readonly Deferral[] = none;
  events: ReadonlyMap<number, PendingEvent> = noEvents;
  /** `clock.elapsed()` when its first delivery was taken in hand, from which the settle window counts. */
  begunAt: number | undefined;
  /** Called after each conclusion; the index is the event's. */
  onConclude: ((index: number) => void) | undefined;
  /** Deliveries not concluded, and one more until all its events have been offered. */
  #open = 1;

  constructor(log: LogEntry) {
    this.log = log;
  }

  get id(): EntryId {
    return this.log.id;
  }

  get acceptedAt(): number {
    return this.log.acceptedAt;
  }

  add(delivery: OpenDelivery): void {
    this.deliveries.push(delivery);
    this.#open++;
  }

  /** Undoes the last `add`, for a delivery that was not taken. */
  takeBack(): void {
    this.deliveries.pop();
    this.#open--;
  }

  /** All its events have been offered. Returns whether everything is concluded. */
  offered(): boolean {
    return --this.#open === 0;
  }

  /** Notes what became of a delivery. Returns whether everything is concluded. */
  conclude({ index, subscription }: OpenDelivery, conclusion: Conclusion): boolean {
    if (conclusion !== finished) {
      if (this.deferrals === none) {
        this.deferrals = [];
        this.events = new Map();
      }
      (this.deferrals as Deferral[]).push({ index, subscription, disposition: conclusion as never });
      (this.events as Map<number, PendingEvent>).set(index, this.log.events[index]!);
    }
    this.#open--;
    this.onConclude?.(index);
    return this.#open === 0;
  }
}
