/**
 * The few figures the benchmark quotes: medians, quantiles, and ratios taken pair by pair. No means: on a shared
 * machine one disturbed run would move them.
 */

/** Middle value, or the mean of the middle two. Throws on an empty list, which has none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  if (upper === undefined) throw new RangeError('no values to take the median of');
  if (sorted.length % 2 === 1) return upper;
  return (sorted[sorted.length / 2 - 1]! + upper) / 2;
}

/** Value below which the share `share` (0 to 1) of the values lies, by nearest rank. Throws on an empty list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError('no values to take a quantile of');
  return value;
}

export interface Ratio {
  /** Round by round: what ran one after the other is compared with each other. */
  readonly pairs: readonly number[];
  readonly medianOfPairs: number;
  readonly ofMedians: number;
}

/** How many times `base` is `value`. Both hold one figure per round, in the order of the rounds. */
export function ratioOf(value: readonly number[], base: readonly number[]): Ratio {
  if (value.length !== base.length)
    throw new RangeError(`${value.length} rounds cannot be paired with ${base.length}`);
  const pairs = value.map((figure, round) => figure / base[round]!);
  return { pairs, medianOfPairs: median(pairs), ofMedians: median(value) / median(base) };
}
