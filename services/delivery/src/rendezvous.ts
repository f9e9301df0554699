/** Which worker should own which partition: highest random weight, so that a worker that comes or goes moves only its own. */
import { createHash } from 'node:crypto';

/** The worker of `workers` that should own the partition, the same from everywhere; undefined if there is none. */
export function ownerOf(partition: number, workers: readonly string[]): string | undefined {
  let owner: string | undefined;
  let highest = -1;
  for (const worker of workers) {
    const weight = createHash('sha1').update(`${worker}/${partition}`).digest().readUIntBE(0, 6);
    // Equal weights are as good as impossible, yet every worker must then choose the same.
    if (weight > highest || (weight === highest && worker < owner!)) {
      owner = worker;
      highest = weight;
    }
  }
  return owner;
}
