/**
 * How fast deliveries to an endpoint that takes nothing are taken back up from their queue. A dead endpoint with a long
 * queue would otherwise be tried as fast as it refuses, thousands of times a second, at everybody's expense. Deliveries
 * that come fresh from the log are not held back, and the first that is taken ends it.
 */

/** So many failures in a row, and the endpoint is taken for broken (Event Grid, "Delayed delivery"). */
const failuresMin = 10;
/** One retry in so many milliseconds, and so many of a pause's at once: queues are asked about every second. */
const retryEveryMs = 100;
const atOnceMax = 10;

export class Pace {
  #failures = 0;
  #nextAt = 0;

  /** The endpoint has failed often enough in a row. */
  get failing(): boolean {
    return this.#failures >= failuresMin;
  }

  /** Retries that may start now; infinite while the endpoint is not failing. */
  room(now: number): number {
    if (!this.failing) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(atOnceMax, 1 + Math.floor((now - this.#nextAt) / retryEveryMs)));
  }

  /** A retry has started. What starts while all is well is not counted: it would be held against the retries to come. */
  started(now: number): void {
    if (!this.failing) return;
    this.#nextAt = Math.max(this.#nextAt, now - (atOnceMax - 1) * retryEveryMs) + retryEveryMs;
  }

  /** An attempt failed in a way that another may not. Whether the endpoint is taken for broken from now on. */
  failed(): boolean {
    return ++this.#failures === failuresMin;
  }

  /** The endpoint took an event, or answered that it does not want this one. Whether it was taken for broken. */
  worked(): boolean {
    const was = this.failing;
    this.#failures = 0;
    return was;
  }
}
