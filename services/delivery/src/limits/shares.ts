/**
 * This worker's part of what a subscription is allowed over the whole deployment. Workers that see each other alive come
 * to the same parts without a word between them.
 */
import type { Subscription } from '@gridpost/model';
import { weightOf } from '../rendezvous.js';
import type { DeliverySettings } from '../settings.js';

/** Over the whole deployment. */
export interface Bounds {
  /** Attempts at once. */
  readonly concurrency: number;
  /** Attempts per second; undefined: no bound. */
  readonly rate: number | undefined;
}

/** What a subscription says, and what its endpoint allowed when it was asked (CloudEvents HTTP WebHook §4, per minute). */
export function boundsOf(
  { properties, provisioning }: Subscription,
  { concurrency }: Pick<DeliverySettings, 'concurrency'>,
): Bounds {
  const { maxConcurrency, maxRatePerSecond } = properties.destination?.properties ?? {};
  const allowedPerMinute = provisioning?.state === 'Succeeded' ? provisioning.allowedRate : undefined;
  const rate = Math.min(
    maxRatePerSecond ?? Number.POSITIVE_INFINITY,
    (allowedPerMinute ?? Number.POSITIVE_INFINITY) / 60,
  );
  return {
    concurrency: maxConcurrency ?? concurrency,
    rate: rate === Number.POSITIVE_INFINITY ? undefined : rate,
  };
}

/**
 * Its part of a number of permits: as many for each, and one more for those that come first by rendezvous hash of the
 * subscription, so that the parts add up to the limit. Undefined where there are fewer permits than workers: they have to
 * go round (`permits.ts`). 1 for a worker that is not among them: it hands over the last of its partitions.
 */
export function partOf(
  limit: number,
  subscription: string,
  workers: readonly string[],
  worker: string,
): number | undefined {
  if (!workers.includes(worker)) return 1;
  const count = workers.length;
  if (limit < count) return undefined;
  const over = limit % count;
  const each = (limit - over) / count;
  if (over === 0) return each;
  const own = weightOf(worker, subscription);
  let before = 0;
  for (const other of workers) {
    const weight = weightOf(other, subscription);
    // Equal weights are as good as impossible, yet all must then come to the same.
    if (weight > own || (weight === own && other < worker)) before++;
  }
  return before < over ? each + 1 : each;
}

/** Its part of a rate. Workers own about as many partitions, and events are spread over these. */
export function rateOf(rate: number, workers: readonly string[]): number {
  return rate / Math.max(1, workers.length);
}
