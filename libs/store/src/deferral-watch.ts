/** Who wants to know when something is deferred, by subscription: the part of `onDeferred` that adapters share. */
import type { Incarnation } from '@gridpost/model';
import type { LeaseOutcome, SettleBatch } from './port.js';

type Wake = (partition: number) => void;

export class DeferralWatch {
  readonly #listeners = new Map<Incarnation, Set<Wake>>();

  listen(subscription: Incarnation, wake: Wake): () => void {
    // Wrapped, so that one function that listens twice is two listeners.
    const listener: Wake = (partition) => wake(partition);
    const all = this.#listeners.get(subscription) ?? new Set();
    this.#listeners.set(subscription, all.add(listener));
    return () => {
      all.delete(listener);
      if (all.size === 0 && this.#listeners.get(subscription) === all) this.#listeners.delete(subscription);
    };
  }

  wake(partition: number, subscription: Incarnation): void {
    for (const wake of [...(this.#listeners.get(subscription) ?? [])]) wake(partition);
  }

  /** Of all subscriptions, in all of so many partitions: hints may have been lost. */
  wakeAll(partitions: number): void {
    for (const subscription of [...this.#listeners.keys()])
      for (let partition = 0; partition < partitions; partition++) this.wake(partition, subscription);
  }
}

/** The subscriptions that a settle is to announce, as far as it defers anything for them. */
export function announcedBy({ entries, announced }: SettleBatch): Set<Incarnation> {
  const found = new Set<Incarnation>();
  if (!announced?.size) return found;
  for (const { deferrals } of entries)
    for (const { subscription } of deferrals) if (announced.has(subscription)) found.add(subscription);
  return found;
}

/** The subscriptions for which outcomes make something due at once. */
export function releasedBy(outcomes: readonly LeaseOutcome[]): Set<Incarnation> {
  const found = new Set<Incarnation>();
  for (const { subscription, disposition } of outcomes)
    if (disposition.kind === 'deferred' && disposition.dueInMs === 0) found.add(subscription);
  return found;
}
