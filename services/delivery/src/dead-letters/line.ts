/**
 * The dead letters of one subscription on their way to its destination, over the partitions that this worker owns. One
 * batch is written at a time, and its dead letters are let go when the destination has it: what is repeated after a
 * crash between the two is recognised by its name. Two owners of a partition, during a hand-over, may both write; they
 * write the same.
 */
import type { Clock, Log, Subscription } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { DeadLetterPage, Store } from '@gridpost/store';
import { Outage } from '../outage.js';
import { batchOf } from './batch.js';
import type { Destinations } from './destinations.js';

export interface LineOptions {
  readonly store: Store;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a dead letter is kept before it is written. */
  readonly delayMs: number;
  readonly destinations: Destinations;
}

/** Dead letters of one batch; fewer than a store lets go in one step. */
const batchMax = 250;
/** Batches of one partition before it is another subscription's turn. */
const batchesMax = 20;
/** A destination that is down is tried again after 100 ms, doubling to this. */
const longestRetryMs = 60_000;

export class Line {
  readonly #options: LineOptions;
  readonly #outage: Outage;
  /** When the oldest dead letter of a partition was given up, as far as it is known; of the store's clock. */
  readonly #oldest = new Map<number, number>();
  #running: Promise<void> | undefined;
  #retryAt = 0;
  #lastRunAt = Number.NEGATIVE_INFINITY;

  constructor(subscription: Subscription, options: LineOptions) {
    this.#options = options;
    const { topic, name } = subscription;
    this.#outage = new Outage(
      options.log,
      'writing dead letters',
      { topic, subscription: name },
      longestRetryMs,
    );
  }

  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** `clock.elapsed()` when it last began. */
  get lastRunAt(): number {
    return this.#lastRunAt;
  }

  /** Begins to write what is due in these partitions, unless it is at it or has to wait. Never throws. */
  run(subscription: Subscription, partitions: readonly number[], now: number): void {
    for (const partition of this.#oldest.keys())
      if (!partitions.includes(partition)) this.#oldest.delete(partition);
    const { clock, delayMs } = this.#options;
    if (this.#running || clock.elapsed() < this.#retryAt) return;
    const due = partitions.filter((partition) => {
      const oldest = this.#oldest.get(partition);
      return oldest === undefined || now - oldest >= delayMs;
    });
    if (due.length === 0) return;
    this.#lastRunAt = clock.elapsed();
    this.#running = this.#writeAll(subscription, due, now).finally(() => {
      this.#running = undefined;
    });
  }

  /** How long the oldest dead letter has been due to be written, in milliseconds; 0 if none is. */
  overdueMs(now: number): number {
    const oldest = Math.min(now, ...this.#oldest.values());
    return Math.max(0, now - oldest - this.#options.delayMs);
  }

  async #writeAll(subscription: Subscription, partitions: readonly number[], now: number): Promise<void> {
    const { clock, metrics } = this.#options;
    try {
      for (const partition of partitions)
        for (let batches = 0; batches < batchesMax; batches++)
          if (!(await this.#writeOne(subscription, partition, now))) break;
      this.#outage.over();
    } catch (error) {
      metrics.deadLetterWriteFailures.with(destinationOf(subscription)).add();
      this.#retryAt = clock.elapsed() + this.#outage.failed(error);
    }
  }

  /** Whether there was something to write. */
  async #writeOne(subscription: Subscription, partition: number, now: number): Promise<boolean> {
    const { store, metrics, delayMs, destinations } = this.#options;
    const { incarnation } = subscription;
    const { deadLetters }: DeadLetterPage = await store.deadLetters(
      partition,
      incarnation,
      undefined,
      batchMax,
    );
    const oldest = deadLetters[0]?.deadLetteredAt;
    if (oldest === undefined) this.#oldest.delete(partition);
    else this.#oldest.set(partition, oldest);
    const young = deadLetters.findIndex(({ deadLetteredAt }) => now - deadLetteredAt < delayMs);
    const due = young === -1 ? deadLetters : deadLetters.slice(0, young);
    if (due.length === 0) return false;
    const batch = batchOf(subscription, due);
    await destinations.write(subscription, batch);
    await store.letGo(partition, incarnation, batch.deadLetters);
    metrics.deadLettersWritten.with(destinationOf(subscription)).add(batch.deadLetters.length);
    return true;
  }
}

function destinationOf({ properties }: Subscription): string {
  return properties.deadLetterDestination!.endpointType;
}
