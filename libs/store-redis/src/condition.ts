/**
 * Whether the store is in a state to accept events: what its servers offer meets the class, and there is room.
 *
 * Room is estimated from the last look at the servers plus what this process has appended since, so that no append waits
 * for a measurement. An estimate that says full is checked by a new look, at most ten a second, before anybody is refused.
 */
import { type Clock, GridpostError } from '@gridpost/model';
import { appendBytesMax, type StoreLimits } from '@gridpost/store';
import type { Link, Standing } from './link.js';
import { SharedRun } from './shared-run.js';

const lookPeriodMs = 100;

export class Condition {
  readonly #links: readonly Link[];
  readonly #limits: StoreLimits;
  readonly #clock: Clock;
  readonly #looks = new SharedRun(() => this.#look());
  #lookedAt = Number.NEGATIVE_INFINITY;
  #shortfall: string | undefined;
  #bytesUsed = 0;
  #bytesMax = 0;
  /** Some server is near its own limit. */
  #crowded = false;
  #appended = 0;

  /** The first link is the one whose servers are measured. */
  constructor(links: readonly Link[], limits: StoreLimits, clock: Clock) {
    this.#links = links;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Why appends are refused although the servers answer, if they are. */
  get shortfall(): string | undefined {
    return this.#shortfall;
  }

  /** Looks at the servers now, or shares a look that is about to begin. Rejects if one does not answer. */
  refresh(): Promise<void> {
    return this.#looks.ask();
  }

  /**
   * Lets an append of so many bytes pass. Throws, or rejects, with `StoreUnavailable` or `StoreFull`; a promise is returned
   * only where it has to be looked.
   */
  admit(bytes: number): Promise<void> | undefined {
    if (this.#shortfall !== undefined) throw new GridpostError('StoreUnavailable', this.#shortfall);
    if (this.#takes(bytes)) return undefined;
    return this.#admitAfterLook(bytes);
  }

  async #admitAfterLook(bytes: number): Promise<void> {
    await this.#looks.ask();
    if (this.#shortfall !== undefined) throw new GridpostError('StoreUnavailable', this.#shortfall);
    if (this.#takes(bytes)) return;
    throw new GridpostError('StoreFull', `the store holds ${this.#bytesUsed} of ${this.#bytesMax} bytes`);
  }

  #takes(bytes: number): boolean {
    const estimate = this.#bytesUsed + this.#appended + bytes;
    if (this.#crowded || estimate > appendBytesMax({ ...this.#limits, bytesMax: this.#bytesMax }))
      return false;
    this.#appended += bytes;
    return true;
  }

  async #look(): Promise<void> {
    const waitMs = this.#lookedAt + lookPeriodMs - this.#clock.elapsed();
    if (waitMs > 0) await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve));
    this.#lookedAt = this.#clock.elapsed();
    // What is appended from here on may or may not be in the measurement; counting it twice only looks again sooner.
    const before = this.#appended;
    const [measured = [], ...others] = await Promise.all(this.#links.map((link) => link.assess()));
    this.#appended -= before;
    this.#measure(measured);
    this.#shortfall = [measured, ...others]
      .flat()
      .find(({ shortfall }) => shortfall !== undefined)?.shortfall;
  }

  #measure(standings: readonly Standing[]): void {
    let used = 0;
    let memory = 0;
    this.#crowded = false;
    for (const { offer } of standings) {
      const { dataBytes, usedBytes, memoryBytesMax } = offer;
      used += dataBytes;
      memory += memoryBytesMax || Number.POSITIVE_INFINITY;
      const own = appendBytesMax({ ...this.#limits, bytesMax: memoryBytesMax });
      if (memoryBytesMax > 0 && usedBytes > own) this.#crowded = true;
    }
    this.#bytesUsed = used;
    this.#bytesMax = Math.min(this.#limits.bytesMax, memory);
  }
}
