/**
 * Writes what this worker finds out about endpoints, so that all workers and the API know it. Only transitions and probes
 * are written, and few at a time: what a thousand endpoints that fail together have to say is written one after the other,
 * while each has been stopped at once. Whoever has waited longest is next, so that those who have much to say, as probes do,
 * do not keep the others from being heard.
 */
import { type Clock, healthPath, type Log, type Subscription, subscriptionPath } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { PutResult, Store } from '@gridpost/store';
import { Outage } from '../outage.js';
import type { DeliverySettings } from '../settings.js';
import type { HealthPolicy } from './health.js';
import type { Draft, Ward } from './ward.js';

export interface KeeperOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Whose health it is. */
type Named = Pick<Subscription, 'incarnation' | 'topic' | 'name'>;

/** Writes under way at once. */
const writesMax = 16;

export class HealthKeeper {
  readonly #options: KeeperOptions;
  readonly #outage: Outage;
  readonly #writing = new Set<Promise<void>>();
  /** Those with something to be written, in the order in which they had it. */
  readonly #waiting = new Map<Ward, Named>();
  #notBefore = 0;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, "writing endpoints' health", {});
  }

  /** To be called about every 100 ms for each ward. */
  tend(ward: Ward, subscription: Named): void {
    ward.tick();
    if (ward.waits) this.#waiting.set(ward, subscription);
    this.#writeNext();
  }

  /**
   * Writes what is left to be written of these wards, whose worker stops. Resolves when it is, or the store cannot be
   * reached.
   */
  async leave(wards: ReadonlyMap<Ward, Named>): Promise<void> {
    for (const ward of wards.keys()) ward.leave();
    for (let left = Number.POSITIVE_INFINITY; ; ) {
      for (const [ward, subscription] of wards) this.tend(ward, subscription);
      await Promise.all(this.#writing);
      const unsaved = [...wards.keys()].filter((ward) => ward.unsaved).length;
      // Few are written at a time; where no more are, the store does not take them.
      if (unsaved === 0 || unsaved >= left) return;
      left = unsaved;
    }
  }

  /** Writes nothing any more. Resolves when nothing is being written. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#writing);
  }

  #writeNext(): void {
    const { clock } = this.#options;
    for (const [ward, subscription] of this.#waiting) {
      if (this.#closed || this.#writing.size >= writesMax || clock.elapsed() < this.#notBefore) return;
      this.#waiting.delete(ward);
      const draft = ward.draft();
      if (!draft) continue;
      const writing = this.#write(ward, subscription, draft).finally(() => {
        this.#writing.delete(writing);
        this.#writeNext();
      });
      this.#writing.add(writing);
    }
  }

  async #write(ward: Ward, subscription: Named, draft: Draft): Promise<void> {
    const { store, registry, clock } = this.#options;
    const { incarnation, topic, name } = subscription;
    const { health, etag } = draft;
    let result: PutResult;
    try {
      result = await store.resources.put(healthPath(topic, name), health, {
        ...(etag === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: etag }),
        // One that is deleted takes its health along.
        requires: { path: subscriptionPath(topic, name) },
      });
      this.#outage.over();
    } catch (error) {
      this.#notBefore = clock.elapsed() + this.#outage.failed(error);
      ward.notWritten(draft);
      return;
    }
    if ('etag' in result) {
      ward.wrote(draft, result.etag, result.version);
      this.#tell(subscription, draft);
      // What was changed after this write may have been learnt before its answer came.
      ward.learn(registry.healthOf(incarnation), registry.version);
      return;
    }
    // Another worker, or the API, was first.
    ward.notWritten(draft);
    try {
      await registry.refresh();
    } catch (error) {
      this.#notBefore = clock.elapsed() + this.#outage.failed(error);
    }
    ward.learn(registry.healthOf(incarnation), registry.version);
  }

  #tell({ topic, name }: Named, { health, stored }: Draft): void {
    const { log, metrics } = this.#options;
    const { state, failures, lastFailure, nextProbeAt } = health;
    if (state === stored) return;
    metrics.healthTransitions.with(topic, name, state).add();
    const names = { topic, subscription: name };
    if (state === 'Probation') {
      const until = new Date(nextProbeAt!).toISOString();
      log.warn({ ...names, failures, lastFailure, until }, 'endpoint fails and is held back');
    } else if (state === 'Recovering') log.info(names, 'endpoint works again: what has waited follows');
    else log.info(names, 'endpoint is healthy');
  }
}

/** What a subscription says of itself counts, and what the deployment has where it says nothing. */
export function policyOf(
  { properties: { probation } }: Subscription,
  { failuresMax, probeMsMax }: Pick<DeliverySettings, 'failuresMax' | 'probeMsMax'>,
): HealthPolicy {
  const seconds = probation?.maxProbeIntervalInSeconds;
  return {
    failuresMax: probation?.maxFailures ?? failuresMax,
    probeMsMax: seconds === undefined ? probeMsMax : seconds * 1_000,
  };
}
