/** Items by the partition that each is in, in their order: what is asked of a store is asked partition by partition. */
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
