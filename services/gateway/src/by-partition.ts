/** What is asked of a store is asked partition by partition. */
import type { Incarnation } from '@gridpost/model';
import type { Store } from '@gridpost/store';

/** Items by the partition that each is in, in their order. */
export function byPartition<T>(items: Iterable<T>, partitionOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const partition = partitionOf(item);
    const together = groups.get(partition);
    if (together) together.push(item);
    else groups.set(partition, [item]);
  }
  return groups;
}

/** Makes what is deferred for the subscription due now, in every partition. */
export async function hasten(store: Store, subscription: Incarnation): Promise<void> {
  const { partitions } = store.info;
  await Promise.all(Array.from({ length: partitions }, (_, at) => store.hasten(at, subscription)));
}
