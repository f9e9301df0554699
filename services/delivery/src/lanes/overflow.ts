/**
 * Where the deliveries of a full lane wait. It should make its own wait and nobody else's. They can wait in the log, which
 * costs nothing, but then everything behind them waits as well; or in their queue, which costs a write and a read each. So:
 *
 * - Where the first in line waited less than 50 ms the lane moves on quickly, and reading waits for it.
 * - Otherwise, if another lane is hungry, the delivery is deferred, so that reading can go on and find work for it.
 * - The same if reading lags by more than a second and there are subscriptions that were offered nothing for a second,
 *   whose events may stand further behind; but only while the process has time to spare, since writing what cannot be
 *   sent would make a saturated worker slower for everybody.
 * - Otherwise nobody would gain: reading waits.
 */

/** A lane that moves on within this is waited for. */
const patienceMs = 50;
/** A subscription that was offered nothing for this long is quiet, and reading lags when it is this far behind. */
export const quietMs = 1_000;

/** What is so at the moment of a delivery that finds its lane full. */
export interface Pressure {
  /** How long the first in line has been waiting. */
  readonly waitedMs: number;
  /** How far reading is behind. */
  readonly lagMs: number;
  /** Lanes that could start at once and have nothing. */
  readonly hungry: number;
  /** Whether there are subscriptions that were offered nothing for a second. */
  readonly quiet: () => boolean;
  /** Whether the process has no time to spare. */
  readonly saturated: () => boolean;
}

/** Whether it is deferred; if not, reading waits for room. */
export function overflows({ waitedMs, lagMs, hungry, quiet, saturated }: Pressure): boolean {
  if (waitedMs < patienceMs) return false;
  if (hungry > 0) return true;
  return lagMs > quietMs && quiet() && !saturated();
}
