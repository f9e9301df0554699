/**
 * The consumers that wait for one subscription's events at this gateway, first come first served.
 *
 * The first in line is served by asking partitions, in rotation, until it has what it wants or there is no more; then it
 * is answered, and the next has its turn. Only partitions that may hold something are asked: all of them when a consumer
 * comes and once a second, one when it is hinted at, and one when the store said that something would be due. An ask is
 * made on behalf of whoever is first when it begins; if nobody takes what it brings, that is given back at once, as if it
 * had not been received.
 */
import type { Clock, Incarnation, Log, Timer } from '@gridpost/model';
import { answerBytesMax, type LeasedDelivery, type LeaseOutcome, type Store } from '@gridpost/store';
import { byPartition } from '../by-partition.js';

export interface Consumer {
  /** Most events it takes. */
  readonly max: number;
  readonly leaseMs: number;
  /** Ends its waiting with what it gets. */
  serve(deliveries: readonly LeasedDelivery[]): void;
  fail(error: unknown): void;
}

export interface LineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly subscription: Incarnation;
  /** Names the leases of this process: `[A-Za-z0-9._-]`, at most 32. */
  readonly token: string;
  /** Which of these a consumer may still get; the others are concluded. */
  readonly admit: (deliveries: readonly LeasedDelivery[], now: number) => readonly LeasedDelivery[];
  /** Nobody waits any more. */
  readonly onEmpty: () => void;
}

/** All partitions are asked this often while somebody waits: hints may be lost. */
const sweepMs = 1_000;

export class Line {
  readonly #options: LineOptions;
  readonly #consumers: Consumer[] = [];
  readonly #stopListening: () => void;
  readonly #sweep: Timer;
  /** Partitions that may hold something due. */
  readonly #holding = new Set<number>();
  /** By partition, when the store's next delivery there is due (`clock.elapsed()`). */
  readonly #dueAt = new Map<number, number>();
  #due: Timer | undefined;
  #lastAsked = -1;
  #asking: Promise<void> | undefined;
  #ended = false;

  constructor(options: LineOptions) {
    const { store, clock, subscription } = options;
    this.#options = options;
    this.#stopListening = store.onDeferred(subscription, (partition) => this.#wake(partition));
    this.#sweep = clock.every(sweepMs, () => this.#askAll());
  }

  enter(consumer: Consumer): void {
    this.#consumers.push(consumer);
    this.#askAll();
  }

  /** Takes a consumer out of the line, whether it is in it or not. */
  leave(consumer: Consumer): void {
    const at = this.#consumers.indexOf(consumer);
    if (at !== -1) this.#consumers.splice(at, 1);
    if (this.#consumers.length === 0 && !this.#asking) this.#end();
  }

  /** Answers everybody with what there is. Resolves when nothing is under way. */
  async close(): Promise<void> {
    for (const consumer of this.#consumers.splice(0)) consumer.serve([]);
    await this.#asking;
    this.#end();
  }

  #askAll(): void {
    for (let partition = 0; partition < this.#options.store.info.partitions; partition++)
      this.#holding.add(partition);
    this.#proceed();
  }

  #wake(partition: number): void {
    this.#holding.add(partition);
    this.#proceed();
  }

  #proceed(): void {
    if (this.#asking || this.#ended) return;
    this.#asking = this.#serveAll().finally(() => {
      this.#asking = undefined;
      if (this.#consumers.length === 0) this.#end();
      // What came while the last ask ended.
      else if (this.#holding.size > 0) this.#proceed();
    });
  }

  async #serveAll(): Promise<void> {
    while (this.#holding.size > 0) {
      const consumer = this.#consumers[0];
      if (!consumer) return;
      let got: readonly LeasedDelivery[];
      try {
        got = await this.#gather(consumer);
      } catch (error) {
        // The others wait on: by the next sweep the store may be back.
        this.#holding.clear();
        this.leave(consumer);
        consumer.fail(error);
        return;
      }
      if (got.length === 0) continue;
      this.#hand(got);
    }
  }

  /** What the partitions hold for one consumer: until it is full, or each has been asked once. */
  async #gather(consumer: Consumer): Promise<readonly LeasedDelivery[]> {
    const got: LeasedDelivery[] = [];
    let bytes = 0;
    for (let asks = this.#options.store.info.partitions; asks > 0; asks--) {
      const partition = this.#next();
      if (partition === undefined || got.length >= consumer.max || bytes >= answerBytesMax) break;
      let deliveries: readonly LeasedDelivery[];
      try {
        deliveries = await this.#ask(partition, consumer.max - got.length, consumer.leaseMs);
      } catch (error) {
        if (got.length === 0) throw error;
        break;
      }
      for (const delivery of deliveries) bytes += delivery.frame.length;
      got.push(...deliveries);
      // It has left: nothing more is leased for it.
      if (got.length === 0 && this.#consumers[0] !== consumer) break;
    }
    return got;
  }

  /** The partition after the one asked last, of those that may hold something. */
  #next(): number | undefined {
    let first: number | undefined;
    let next: number | undefined;
    for (const partition of this.#holding) {
      if (first === undefined || partition < first) first = partition;
      if (partition > this.#lastAsked && (next === undefined || partition < next)) next = partition;
    }
    return next ?? first;
  }

  async #ask(partition: number, max: number, leaseMs: number): Promise<readonly LeasedDelivery[]> {
    const { store, clock, subscription, token, admit } = this.#options;
    this.#lastAsked = partition;
    // Whatever is hinted at from now on may come too late for this ask.
    this.#holding.delete(partition);
    const { deliveries, now, nextInMs } = await store.receive(partition, {
      subscription,
      max,
      leaseMs,
      token,
    });
    if (nextInMs === 0 && deliveries.length > 0) this.#holding.add(partition);
    this.#expect(partition, nextInMs ? clock.elapsed() + nextInMs : undefined);
    return deliveries.length === 0 ? deliveries : admit(deliveries, now);
  }

  /** Gives what was got to those who wait, in their order; what nobody takes goes back. */
  #hand(got: readonly LeasedDelivery[]): void {
    let rest = got;
    while (rest.length > 0) {
      const consumer = this.#consumers.shift();
      if (!consumer) break;
      consumer.serve(rest.slice(0, consumer.max));
      rest = rest.slice(consumer.max);
    }
    if (rest.length > 0) void giveBack(this.#options, rest);
  }

  #expect(partition: number, at: number | undefined): void {
    if (at === undefined) this.#dueAt.delete(partition);
    else this.#dueAt.set(partition, at);
    this.#due?.cancel();
    this.#due = undefined;
    if (this.#dueAt.size === 0 || this.#ended) return;
    const { clock } = this.#options;
    const earliest = Math.min(...this.#dueAt.values());
    this.#due = clock.after(Math.max(0, earliest - clock.elapsed()), () => {
      const now = clock.elapsed();
      for (const [each, dueAt] of this.#dueAt) {
        if (dueAt > now) continue;
        this.#dueAt.delete(each);
        this.#holding.add(each);
      }
      this.#proceed();
    });
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopListening();
    this.#sweep.cancel();
    this.#due?.cancel();
    this.#options.onEmpty();
  }
}

/** Makes received deliveries due again as if nobody had received them. If that fails, their locks run out by themselves. */
export async function giveBack(
  { store, log, subscription }: Pick<LineOptions, 'store' | 'log' | 'subscription'>,
  deliveries: readonly LeasedDelivery[],
): Promise<void> {
  for (const [partition, together] of byPartition(deliveries, ({ place }) => place.partition)) {
    const outcomes = together.map(({ place, token, state }): LeaseOutcome => {
      const { entry, index } = place;
      return {
        ...{ entry, index, subscription, token },
        disposition: { kind: 'deferred', dueInMs: 0, state: { ...state, attempts: state.attempts - 1 } },
      };
    });
    try {
      await store.conclude(partition, outcomes);
    } catch (error) {
      log.warn({ partition, error: String(error) }, 'events that nobody took could not be given back');
    }
  }
}
