/**
 * The process's copy of the configuration: every topic with its routing index, current as of a known version.
 *
 * Changes come from the store's change log, whoever made them. `refresh` fetches what is new; `confirm` notes that a
 * partition's version key was read and holds nothing newer. A worker asks `confirmedAt` before it starts an attempt:
 * that is what bounds how long a deleted subscription can still be delivered to (docs/architecture.md).
 */
import {
  type Clock,
  type Incarnation,
  type Subscription,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import { compileFilter, RoutingIndex } from '@gridpost/routing';
import type { ResourceDocument, Store } from '@gridpost/store';

export interface RegisteredSubscription {
  readonly subscription: Subscription;
  readonly etag: string;
  /** Instant of `expirationTimeUtc`, or undefined. */
  readonly expiresAt: number | undefined;
}

export interface RegisteredTopic {
  readonly topic: Topic;
  readonly etag: string;
  /** By name. */
  readonly subscriptions: ReadonlyMap<string, RegisteredSubscription>;
  readonly index: RoutingIndex<RegisteredSubscription>;
}

interface OwnTopic extends RegisteredTopic {
  topic: Topic;
  etag: string;
  readonly subscriptions: Map<string, RegisteredSubscription>;
}

const resourceShape = /^topics\/([^/]+)(?:\/eventsubscriptions\/([^/]+))?$/;

export class Registry {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #topics = new Map<string, OwnTopic>();
  readonly #topicsById = new Map<Incarnation, OwnTopic>();
  readonly #subscriptions = new Map<Incarnation, RegisteredSubscription>();
  readonly #watchers = new Set<() => void>();
  #version = 0;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Version of the configuration this copy holds. */
  get version(): number {
    return this.#version;
  }

  /** `clock.elapsed()` as of which the copy is known to have been current; minus infinity before the first load. */
  get confirmedAt(): number {
    return this.#confirmedAt;
  }

  topic(name: string): RegisteredTopic | undefined {
    return this.#topics.get(name);
  }

  topicById(incarnation: Incarnation): RegisteredTopic | undefined {
    return this.#topicsById.get(incarnation);
  }

  subscription(incarnation: Incarnation): RegisteredSubscription | undefined {
    return this.#subscriptions.get(incarnation);
  }

  topics(): Iterable<RegisteredTopic> {
    return this.#topics.values();
  }

  /** Calls after each refresh that changed something; returns how to stop. */
  onChange(call: () => void): () => void {
    this.#watchers.add(call);
    return () => void this.#watchers.delete(call);
  }

  /**
   * Notes that `version` was read from a partition by a call that began at `asOf` (`clock.elapsed()`). Returns whether
   * the copy is that new; if not, the caller refreshes.
   */
  confirm(version: number, asOf: number): boolean {
    if (version > this.#version) return false;
    if (asOf > this.#confirmedAt) this.#confirmedAt = asOf;
    return true;
  }

  /**
   * Brings the copy up to date with every change answered before this call. Concurrent calls share one fetch, except
   * that a fetch already under way may have read too early for a later caller, who gets the next one. Rejects as the
   * store does, with the copy unchanged.
   */
  refresh(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#fetch().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.refresh();
      });
    return this.#next;
  }

  async #fetch(): Promise<void> {
    const asOf = this.#clock.elapsed();
    const { version, complete, changedPaths, documents } = await this.#store.resources.changes(this.#version);
    const found = new Map(documents.map((document) => [document.path, document]));
    if (!complete) {
      // Everything there is came back: what is not among it is gone.
      for (const path of this.#paths()) if (!found.has(path)) this.#remove(path);
    } else {
      for (const path of changedPaths) if (!found.has(path)) this.#remove(path);
    }
    // Topics first: a subscription is kept only under the incarnation of the topic that it was made for.
    const ordered = [...found.values()].sort((a, b) => a.path.length - b.path.length);
    for (const document of ordered) this.#put(document);
    const changed = version !== this.#version || changedPaths.length > 0;
    this.#version = version;
    if (asOf > this.#confirmedAt) this.#confirmedAt = asOf;
    if (changed) for (const call of this.#watchers) call();
  }

  *#paths(): Generator<string> {
    for (const topic of [...this.#topics.values()]) {
      for (const name of [...topic.subscriptions.keys()]) yield subscriptionPath(topic.topic.name, name);
      yield topicPath(topic.topic.name);
    }
  }

  #put({ path, etag, value }: ResourceDocument): void {
    const shape = resourceShape.exec(path);
    if (!shape) return;
    const [, topicName, subscriptionName] = shape as unknown as [string, string, string | undefined];
    if (subscriptionName === undefined) {
      const topic = value as Topic;
      const known = this.#topics.get(topicName);
      if (known && known.topic.incarnation === topic.incarnation) {
        known.topic = topic;
        known.etag = etag;
        return;
      }
      if (known) this.#remove(path);
      const fresh: OwnTopic = { topic, etag, subscriptions: new Map(), index: new RoutingIndex() };
      this.#topics.set(topicName, fresh);
      this.#topicsById.set(topic.incarnation, fresh);
      return;
    }
    const subscription = value as Subscription;
    const topic = this.#topics.get(topicName);
    if (!topic || topic.topic.incarnation !== subscription.topicIncarnation) return;
    this.#remove(path);
    const expiration = subscription.properties.expirationTimeUtc;
    const filter = compileFilter(subscription.properties);
    const registered: RegisteredSubscription = {
      subscription,
      etag,
      expiresAt: expiration === undefined ? undefined : Date.parse(expiration),
    };
    topic.subscriptions.set(subscriptionName, registered);
    topic.index.set(subscriptionName, filter, registered);
    this.#subscriptions.set(subscription.incarnation, registered);
  }

  #remove(path: string): void {
    const shape = resourceShape.exec(path);
    if (!shape) return;
    const [, topicName, subscriptionName] = shape as unknown as [string, string, string | undefined];
    const topic = this.#topics.get(topicName);
    if (!topic) return;
    if (subscriptionName === undefined) {
      for (const { subscription } of topic.subscriptions.values())
        this.#subscriptions.delete(subscription.incarnation);
      this.#topics.delete(topicName);
      this.#topicsById.delete(topic.topic.incarnation);
      return;
    }
    const registered = topic.subscriptions.get(subscriptionName);
    if (!registered) return;
    topic.subscriptions.delete(subscriptionName);
    topic.index.delete(subscriptionName);
    this.#subscriptions.delete(registered.subscription.incarnation);
  }
}
