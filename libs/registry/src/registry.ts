/**
 * The process's copy of the configuration: every topic with its routing index, and the keys of the management API,
 * current as of a known version.
 *
 * Changes come from the store's change log, whoever made them. `refresh` fetches what is new; `confirm` notes that a
 * partition's version key was read and holds nothing newer. A worker asks `confirmedAt` before it starts an attempt:
 * that is what bounds how long a deleted subscription can still be delivered to (docs/architecture.md).
 */
import {
  type Clock,
  type DomainTopic,
  type FilterEntry,
  type Health,
  holderOf,
  type Incarnation,
  jobsPrefix,
  type ManagementKey,
  managementKeyPath,
  type Scope,
  type Subscription,
  type SubscriptionProperties,
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

export interface RegisteredDomainTopic {
  readonly domainTopic: DomainTopic;
  readonly etag: string;
}

export interface RegisteredHealth {
  readonly health: Health;
  readonly etag: string;
}

export interface RegisteredTopic {
  readonly topic: Topic;
  readonly etag: string;
  /** By path, those of a domain's topics included. */
  readonly subscriptions: ReadonlyMap<string, RegisteredSubscription>;
  /** Of a domain, by name. */
  readonly domainTopics: ReadonlyMap<string, RegisteredDomainTopic>;
  readonly index: RoutingIndex<RegisteredSubscription>;
}

export interface RegisteredKey {
  readonly key: ManagementKey;
  readonly etag: string;
}

/**
 * What a refresh brought: the subscriptions that were written, or whose health was, or that are gone; undefined where it may
 * be all of them.
 */
export type ChangedSubscriptions = ReadonlySet<Incarnation> | undefined;

interface OwnTopic extends RegisteredTopic {
  topic: Topic;
  etag: string;
  readonly subscriptions: Map<string, RegisteredSubscription>;
  readonly domainTopics: Map<string, RegisteredDomainTopic>;
  /** By the subscription's path. */
  readonly healths: Map<string, RegisteredHealth>;
}

/** A topic or a domain; then a domain topic; then a subscription; then its health. */
const resourceShape =
  /^((?:topics\/([^/]+)|(domains\/[^/]+)(?:\/topics\/([^/]+))?)(?:\/eventsubscriptions\/([^/]+))?)(\/health)?$/;

const keys = managementKeyPath('');

export class Registry {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #topics = new Map<string, OwnTopic>();
  readonly #topicsById = new Map<Incarnation, OwnTopic>();
  readonly #subscriptions = new Map<Incarnation, RegisteredSubscription>();
  /** By path. */
  readonly #keys = new Map<string, RegisteredKey>();
  readonly #watchers = new Set<(changed: ChangedSubscriptions) => void>();
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

  /** A topic by its name, or a domain by its scope. */
  topic(name: Scope): RegisteredTopic | undefined {
    return this.#topics.get(name);
  }

  /** A subscription by where it is. */
  subscriptionAt(scope: Scope, name: string): RegisteredSubscription | undefined {
    return this.#topics.get(holderOf(scope).holder)?.subscriptions.get(subscriptionPath(scope, name));
  }

  topicById(incarnation: Incarnation): RegisteredTopic | undefined {
    return this.#topicsById.get(incarnation);
  }

  subscription(incarnation: Incarnation): RegisteredSubscription | undefined {
    return this.#subscriptions.get(incarnation);
  }

  /** How a subscription's endpoint does; undefined where nothing is noted: it is healthy. */
  healthOf(incarnation: Incarnation): RegisteredHealth | undefined {
    const subscription = this.#subscriptions.get(incarnation)?.subscription;
    if (!subscription) return undefined;
    const { topic, name } = subscription;
    const healths = this.#topics.get(holderOf(topic).holder)?.healths;
    // Most topics have none, and this is asked for every subscription.
    const found = healths?.size ? healths.get(subscriptionPath(topic, name)) : undefined;
    return found?.health.incarnation === incarnation ? found : undefined;
  }

  topics(): Iterable<RegisteredTopic> {
    return this.#topics.values();
  }

  /** All of them, in no particular order. */
  subscriptions(): Iterable<RegisteredSubscription> {
    return this.#subscriptions.values();
  }

  /** A key of the management API by its name. */
  key(name: string): RegisteredKey | undefined {
    return this.#keys.get(managementKeyPath(name));
  }

  keys(): Iterable<RegisteredKey> {
    return this.#keys.values();
  }

  /** Calls after each refresh that changed something, with what; returns how to stop. */
  onChange(call: (changed: ChangedSubscriptions) => void): () => void {
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
    const touched = complete ? this.#subscriptionsOf(changedPaths) : undefined;
    if (!complete) {
      // Everything there is came back: what is not among it is gone.
      for (const path of this.#paths()) if (!found.has(path)) this.#remove(path);
    } else {
      for (const path of changedPaths) if (!found.has(path)) this.#remove(path);
    }
    // Topics first: a subscription is kept only under the incarnation of the topic that it was made for.
    const ordered = [...found.values()].sort((a, b) => a.path.length - b.path.length);
    for (const document of ordered) this.#put(document);
    // Jobs are documents as well, and written all the time while they run.
    const changed = !complete || changedPaths.some((path) => !path.startsWith(jobsPrefix));
    this.#version = version;
    if (asOf > this.#confirmedAt) this.#confirmedAt = asOf;
    if (!changed) return;
    const after = touched && this.#subscriptionsOf(changedPaths);
    const subscriptions = touched && after && new Set([...touched, ...after]);
    for (const call of this.#watchers) call(subscriptions);
  }

  /** Those that documents at these paths are about, as they are known; undefined if it may be any. */
  #subscriptionsOf(paths: readonly string[]): Incarnation[] | undefined {
    const ids: Incarnation[] = [];
    for (const each of paths) {
      const shape = shapeOf(each);
      if (!shape) continue;
      if (!shape.subscription) return undefined;
      const known = this.#topics.get(shape.holder)?.subscriptions.get(shape.path);
      if (known) ids.push(known.subscription.incarnation);
    }
    return ids;
  }

  *#paths(): Generator<string> {
    yield* [...this.#keys.keys()];
    for (const { topic, subscriptions, domainTopics, healths } of [...this.#topics.values()]) {
      for (const path of [...healths.keys()]) yield `${path}/health`;
      yield* [...subscriptions.keys()];
      for (const name of [...domainTopics.keys()]) yield `${topicPath(topic.name)}/topics/${name}`;
      yield topicPath(topic.name);
    }
  }

  #put(document: ResourceDocument): void {
    const { path, etag, value } = document;
    if (path.startsWith(keys)) this.#keys.set(path, { key: value as ManagementKey, etag });
    const shape = shapeOf(path);
    if (!shape) return;
    const known = this.#topics.get(shape.holder);
    if (shape.health) {
      known?.healths.set(shape.path, { health: value as Health, etag });
      return;
    }
    if (shape.subscription) {
      this.#putSubscription(shape.holder, document);
      return;
    }
    if (shape.domainTopic !== undefined) {
      known?.domainTopics.set(shape.domainTopic, { domainTopic: value as DomainTopic, etag });
      return;
    }
    const topic = value as Topic;
    if (known && known.topic.incarnation === topic.incarnation) {
      known.topic = topic;
      known.etag = etag;
      return;
    }
    if (known) this.#remove(path);
    const fresh: OwnTopic = {
      ...{ topic, etag, subscriptions: new Map(), domainTopics: new Map(), healths: new Map() },
      index: new RoutingIndex(),
    };
    this.#topics.set(shape.holder, fresh);
    this.#topicsById.set(topic.incarnation, fresh);
  }

  #putSubscription(holder: Scope, { path, etag, value }: ResourceDocument): void {
    const subscription = value as Subscription;
    const topic = this.#topics.get(holder);
    if (!topic || topic.topic.incarnation !== subscription.topicIncarnation) return;
    const known = topic.subscriptions.get(path);
    // After a gap all documents come again, most of them as they were.
    if (known?.etag === etag) return;
    if (known) this.#subscriptions.delete(known.subscription.incarnation);
    const expiration = subscription.properties.expirationTimeUtc;
    const registered: RegisteredSubscription = {
      subscription,
      etag,
      expiresAt: expiration === undefined ? undefined : Date.parse(expiration),
    };
    topic.subscriptions.set(path, registered);
    topic.index.set(path, compileFilter(filtersOf(subscription)), registered);
    this.#subscriptions.set(subscription.incarnation, registered);
  }

  #remove(path: string): void {
    this.#keys.delete(path);
    const shape = shapeOf(path);
    const topic = shape && this.#topics.get(shape.holder);
    if (!topic) return;
    if (shape.health) {
      topic.healths.delete(shape.path);
    } else if (shape.subscription) {
      topic.healths.delete(path);
      const registered = topic.subscriptions.get(path);
      if (!registered) return;
      topic.subscriptions.delete(path);
      topic.index.delete(path);
      this.#subscriptions.delete(registered.subscription.incarnation);
    } else if (shape.domainTopic !== undefined) {
      topic.domainTopics.delete(shape.domainTopic);
      for (const below of [...topic.subscriptions.keys()])
        if (below.startsWith(`${path}/`)) this.#remove(below);
    } else {
      for (const { subscription } of topic.subscriptions.values())
        this.#subscriptions.delete(subscription.incarnation);
      this.#topics.delete(shape.holder);
      this.#topicsById.delete(topic.topic.incarnation);
    }
  }
}

interface Shape {
  /** Of what the health is of, or else of the document itself. */
  readonly path: string;
  /** The topic or domain. */
  readonly holder: Scope;
  readonly domainTopic: string | undefined;
  readonly subscription: boolean;
  readonly health: boolean;
}

function shapeOf(path: string): Shape | undefined {
  const found = resourceShape.exec(path);
  if (!found) return undefined;
  const [, whole, topic, domain, domainTopic, subscription, health] = found;
  return {
    ...{ path: whole!, holder: (topic ?? domain)!, domainTopic },
    ...{ subscription: subscription !== undefined, health: health !== undefined },
  };
}

/**
 * What a subscription wants: its filters and, on a domain topic, the events that name this topic. In Event Grid's schema
 * these come with the topic's path as their source; CloudEvents may also give its bare name (Event Grid does not say
 * what their source looks like).
 */
export function filtersOf({
  topic,
  properties,
}: Subscription): Pick<SubscriptionProperties, 'filter' | 'filters'> {
  const { domainTopic } = holderOf(topic);
  if (domainTopic === undefined) return properties;
  const named: FilterEntry = {
    any: [{ exact: { source: `/${topic}` } }, { exact: { source: domainTopic } }],
  };
  return { ...properties, filters: [...(properties.filters ?? []), named] };
}
