/** A delivery worker, or several, on a watched reference store, with topics and subscriptions made as tests need them. */
import { plainConnector } from '@gridpost/egress';
import {
  type Event,
  frameEvent,
  type Health,
  healthPath,
  type Log,
  newIncarnation,
  type PushProperties,
  type QueueProperties,
  type Subscription,
  type SubscriptionProperties,
  subscriptionPath,
  type Topic,
  topicPath,
} from '@gridpost/model';
import { seededRandom } from '@gridpost/model/testing';
import { Metrics } from '@gridpost/metrics';
import { Registry } from '@gridpost/registry';
import type {
  DeadLetter,
  Disposition,
  MemoryStoreOptions,
  PendingEvent,
  Store,
  Usage,
} from '@gridpost/store';
import { createDelivery, type Delivery, type DeliveryOptions } from '../delivery.js';
import type { DeliverySettings } from '../settings.js';
import { LiveClock } from './live-clock.js';
import { WatchedStore } from './watched-store.js';

export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export interface Running {
  readonly name: string;
  readonly delivery: Delivery;
  readonly metrics: Metrics;
  readonly registry: Registry;
  readonly lines: Line[];
}

type Wish = Partial<Omit<SubscriptionProperties, 'destination' | 'queue'>> & {
  readonly timeoutSeconds?: number;
  readonly contentMode?: 'structured' | 'binary';
  readonly push?: Partial<PushProperties>;
};

const usual = {
  filter: {},
  retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
  eventDeliverySchema: 'CloudEventSchemaV1_0',
  labels: [],
  deadLettering: true,
} as const;

/** Quick beats, so that tests take moments; what a test is about it sets itself. */
const quick: Partial<DeliverySettings> = {
  settleWindowMs: 200,
  lookEveryMs: 20,
  renewEveryMs: 50,
  beatMs: 20,
  userAgent: 'gridpost-test',
};

/** The beats of a deployment, for tests that let much time pass. */
export const calm: Partial<DeliverySettings> = { lookEveryMs: 1_000, renewEveryMs: 3_000, beatMs: 500 };

export class Rig {
  readonly clock = new LiveClock();
  readonly watched: WatchedStore;
  readonly workers: Running[] = [];
  readonly topic: Topic;
  #events = 0;

  constructor(options: Omit<MemoryStoreOptions, 'clock'> = {}) {
    this.watched = new WatchedStore({ ...options, clock: this.clock });
    this.topic = this.#topicNamed('orders');
  }

  get store(): Store {
    return this.watched.store;
  }

  /** Makes the topic. */
  async prepare(): Promise<this> {
    await this.watched.memory.resources.put(topicPath(this.topic.name), this.topic);
    return this;
  }

  async putTopic(
    name: string,
    eventRetentionInDays = 0,
    retention: Pick<Topic['properties'], 'eventRetentionInBytes'> = {},
  ): Promise<Topic> {
    const named = this.#topicNamed(name, eventRetentionInDays);
    const topic = { ...named, properties: { ...named.properties, ...retention } };
    await this.watched.memory.resources.put(topicPath(name), topic);
    return topic;
  }

  async subscribe(name: string, url: string, wish: Wish = {}): Promise<Subscription> {
    const { timeoutSeconds = 30, contentMode = 'structured', push = {}, ...properties } = wish;
    return this.#subscribe(name, {
      ...usual,
      ...properties,
      destination: {
        endpointType: 'WebHook',
        properties: { endpointUrl: url, contentMode, attemptTimeoutInSeconds: timeoutSeconds, ...push },
      },
    });
  }

  /** A subscription whose events are received. */
  async subscribeQueue(
    name: string,
    queue: Partial<QueueProperties> = {},
    wish: Wish = {},
  ): Promise<Subscription> {
    const defaults = { receiveLockDurationInSeconds: 60, maxDeliveryCount: 10, eventTimeToLive: 'P1D' };
    return this.#subscribe(name, { ...usual, ...wish, queue: { ...defaults, ...queue } });
  }

  async put(subscription: Subscription): Promise<void> {
    await this.watched.memory.resources.put(
      subscriptionPath(subscription.topic, subscription.name),
      subscription,
    );
  }

  /** How the subscription's endpoint does, as it is stored. */
  async health({ topic, name }: Subscription): Promise<Health | undefined> {
    return (await this.watched.memory.resources.get(healthPath(topic, name)))?.value as Health | undefined;
  }

  async unsubscribe({ topic, name }: Subscription): Promise<void> {
    await this.watched.memory.resources.remove(subscriptionPath(topic, name));
  }

  /** Appends events with these ids in one entry, and returns the ids. */
  async publish(
    ids: readonly string[],
    { partition = 0, type = 'order.created' }: { partition?: number; type?: string } = {},
  ): Promise<readonly string[]> {
    await this.watched.memory.append(
      partition,
      ids.map((id) => this.pending(id, type)),
    );
    return ids;
  }

  /**
   * Appends an event to partition 0, which an owner before any worker has settled for one subscription. `disposition`: by when
   * the event was accepted.
   */
  async settleBefore(
    epoch: number,
    { incarnation: subscription }: Subscription,
    id: string,
    disposition: (acceptedAt: number) => Disposition,
  ): Promise<void> {
    const { memory } = this.watched;
    await this.publish([id]);
    const { entries } = await memory.read(0, epoch, undefined, { entriesMax: 1, bytesMax: 1 });
    const [entry] = entries as [(typeof entries)[0]];
    const deferrals = [{ index: 0, subscription, disposition: disposition(entry.acceptedAt) }];
    const events = new Map([[0, entry.events[0]!]]);
    await memory.settle(0, epoch, { entries: [{ ...entry, deferrals, events }], outcomes: [] });
  }

  /** Appends these events in one entry. */
  async append(events: readonly Event[], partition = 0): Promise<void> {
    const topic = this.topic.incarnation;
    await this.watched.memory.append(
      partition,
      events.map(({ frame }) => ({ topic, frame })),
    );
  }

  /** `count` fresh ids. */
  ids(count: number): string[] {
    return Array.from({ length: count }, () => `e${++this.#events}`);
  }

  pending(id: string, type = 'order.created'): PendingEvent {
    return { topic: this.topic.incarnation, frame: structured(id, type).frame };
  }

  /** Starts a worker, as its own process would. */
  async work(
    settings: Partial<DeliverySettings> = {},
    options: Partial<DeliveryOptions> & { readonly name?: string } = {},
  ): Promise<Running> {
    const { name = `w${this.workers.length + 1}`, ...others } = options;
    const registry = new Registry(this.store, this.clock);
    await registry.refresh().catch(() => undefined);
    const metrics = new Metrics('test');
    const lines: Line[] = [];
    const delivery = createDelivery({
      store: this.store,
      registry,
      metrics,
      clock: this.clock,
      random: seededRandom(1),
      log: logInto(lines),
      worker: name,
      egress: { connector: plainConnector },
      settings: { ...quick, ...settings },
      ...others,
    });
    delivery.start();
    const running = { name, delivery, metrics, registry, lines };
    this.workers.push(running);
    return running;
  }

  /** What the subscription holds, over all partitions. */
  async usage({ incarnation }: Subscription): Promise<Pick<Usage, 'deferred' | 'deadLettered'>> {
    const sum = { deferred: 0, deadLettered: 0 };
    for (let partition = 0; partition < this.store.info.partitions; partition++) {
      for (const usage of (await this.watched.memory.usage(partition)).subscriptions) {
        if (usage.subscription !== incarnation) continue;
        sum.deferred += usage.deferred;
        sum.deadLettered += usage.deadLettered;
      }
    }
    return sum;
  }

  async deadLetters({ incarnation }: Subscription, partition = 0): Promise<readonly DeadLetter[]> {
    return (await this.watched.memory.deadLetters(partition, incarnation, undefined, 1_000)).deadLetters;
  }

  async logEntries(): Promise<number> {
    let count = 0;
    for (let partition = 0; partition < this.store.info.partitions; partition++)
      count += (await this.watched.memory.usage(partition)).logEntries;
    return count;
  }

  /** Resolves when the log is empty and nothing is deferred. */
  async settled(): Promise<void> {
    await this.watched.until(async () => {
      for (let partition = 0; partition < this.store.info.partitions; partition++) {
        const { logEntries, subscriptions } = await this.watched.memory.usage(partition);
        if (logEntries > 0 || subscriptions.some(({ deferred }) => deferred > 0)) return false;
      }
      return true;
    });
  }

  /** Ends everything; returns how many timers are left, which should be none. */
  async close(): Promise<number> {
    for (const { delivery } of this.workers) await delivery.close();
    this.clock.stop();
    await this.watched.memory.close();
    return this.clock.pending;
  }

  async #subscribe(name: string, properties: SubscriptionProperties): Promise<Subscription> {
    const subscription: Subscription = {
      topic: this.topic.name,
      topicIncarnation: this.topic.incarnation,
      name,
      incarnation: newIncarnation(),
      properties,
      status: { state: 'Active' },
      createdAt: this.clock.now(),
      updatedAt: this.clock.now(),
    };
    await this.put(subscription);
    return subscription;
  }

  #topicNamed(name: string, eventRetentionInDays = 0): Topic {
    return {
      name,
      incarnation: newIncarnation(),
      properties: { inputSchema: 'CloudEventSchemaV1_0', disableLocalAuth: false, eventRetentionInDays },
      keys: { key1: 1, key2: 1 },
      createdAt: this.clock.now(),
      updatedAt: this.clock.now(),
    };
  }
}

/** A structured event whose attributes are copied beside the body rather than found in it: fewer offsets to get right. */
export function structured(id: string, type = 'order.created', filling = ''): Event {
  const attributes = { specversion: '1.0', id, source: '/shop', type };
  const data = JSON.stringify(filling === '' ? { id } : { id, filling });
  const body = Buffer.from(`${JSON.stringify(attributes).slice(0, -1)},"data":${data}}`);
  return frameEvent({
    form: 'structured',
    attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    dataKind: 'json',
    dataAt: body.indexOf(data),
    dataLength: Buffer.byteLength(data),
    body,
  });
}

/** Keeps what is logged. */
export function logInto(lines: Line[]): Log {
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push({ level, message, fields: fields as Record<string, unknown> });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
