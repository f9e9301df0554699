/**
 * Finds the subscriptions of an event just read, and counts whether there were any. A directed event is for its one
 * subscription alone, and is not counted again.
 */
import { Event, type Log } from '@gridpost/model';
import type { Counter, Metrics } from '@gridpost/metrics';
import type { RegisteredSubscription, RegisteredTopic, Registry } from '@gridpost/registry';
import type { PendingEvent } from '@gridpost/store';

export interface Match {
  readonly event: Event;
  readonly targets: readonly RegisteredSubscription[];
  /** Matching itself failed, so the event is to be kept as a dead letter of all the topic's subscriptions. */
  readonly broken: boolean;
}

interface TopicCounters {
  readonly matched: Counter;
  readonly unmatched: Counter;
}

const nobody: readonly RegisteredSubscription[] = [];

export class Matching {
  readonly #registry: Registry;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #counters = new WeakMap<RegisteredTopic, TopicCounters>();

  constructor(registry: Registry, metrics: Metrics, log: Log) {
    this.#registry = registry;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** The registry must have been confirmed since the event was read. An event of a deleted topic is for nobody. */
  match({ topic: incarnation, frame }: PendingEvent): Match {
    const event = new Event(frame);
    const topic = this.#registry.topicById(incarnation);
    if (!topic) return { event, targets: nobody, broken: false };
    if (event.direction) {
      const only = this.#registry.subscription(event.direction.only);
      return { event, targets: only ? [only] : nobody, broken: false };
    }
    let targets: readonly RegisteredSubscription[];
    let broken = false;
    try {
      targets = topic.index.match(event);
    } catch (error) {
      // One event must not keep all those behind it from being read, and must not vanish either.
      this.#log.error({ topic: topic.topic.name, error: String(error) }, 'event cannot be matched');
      targets = [...topic.subscriptions.values()];
      broken = true;
    }
    const { matched, unmatched } = this.#countersOf(topic);
    (targets.length > 0 ? matched : unmatched).add();
    return { event, targets, broken };
  }

  #countersOf(topic: RegisteredTopic): TopicCounters {
    const known = this.#counters.get(topic);
    if (known) return known;
    const { name } = topic.topic;
    const counters = {
      matched: this.#metrics.eventsMatched.with(name, 'true'),
      unmatched: this.#metrics.eventsMatched.with(name, 'false'),
    };
    this.#counters.set(topic, counters);
    return counters;
  }
}
