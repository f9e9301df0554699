/** Events published, per topic and by what became of them. */
import type { Counter, Metrics } from '@gridpost/metrics';
import type { Topic } from '@gridpost/model';
import type { Registry } from '@gridpost/registry';

/**
 * The ends of a publish request; of an accepted one, duplicates are counted apart. A request that could not be decoded
 * counts as one event.
 */
const outcomes = ['accepted', 'duplicate', 'refused', 'unknown'] as const;

export type TopicCounts = Readonly<Record<(typeof outcomes)[number], Counter>>;

export class PublishCounts {
  readonly #metrics: Metrics;
  /** By the topic's document, so that the way to a counter is one look-up without building a key. */
  readonly #counts = new WeakMap<Topic, TopicCounts>();
  readonly #names = new Set<string>();

  constructor(metrics: Metrics, registry: Registry) {
    this.#metrics = metrics;
    // Deleted topics would hold places under the cap on labels for ever.
    metrics.eventsPublished.beforeScrape(() => {
      for (const name of this.#names) {
        if (registry.topic(name)) continue;
        for (const outcome of outcomes) metrics.eventsPublished.forget(name, outcome);
        metrics.identitiesForgotten.forget(name);
        this.#names.delete(name);
      }
    });
  }

  of(topic: Topic): TopicCounts {
    return this.#counts.get(topic) ?? this.#resolve(topic);
  }

  #resolve(topic: Topic): TopicCounts {
    const of = (outcome: (typeof outcomes)[number]): Counter =>
      this.#metrics.eventsPublished.with(topic.name, outcome);
    const counts: TopicCounts = {
      accepted: of('accepted'),
      duplicate: of('duplicate'),
      refused: of('refused'),
      unknown: of('unknown'),
    };
    this.#counts.set(topic, counts);
    this.#names.add(topic.name);
    return counts;
  }
}
