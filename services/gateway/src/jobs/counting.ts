/**
 * How many dead letters or events a job is about, before it begins. Counting stops after so many, or so long; what is left
 * is then estimated from what was seen, and the answer says so.
 */
import {
  type Clock,
  type DeadLetterSelection,
  Event,
  type Incarnation,
  isSelected,
  type JobTotal,
  type Subscription,
} from '@gridpost/model';
import { filtersOf } from '@gridpost/registry';
import { compileFilter } from '@gridpost/routing';
import type { HistoryStart, Store } from '@gridpost/store';

/** Looked at for one count, over all partitions. */
const lookedAtMax = 20_000;
const countMs = 2_000;
const pageMax = 500;

export interface Counting {
  readonly store: Store;
  readonly clock: Clock;
}

/** Of those that the subscription holds at `now`, which is the store's clock: the latest of its partitions. */
export async function countDeadLetters(
  { store, clock }: Counting,
  subscription: Incarnation,
  selection: DeadLetterSelection,
): Promise<JobTotal & { readonly now: number }> {
  const { partitions } = store.info;
  const until = clock.elapsed() + countMs;
  let count = 0;
  let exact = true;
  let latest = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const { subscriptions, now } = await store.usage(partition);
    latest = Math.max(latest, now);
    const held = subscriptions.find((usage) => usage.subscription === subscription)?.deadLettered ?? 0;
    if (Object.keys(selection).length === 0) {
      count += held;
      continue;
    }
    let after: string | undefined;
    let seen = 0;
    let found = 0;
    do {
      const page = await store.deadLetters(partition, subscription, after, pageMax);
      seen += page.deadLetters.length;
      found += page.deadLetters.filter((letter) => isSelected(selection, letter)).length;
      after = page.next;
    } while (after !== undefined && seen < lookedAtMax / partitions && clock.elapsed() < until);
    if (after !== undefined) exact = false;
    count += after === undefined ? found : (found / seen) * Math.max(held, seen);
  }
  return { count: Math.round(count), exact, now: latest };
}

/** Of those that the topic's history has in a range of time, and that the subscription's filter passes. */
export async function countEvents(
  { store, clock }: Counting,
  subscription: Subscription,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<JobTotal> {
  const { partitions } = store.info;
  const filter = compileFilter(filtersOf(subscription));
  const until = clock.elapsed() + countMs;
  let count = 0;
  let exact = true;
  for (let partition = 0; partition < partitions; partition++) {
    let start: HistoryStart | undefined = { acceptedAt: from };
    let seen = 0;
    let found = 0;
    let reached = from;
    do {
      const page = await store.history(partition, subscription.topicIncarnation, start, pageMax);
      for (const { acceptedAt, frame } of page.events)
        if (acceptedAt >= from && acceptedAt < to && filter.holds(new Event(frame))) found++;
      seen += page.events.length;
      reached = page.events.at(-1)?.acceptedAt ?? to;
      start = page.next;
    } while (
      start !== undefined &&
      reached < to &&
      seen < lookedAtMax / partitions &&
      clock.elapsed() < until
    );
    const whole = start === undefined || reached >= to;
    if (!whole) exact = false;
    // As if what is left were like what was seen.
    count += whole ? found : (found * (to - from)) / Math.max(1, reached - from);
  }
  return { count: Math.round(count), exact };
}

/** The store's clock: the latest of its partitions. */
export async function storeNow(store: Store): Promise<number> {
  const { partitions } = store.info;
  const usages = await Promise.all(Array.from({ length: partitions }, (_, at) => store.usage(at)));
  return Math.max(...usages.map(({ now }) => now));
}
