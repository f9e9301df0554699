/** A log entry in hand: its deliveries, and what is to be written of them when it is settled. */
import type { EntryId, InBag, Incarnation } from '@gridpost/model';
import type { Deferral, LeaseOutcome, LogEntry, PendingEvent, SettledEntry } from '@gridpost/store';
import { type Conclusion, type EntryInHand, finished, type OpenDelivery } from '../attempts/open-delivery.js';

const none: readonly never[] = [];
const noEvents: ReadonlyMap<number, PendingEvent> = new Map();

export class OpenEntry implements SettledEntry, EntryInHand, InBag {
  readonly log: LogEntry;
  readonly deliveries: OpenDelivery[] = [];
  deferrals: readonly Deferral[] = none;
  events: ReadonlyMap<number, PendingEvent> = noEvents;
  /** `clock.elapsed()` when its first delivery was taken in hand, from which the settle window counts. */
  begunAt: number | undefined;
  /** Called after each conclusion; the index is the event's. */
  onConclude: ((index: number) => void) | undefined;
  bagIndex = -1;
  /** Deliveries not concluded, and one more until all its events have been offered. */
  #open = 1;

  readonly #onComplete: (entry: OpenEntry) => void;

  /** `onComplete` is called once, when everything is concluded. */
  constructor(log: LogEntry, onComplete: (entry: OpenEntry) => void) {
    this.log = log;
    this.#onComplete = onComplete;
  }

  get id(): EntryId {
    return this.log.id;
  }

  get acceptedAt(): number {
    return this.log.acceptedAt;
  }

  add(delivery: OpenDelivery): void {
    delivery.inHandWith = this;
    this.deliveries.push(delivery);
    this.#open++;
  }

  /** Undoes the last `add`, for a delivery that was not taken. */
  takeBack(): void {
    this.deliveries.pop();
    this.#open--;
  }

  /** All its events have been offered. */
  offered(): void {
    if (--this.#open === 0) this.#onComplete(this);
  }

  /** Makes what is to be deferred for the subscription due at once. */
  hasten(subscription: Incarnation): void {
    if (this.deferrals !== none) this.deferrals = hastened(this.deferrals, subscription);
  }

  conclude({ index, subscription }: OpenDelivery, conclusion: Conclusion): void {
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
    if (this.#open === 0) this.#onComplete(this);
  }
}

/** What is to be written, with whatever is deferred for the subscription due at once. */
export function hastened<T extends Pick<LeaseOutcome, 'subscription' | 'disposition'>>(
  ends: readonly T[],
  subscription: Incarnation,
): T[] {
  return ends.map((end) =>
    end.subscription === subscription && end.disposition.kind === 'deferred'
      ? { ...end, disposition: { ...end.disposition, dueInMs: 0 } }
      : end,
  );
}
