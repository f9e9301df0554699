/** Shows what the attempt logs of this worker's partitions hold, in its metrics. */
import type { Metrics } from '@gridpost/metrics';
import { type AttemptKind, type AttemptUsage, attemptKinds } from '@gridpost/store';

type Usage = Readonly<Record<AttemptKind, AttemptUsage>>;

export class AttemptUsageSeries {
  readonly #metrics: Metrics;
  /** Blocks let go of when a partition was last looked at. */
  #seen = new Map<number, Usage>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** `usages`: of all partitions owned. `storeNow`: the store's clock. */
  show(usages: ReadonlyMap<number, Usage>, storeNow: number): void {
    for (const kind of attemptKinds) {
      let bytes = 0;
      let heldFrom: number | undefined;
      for (const [partition, { [kind]: usage }] of usages) {
        bytes += usage.bytes;
        if (usage.heldFrom !== undefined) heldFrom = Math.max(heldFrom ?? 0, usage.heldFrom);
        const before = this.#seen.get(partition)?.[kind].shed;
        // What another owner let go of is in its own count.
        if (before !== undefined && usage.shed > before)
          this.#metrics.attemptBlocksShed.with(kind).add(usage.shed - before);
      }
      this.#metrics.attemptLogBytes.with(kind).set(bytes);
      if (heldFrom === undefined) this.#metrics.attemptLogReach.forget(kind);
      else this.#metrics.attemptLogReach.with(kind).set(Math.max(0, storeNow - heldFrom) / 1_000);
    }
    this.#seen = new Map(usages);
  }
}
