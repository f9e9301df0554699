import type { LeasedDelivery } from '@gridpost/store';
import type { Consumer } from './line.js';

/** One consumer's request, from its place in line to its end. */
export class Request implements Consumer {
  readonly max: number;
  readonly leaseMs: number;
  readonly deliveries: Promise<readonly LeasedDelivery[]>;
  got: readonly LeasedDelivery[] = [];
  onEnd: () => void = () => {};
  readonly #resolve: (deliveries: readonly LeasedDelivery[]) => void;
  readonly #reject: (error: unknown) => void;

  constructor(max: number, leaseMs: number) {
    this.max = max;
    this.leaseMs = leaseMs;
    let resolve!: typeof this.serve;
    let reject!: typeof this.fail;
    this.deliveries = new Promise((...both) => {
      [resolve, reject] = both;
    });
    this.#resolve = resolve;
    this.#reject = reject;
  }

  serve(deliveries: readonly LeasedDelivery[]): void {
    this.got = deliveries;
    this.onEnd();
    this.#resolve(deliveries);
  }

  fail(error: unknown): void {
    this.onEnd();
    this.#reject(error);
  }

  /** It waits no longer. */
  leave(): void {
    this.onEnd();
    this.#resolve([]);
  }
}
