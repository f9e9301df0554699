/**
 * Which worker should own which partition: highest random weight with even shares. Each worker gets its share or one more,
 * whatever the weights say: by weight alone one of two workers would own none of eight partitions once in 128 times, and
 * be idle. A worker that comes or goes still moves little else than its own.
 */
import { createHash } from 'node:crypto';

interface Bid {
  readonly worker: string;
  readonly partition: number;
  readonly weight: number;
}

/** Of each partition the worker that should own it, the same from everywhere; none if there is no worker. */
export function ownersOf(partitions: number, workers: readonly string[]): readonly string[] {
  const bids: Bid[] = [];
  for (const worker of workers)
    for (let partition = 0; partition < partitions; partition++)
      bids.push({ worker, partition, weight: weightOf(worker, partition) });
  // Equal weights are as good as impossible, yet every worker must then choose the same.
  bids.sort((a, b) => b.weight - a.weight || (a.worker < b.worker ? -1 : 1));
  const share = Math.floor(partitions / workers.length);
  let over = partitions % workers.length;
  const owners: string[] = [];
  const counts = new Map<string, number>();
  for (const { worker, partition } of bids) {
    const count = counts.get(worker) ?? 0;
    if (owners[partition] !== undefined || count > share || (count === share && over === 0)) continue;
    if (count === share) over--;
    owners[partition] = worker;
    counts.set(worker, count + 1);
  }
  return owners;
}

/** Highest random weight: what `worker` bids for a partition, or for whatever else is to be shared out. */
export function weightOf(worker: string, wanted: number | string): number {
  return createHash('sha1').update(`${worker}/${wanted}`).digest().readUIntBE(0, 6);
}
