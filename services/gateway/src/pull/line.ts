/**
 * The consumers that wait for one subscription's events at this gateway, first come first served.
 *
 * Partitions are asked in rotation for what all who wait want together, since an ask costs a step of the store, however much
 * it brings. Whoever is first gets what they hold and is answered when it has what it wants, or when each has been asked; then
 * the next has its turn. Only partitions that may hold something are asked: all of them when a consumer
 * comes and once a second, one when it is hinted at, and one when the store said that something would be due. If nobody takes
 * what an ask brings, that is given back at once, as if it had not been received.
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
/** Events in one ask, at most: a store's step must stay short. */
const askMax = 500;

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
    while (this.#holding.size > 0 && this.#consumers.length > 0) {
      try {
        this.#hand(await this.#gather(), true);
      } catch (error) {
        // The others wait on: by the next sweep the store may be back.
        this.#holding.clear();
        this.#consumers.shift()?.fail(error);
        return;
      }
    }
  }

  /** Asks each partition once, at most, while somebody waits. Answers who is full; returns what is left for the next. */
  async #gather(): Promise<readonly LeasedDelivery[]> {
    let got: LeasedDelivery[] = [];
    for (let asks = this.#options.store.info.partitions; asks > 0; asks--) {
      const room = this.#room - got.length;
      const first = this.#consumers[0];
      const partition = this.#next();
      if (!first || room <= 0 || partition === undefined || bytesOf(got) >= answerBytesMax) break;
      try {
        const more = await this.#ask(partition, Math.min(room, askMax), first.leaseMs);
        got = this.#hand([...got, ...more], false);
      } catch (error) {
        if (got.length === 0) throw error;
        break;
      }
    }
    return got;
  }

  /** What all who wait take at most. */
  get #room(): number {
    let room = 0;
    for (const { max } of this.#consumers) room += max;
    return room;
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

  /**
   * Gives what was got to those who wait, in their order, as far as it fills them; in the end also to one who wanted more, and
   * what nobody takes goes back. Returns what is kept for whoever is first.
   */
  #hand(got: readonly LeasedDelivery[], end: boolean): LeasedDelivery[] {
    let at = 0;
    while (at < got.length) {
      const first = this.#consumers[0];
      if (!first || !(end || got.length - at >= first.max)) break;
      this.#consumers.shift();
      first.serve(got.slice(at, at + first.max));
      at += first.max;
    }
    const rest = got.slice(at);
    if (!end || rest.length === 0) return rest;
    void giveBack(this.#options, rest);
    return [];
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

function bytesOf(deliveries: readonly LeasedDelivery[]): number {
  let bytes = 0;
  for (const { frame } of deliveries) bytes += frame.length;
  return bytes;
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
