/**
 * The deliveries of one subscription that wait in memory for room, and whose turn it is: *fresh* ones, read from the log,
 * and *leased* ones, from the subscription's queue. While the queue is known to hold more that is due, at least half of
 * the room is for leased ones; room that one line cannot use goes to the other.
 */
import type { OpenDelivery } from '../attempts/open-delivery.js';
import { Fifo } from './fifo.js';

export class Line {
  readonly #line = new Fifo<OpenDelivery>();
  count = 0;
  bytes = 0;

  get first(): OpenDelivery | undefined {
    // What was taken out elsewhere than at the front leaves when it comes to the front.
    while (this.#line.first && !this.#line.first.inLine) this.#line.shift();
    return this.#line.first;
  }

  push(delivery: OpenDelivery): void {
    delivery.inLine = true;
    this.#line.push(delivery);
    this.count++;
    this.bytes += delivery.event.frame.length;
  }

  remove(delivery: OpenDelivery): void {
    delivery.inLine = false;
    this.count--;
    this.bytes -= delivery.event.frame.length;
    void this.first;
  }
}

export class Lines {
  readonly fresh = new Line();
  readonly leased = new Line();
  readonly #onLeased: (by: number) => void;

  /** `onLeased`: so many more wait of the leased ones. */
  constructor(onLeased: (by: number) => void) {
    this.#onLeased = onLeased;
  }

  get empty(): boolean {
    return this.fresh.count === 0 && this.leased.count === 0;
  }

  push(delivery: OpenDelivery): void {
    this.#of(delivery).push(delivery);
    if (!delivery.fresh) this.#onLeased(1);
  }

  remove(delivery: OpenDelivery): void {
    this.#of(delivery).remove(delivery);
    if (!delivery.fresh) this.#onLeased(-1);
  }

  /**
   * Whose turn it is, where another attempt may start. `limit`: how many at once. `freshRunning`, `leasedRunning`: those
   * that run by the kind of their first. `backlog`: whether more is due than is in line.
   */
  next(
    limit: number,
    freshRunning: number,
    leasedRunning: number,
    backlog: boolean,
  ): OpenDelivery | undefined {
    const fresh = this.fresh.first;
    const leased = this.leased.first;
    if (leased === undefined && !backlog) return fresh;
    const half = Math.ceil(limit / 2);
    const freshMayStart = fresh !== undefined && freshRunning < limit - half;
    if (leased !== undefined && (!freshMayStart || leasedRunning < half)) return leased;
    return freshMayStart ? fresh : undefined;
  }

  /** What follows in a batch: of the line whose turn it is, or else of the other. */
  after({ fresh }: OpenDelivery): OpenDelivery | undefined {
    const [own, other] = fresh ? [this.fresh, this.leased] : [this.leased, this.fresh];
    return own.first ?? other.first;
  }

  /** Takes everything out of line, and hands it on. */
  clear(conclude: (delivery: OpenDelivery) => void): void {
    for (const line of [this.fresh, this.leased]) {
      for (let delivery = line.first; delivery; delivery = line.first) {
        this.remove(delivery);
        conclude(delivery);
      }
    }
  }

  #of(delivery: OpenDelivery): Line {
    return delivery.fresh ? this.fresh : this.leased;
  }
}
