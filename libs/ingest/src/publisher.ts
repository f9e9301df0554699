/**
 * Takes the checked events of publish requests and has them appended to the log, many requests in one append.
 *
 * A request goes whole to one partition, all or none. A topic with duplicate detection has one, by a hash of its identity.
 * If all events of a request carry the same `partitionkey`, the key's hash decides which; otherwise partitions take turns,
 * once per flush. One flush is under way at a time; what arrives
 * meanwhile goes into the next, so a busy gateway writes few large entries and an idle one answers at once.
 *
 * A flush that fails takes the waiting requests with it: they were not sent, so they are refused as such, and no
 * request waits longer than the store's command timeout.
 */
import { createHash } from 'node:crypto';
import { type Event, GridpostError, type Incarnation, limits, type Topic } from '@gridpost/model';
import type { AppendOptions, AppendResult, PendingEvent, Store, UniqueWithin } from '@gridpost/store';
import { identityOf } from './identity.js';

export interface PublisherOptions {
  readonly store: Store;
  /** Told the configuration version that the partition knows. */
  readonly onVersion?: (version: number) => void;
  /** Told of events that `duplicateIdentitiesMax` made a topic's partition forget within the topic's window. */
  readonly onForgotten?: (topic: Incarnation, count: number) => void;
  /** Events of a topic with duplicate detection that are remembered at once. Default 1,000,000. */
  readonly duplicateIdentitiesMax?: number;
  /** Bytes of requests that may wait at once; more are refused with `StoreUnavailable`. Default 64 MiB. */
  readonly waitingBytesMax?: number;
}

/** Most events and bytes of one flush; a single larger request still goes alone. */
const flushEventsMax = 5_000;
const flushBytesMax = 4 * 1024 * 1024;

export interface Published {
  /** How many of the events were stored before, within their topic's window, or came earlier in the same request. */
  readonly duplicates: number;
}

const noDuplicates: Published = { duplicates: 0 };

interface Request {
  readonly events: readonly PendingEvent[];
  readonly bytes: number;
  readonly retained: boolean;
  readonly unique: UniqueWithin | undefined;
  readonly partition: number | undefined;
  resolve(published: Published): void;
  reject(error: unknown): void;
}

export class Publisher {
  readonly #store: Store;
  readonly #onVersion: PublisherOptions['onVersion'];
  readonly #onForgotten: PublisherOptions['onForgotten'];
  readonly #identitiesMax: number;
  readonly #waitingBytesMax: number;
  #waiting: Request[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #flushing = false;
  #turn = 0;
  #idle: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#store = options.store;
    this.#onVersion = options.onVersion;
    this.#onForgotten = options.onForgotten;
    this.#identitiesMax = options.duplicateIdentitiesMax ?? limits.duplicateIdentities.default;
    this.#waitingBytesMax = options.waitingBytesMax ?? 64 * 1024 * 1024;
    // Gateways that start together do not all begin with the same partition.
    this.#turn = process.pid;
  }

  /**
   * Resolves when all events are durable in the store's class, those that were duplicates included. Rejects with
   * `StoreFull` or `StoreUnavailable` if none was stored, with `OutcomeUnknown` if they may have been. An empty list is
   * accepted and stores nothing.
   */
  publish(topic: Topic, events: readonly Event[]): Promise<Published> {
    if (events.length === 0) return Promise.resolve(noDuplicates);
    const { incarnation } = topic;
    const { duplicateDetection, eventRetentionInDays } = topic.properties;
    const pending: PendingEvent[] = [];
    let bytes = 0;
    for (const event of events) {
      const { frame } = event;
      pending.push(
        duplicateDetection
          ? { topic: incarnation, frame, identity: identityOf(incarnation, event) }
          : { topic: incarnation, frame },
      );
      bytes += frame.length;
    }
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#waitingBytesMax) {
      return Promise.reject(
        new GridpostError('StoreUnavailable', 'too much is waiting to be stored already; try again shortly'),
      );
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        events: pending,
        bytes,
        retained: eventRetentionInDays > 0,
        unique: duplicateDetection && {
          windowMs: duplicateDetection.windowInMinutes * 60_000,
          identitiesMax: this.#identitiesMax,
        },
        partition: duplicateDetection ? this.#hashed(incarnation) : this.#pinned(events),
        resolve,
        reject,
      });
      this.#schedule();
    });
  }

  /** Resolves when nothing waits or is under way. */
  async drained(): Promise<void> {
    if (!this.#flushing && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pinned(events: readonly Event[]): number | undefined {
    const { partitions } = this.#store.info;
    if (partitions === 1) return 0;
    const key = events[0]!.attribute('partitionkey');
    if (key === undefined) return undefined;
    for (const event of events) if (event.attribute('partitionkey') !== key) return undefined;
    return this.#hashed(String(key));
  }

  #hashed(key: string): number {
    const { partitions } = this.#store.info;
    return partitions === 1 ? 0 : createHash('sha1').update(key).digest().readUInt32BE(0) % partitions;
  }

  /** Waits for the end of the turn, in which more requests may arrive, before it looks at what there is. */
  #schedule(): void {
    if (this.#scheduled || this.#flushing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#flushing || this.#waiting.length === 0) return;
    this.#flushing = true;
    const { partition, requests } = this.#take();
    const events =
      requests.length === 1 ? requests[0]!.events : requests.flatMap((request) => request.events);
    let result: AppendResult;
    try {
      result = await this.#store.append(partition, events, optionsOf(requests));
    } catch (error) {
      for (const request of requests) request.reject(error);
      this.#refuseWaiting(error instanceof GridpostError && error.code === 'StoreFull' ? error : undefined);
      this.#finish();
      return;
    }
    this.#onVersion?.(result.version);
    for (const [topic, count] of result.forgotten ?? []) this.#onForgotten?.(topic, count);
    if (result.duplicates) resolveEach(requests, result.duplicates);
    else for (const request of requests) request.resolve(noDuplicates);
    this.#finish();
  }

  #finish(): void {
    this.#flushing = false;
    if (this.#waiting.length) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Takes the oldest request and all that can share its append. */
  #take(): { partition: number; requests: Request[] } {
    const { partitions } = this.#store.info;
    const first = this.#waiting[0]!;
    const partition = first.partition ?? this.#turn++ % partitions;
    const requests: Request[] = [];
    const left: Request[] = [];
    let events = 0;
    let bytes = 0;
    for (const request of this.#waiting) {
      const fits =
        requests.length === 0 ||
        (events + request.events.length <= flushEventsMax && bytes + request.bytes <= flushBytesMax);
      // What is looked up in the store costs more; the others are not to pay for it.
      const alike = (request.unique === undefined) === (first.unique === undefined);
      if (fits && alike && (request.partition === undefined || request.partition === partition)) {
        requests.push(request);
        events += request.events.length;
        bytes += request.bytes;
      } else left.push(request);
    }
    this.#waiting = left;
    this.#waitingBytes -= bytes;
    return { partition, requests };
  }

  #refuseWaiting(error: unknown): void {
    const refusal =
      error ??
      new GridpostError('StoreUnavailable', 'the store did not answer; nothing of this request was stored');
    for (const request of this.#waiting) request.reject(refusal);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}

function optionsOf(requests: readonly Request[]): AppendOptions {
  const retained = new Set<Incarnation>();
  const unique = new Map<Incarnation, UniqueWithin>();
  for (const request of requests) {
    const { topic } = request.events[0]!;
    if (request.retained) retained.add(topic);
    if (request.unique) unique.set(topic, request.unique);
  }
  return { ...(retained.size ? { retained } : {}), ...(unique.size ? { unique } : {}) };
}

/** `duplicates`: indexes among the events of all requests, ascending. */
function resolveEach(requests: readonly Request[], duplicates: readonly number[]): void {
  let end = 0;
  let at = 0;
  for (const request of requests) {
    const from = at;
    end += request.events.length;
    while (at < duplicates.length && duplicates[at]! < end) at++;
    request.resolve({ duplicates: at - from });
  }
}
