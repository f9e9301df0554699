/** Trims histories to their topics' bounds, and forgets what duplicate detection remembers longer than it has to. */
import type { Incarnation } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import type { HistoryBounds, Store } from '@gridpost/store';

export interface TrimmingOptions {
  readonly store: Store;
  readonly registry: Registry;
}

/** Records removed by one store call, and calls per topic and pass. */
const stepMax = 1_000;
const stepsMax = 20;
/** A history is to be trimmed as fast as it can be written. */
const trimStepsMax = 500;
const dayMs = 86_400_000;

export class Trimming {
  readonly #options: TrimmingOptions;

  constructor(options: TrimmingOptions) {
    this.#options = options;
  }

  /** One pass over a partition. Rejects as the store does. */
  async histories(partition: number): Promise<void> {
    const { store, registry } = this.#options;
    const topics = await store.histories(partition);
    if (topics.length === 0) return;
    await registry.refresh();
    for (const topic of topics) {
      const { properties } = registry.topicById(topic)?.topic ?? {};
      const { eventRetentionInDays = 0, eventRetentionInBytes: bytes } = properties ?? {};
      const bounds: HistoryBounds = {
        ageMs: eventRetentionInDays * dayMs,
        ...(bytes === undefined ? {} : { bytesMax: bytes / store.info.partitions }),
      };
      for (let step = 0; step < trimStepsMax; step++)
        if ((await store.trimHistory(partition, topic, bounds, stepMax)) < stepMax) break;
    }
  }

  /**
   * Appends forget what is outlived as long as there are any. Where detection is off, nothing needs to be remembered. Adds
   * to `remembered`, by topic, how many identities are left.
   */
  async identities(partition: number, remembered: Map<Incarnation, number>): Promise<void> {
    const { store, registry } = this.#options;
    const topics = await store.identities(partition);
    if (topics.length === 0) return;
    await registry.refresh();
    for (const { topic, count } of topics) {
      const { duplicateDetection } = registry.topicById(topic)?.topic.properties ?? {};
      const windowMs = (duplicateDetection?.windowInMinutes ?? 0) * 60_000;
      let left = count;
      for (let step = 0; step < stepsMax; step++) {
        const forgotten = await store.forgetIdentities(partition, topic, windowMs, stepMax);
        left -= forgotten;
        if (forgotten < stepMax) break;
      }
      remembered.set(topic, (remembered.get(topic) ?? 0) + Math.max(0, left));
    }
  }
}
