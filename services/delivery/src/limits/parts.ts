/**
 * What this worker may use of each subscription's limits: its part of what is divided among the workers (`shares.ts`), or
 * permits that go round where there are too few to divide (`permits.ts`).
 */
import type { Clock, Incarnation, Log, Subscription } from '@gridpost/model';
import type { Store } from '@gridpost/store';
import type { DeliverySettings } from '../settings.js';
import { Permits, type PermitUser } from './permits.js';
import { boundsOf, partOf, rateOf } from './shares.js';
import type { Part } from './throttle.js';

export interface PartsOptions {
  /** This worker, by the name that it announces itself with. */
  readonly worker: string;
  readonly settings: Pick<DeliverySettings, 'concurrency'>;
  readonly store: Pick<Store, 'permits'>;
  readonly clock: Clock;
  readonly log: Log;
  /** A subscription may start so many attempts more or less than before. */
  readonly onChange: (subscription: Incarnation) => void;
}

export class Parts {
  readonly #options: PartsOptions;
  readonly #permits: Permits;
  #workers: readonly string[] = [];

  constructor(options: PartsOptions) {
    this.#options = options;
    this.#permits = new Permits(options);
  }

  /** Those that are to own partitions: each has its part. */
  set workers(workers: readonly string[]) {
    this.#workers = workers;
  }

  /** Its part of the concurrency of a subscription that says nothing else. */
  get usual(): number {
    return Math.max(1, Math.ceil(this.#options.settings.concurrency / Math.max(1, this.#workers.length)));
  }

  of(subscription: Subscription, user: PermitUser): Part {
    const { settings, worker } = this.#options;
    const { concurrency, rate } = boundsOf(subscription, settings);
    const { incarnation } = subscription;
    const own = partOf(concurrency, incarnation, this.#workers, worker);
    if (own !== undefined) this.#permits.forget(incarnation);
    return {
      attempts: own ?? this.#permits.of(incarnation, concurrency, user),
      ceiling: own ?? concurrency,
      rate: rate === undefined ? undefined : rateOf(rate, this.#workers),
    };
  }

  /** It is not delivered to any more. */
  forget(subscription: Incarnation): void {
    this.#permits.forget(subscription);
  }

  /** To be called about every 100 ms. */
  look(now: number): void {
    this.#permits.look(now);
  }

  /** Resolves when no call is under way. */
  ended(): Promise<void> {
    return this.#permits.ended();
  }
}
