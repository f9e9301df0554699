/**
 * A delivery that a worker has in hand: read from the log or leased from its queue, and not concluded yet; and what it
 * needs of those it stands between, the partition that holds it and the lane it goes through.
 */
import {
  type AttemptOutcome,
  type DropReason,
  type Event,
  type Incarnation,
  type InBag,
  messageIdOf,
} from '@gridpost/model';
import type { RegisteredSubscription } from '@gridpost/registry';
import type { DeliveryState, Disposition } from '@gridpost/store';
import type { Sample } from '../limits/adaptive-concurrency.js';
import type { DeferReason, DeliverySeries, RedeliveryCause } from '../series.js';
import type { Target } from '../requests/target.js';

/** Delivered, or dropped: nothing of the delivery is kept. */
export const finished = { kind: 'finished' } as const;
export type Conclusion = Disposition | typeof finished;

/** The partition side. */
export interface Holder {
  readonly partition: number;
  /** `clock.elapsed()` up to which the ownership is sure. Past it another worker may have taken over. */
  readonly ownedUntil: number;
  /** To be handed over soon: what would take long is better left to the next owner. */
  readonly shedding: boolean;
  /** The store's clock at `clock.elapsed()`. */
  storeNow(elapsed: number): number;
  /**
   * Takes note of what became of a delivery, with the reason of a deferral or a drop. Ignored where that is settled already,
   * or the partition is lost.
   */
  conclude(delivery: OpenDelivery, conclusion: Conclusion, reason?: DeferReason | DropReason): void;
  /** An attempt begins, an attempt has ended: a partition is handed over when none runs. */
  began(): void;
  ended(): void;
}

/** The entry side, of a delivery read from the log: all of an entry's are settled together. */
export interface EntryInHand {
  /** Notes what became of a delivery. */
  conclude(delivery: OpenDelivery, conclusion: Conclusion): void;
}

/**
 * Why a lane starts nothing: its subscription is deleted or expired, is disabled or paused, has an endpoint that has not
 * agreed to get events or is held back, or has its events received.
 */
export type Stop = 'gone' | 'disabled' | 'paused' | 'unproven' | 'probation' | 'queue';

/** As much of an attempt as its lane keeps count of. */
export interface PassedAttempt {
  /** Whether its turn was that of deliveries fresh from the log. */
  readonly fresh: boolean;
  /** `clock.elapsed()`. */
  readonly startedAt: number;
}

/** As much of a failed attempt as is noted of its endpoint. */
export type AttemptFailure = Pick<AttemptResult, 'outcome' | 'status' | 'lastError'>;

/** The subscription side. */
export interface Passage {
  readonly registered: RegisteredSubscription;
  readonly target: Target;
  readonly series: DeliverySeries;
  readonly stop: Stop | undefined;
  /** Takes a waiting delivery out of line. */
  withdraw(delivery: OpenDelivery): void;
  /** The endpoint took an event, or answered that it does not want this one. */
  worked(attempt: PassedAttempt, now: number): void;
  /** An attempt failed in a way that another may not. */
  failed(attempt: PassedAttempt, failure: AttemptFailure): void;
  /** What an attempt that ends tells of how much the endpoint bears. */
  told(sample: Sample): void;
  /** The endpoint wants to be left alone for so long, and answered with a status. Whether it is not already. */
  hold(ms: number, status: number, now: number): boolean;
  /** An attempt has ended, and its room is free. */
  ended(attempt: PassedAttempt, now: number): void;
}

/** Where an event stands, and whose it is. */
export interface Origination {
  readonly holder: Holder;
  readonly entry: string;
  readonly index: number;
  readonly event: Event;
  readonly acceptedAt: number;
}

/** What a delivery that was leased from its queue brings along. */
export interface LeaseFacts {
  readonly token: string;
  readonly state: DeliveryState;
  /** `clock.elapsed()` when the lease ends. */
  readonly until: number;
}

/** How an attempt ended, the same for all that it carried. */
export interface AttemptResult {
  readonly outcome: AttemptOutcome;
  /** If there was a response. */
  readonly status: number | undefined;
  /** What the endpoint asked for, as it was sent. */
  readonly retryAfter: string | undefined;
  /** One printable line; empty where there is nothing to say. */
  readonly lastError: string;
  /** `clock.elapsed()`. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export class OpenDelivery implements InBag {
  readonly lane: Passage;
  readonly holder: Holder;
  readonly entry: string;
  readonly index: number;
  readonly event: Event;
  readonly acceptedAt: number;
  /** From the log, not from the queue. Stays true when its entry is settled while an attempt runs. */
  readonly fresh: boolean;
  /** `clock.elapsed()` when the lease that it came with ends; infinite for a fresh one. */
  readonly leaseUntil: number;
  /** What earlier attempts left; undefined before the first. */
  readonly state: DeliveryState | undefined;
  /** The stored lease's token: its conclusion goes there instead of into the settling of its entry. */
  token: string | undefined;
  /** Why the endpoint may have seen it before although no attempt was counted. */
  redelivery: RedeliveryCause | undefined;
  stage: 'waiting' | 'running' | 'concluded' = 'waiting';
  /** Its entry; undefined if it was leased from its queue. */
  inHandWith: EntryInHand | undefined;
  bagIndex = -1;
  /** Kept by its lane. */
  inLine = false;
  /** `clock.elapsed()` when it joined its line. */
  since = 0;
  /** `clock.elapsed()` when the attempt under way will be over. */
  deadline = 0;
  /** What its attempt has met, once it has ended. */
  met: AttemptResult | undefined = undefined;

  constructor(lane: Passage, origin: Origination, lease?: LeaseFacts) {
    this.lane = lane;
    this.holder = origin.holder;
    this.entry = origin.entry;
    this.index = origin.index;
    this.event = origin.event;
    this.acceptedAt = origin.acceptedAt;
    this.fresh = lease === undefined;
    this.leaseUntil = lease === undefined ? Number.POSITIVE_INFINITY : lease.until;
    this.state = lease?.state;
    this.token = lease?.token;
    this.redelivery = undefined;
    this.inHandWith = undefined;
  }

  /** Counts it as a redelivery if it is one, once. */
  countRedelivery(): void {
    if (this.redelivery === undefined) return;
    this.lane.series.redelivered(this.redelivery);
    this.redelivery = undefined;
  }

  get subscription(): Incarnation {
    return this.lane.registered.subscription.incarnation;
  }

  /** Attempts made before the one under way. */
  get attempts(): number {
    return this.state === undefined ? 0 : this.state.attempts;
  }

  /** Instant of the store's clock from which the time to live counts. */
  get liveFrom(): number {
    return this.state === undefined ? this.acceptedAt : this.state.liveFrom;
  }

  /** The same for every attempt, different for every event and subscription. */
  get messageId(): string {
    const { holder, entry, index } = this;
    return messageIdOf(this.event, { partition: holder.partition, entry, index }, this.subscription);
  }

  /** As it stands, for a delivery that goes back to its queue without an attempt. */
  get ownState(): DeliveryState {
    return this.state ?? { attempts: 0, liveFrom: this.acceptedAt };
  }
}
