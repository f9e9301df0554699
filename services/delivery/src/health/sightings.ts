/** What this worker's attempts at one endpoint have shown: failures in a row, and what is not noted of it yet. */
import type { FailureSeen } from '@gridpost/model';
import type { AttemptFailure } from '../attempts/open-delivery.js';
import { type Seen, withSeen } from './health.js';

const nothing: Seen = { failures: {} };

export class Sightings {
  /** Failures with no success between. Kept by `ward.ts`, which knows which of them count. */
  row = 0;
  #seen: Seen = nothing;
  /** `clock.elapsed()`. */
  #succeededAt: number | undefined;

  succeeded(now: number): void {
    this.#succeededAt = now;
  }

  /** `at`: `clock.now()`. */
  failed({ outcome, status, lastError }: AttemptFailure, at: number): void {
    const lastFailure: FailureSeen = {
      ...{ at, outcome },
      ...(status === undefined ? {} : { status }),
      ...(lastError === '' ? {} : { error: lastError }),
    };
    this.#seen = withSeen(this.#seen, { failures: { [outcome]: 1 }, lastFailure });
  }

  /** The failures so far are of the past. */
  forget(): void {
    this.#seen = nothing;
  }

  /**
   * Gives out what is to be noted, without the failures if these may be the first of a row. `zero`: `clock.now()` when
   * `clock.elapsed()` was 0.
   */
  take(withFailures: boolean, zero: number): Seen {
    const { failures, ...last } = this.#seen;
    this.#seen = withFailures ? nothing : { failures };
    return {
      ...last,
      failures: withFailures ? failures : {},
      ...(this.#succeededAt === undefined ? {} : { lastSuccessAt: Math.round(zero + this.#succeededAt) }),
    };
  }

  /** It was not noted. */
  giveBack(seen: Seen): void {
    this.#seen = withSeen(seen, this.#seen);
  }
}
