/** Deliveries of one subscription that wait in memory for room. */
import { Fifo } from './fifo.js';
import type { OpenDelivery } from '../attempts/open-delivery.js';

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
