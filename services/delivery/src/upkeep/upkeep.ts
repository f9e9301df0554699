/**
 * What an owner does for its partitions besides delivering: reads off the gauges, forgets what deleted subscriptions
 * left, trims histories and what is remembered for duplicate detection, and gives up what waits too long where nothing
 * attempts it. `runOnce` is one pass; a loop only repeats it.
 *
 * Whether something is left over is judged by a registry refreshed after it was found: what was made meanwhile is then
 * known. All work is in bounded steps; what a pass does not finish, the next one goes on with.
 */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import type { Clock, Incarnation, Log } from '@gridpost/model';
import { type Metrics, otherLabel } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store, Usage } from '@gridpost/store';
import type { Lanes } from '../lanes/lanes.js';
import type { Pending } from '../partition/in-hand.js';
import { AttemptUsageSeries } from './attempt-usage.js';
import { Expiry } from './expiry.js';
import { Gauges, type Held, type Names, namesOf } from './gauges.js';
import { Trimming } from './trimming.js';

/** What upkeep sees of an owned partition. */
export interface KeptPartition {
  readonly partition: number;
  /** What is in hand from unsettled entries, by subscription. */
  pending(): ReadonlyMap<Incarnation, Pending>;
  storeNow(elapsed: number): number;
  /** Looks whether the log holds what it should. */
  verify(): Promise<void>;
}

export interface UpkeepOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  readonly lanes: Lanes;
  readonly attemptLog: AttemptLogLevel;
  /** Those owned at the moment. */
  readonly partitions: () => readonly KeptPartition[];
}

/** Records removed by one store call, and calls per partition and pass. */
const stepMax = 1_000;
const stepsMax = 20;
const unnamed: Names = { topic: otherLabel, name: otherLabel };

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #gauges: Gauges;
  readonly #trimming: Trimming;
  readonly #expiry: Expiry;
  readonly #attempts: AttemptUsageSeries;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#gauges = new Gauges(options);
    this.#trimming = new Trimming(options);
    this.#expiry = new Expiry(options);
    this.#attempts = new AttemptUsageSeries(options.metrics);
  }

  /** Gauges, leftovers and histories of all owned partitions. Rejects as the store does; the next pass goes on. */
  async runOnce(): Promise<void> {
    const { store, registry, metrics, clock } = this.#options;
    const held = new Map<Incarnation, Held>();
    const attempts = new Map<number, Awaited<ReturnType<Store['attemptUsage']>>>();
    const leftovers: { partition: number; subscription: Incarnation }[] = [];
    const remembered = new Map<Incarnation, number>();
    let logEntries = 0;
    const of = (subscription: Incarnation): Held => {
      let known = held.get(subscription);
      if (!known) {
        known = { backlog: 0, deadLetters: 0, oldestAt: Number.POSITIVE_INFINITY };
        held.set(subscription, known);
      }
      return known;
    };
    const partitions = this.#options.partitions();
    for (const owned of partitions) {
      const { partition } = owned;
      await owned.verify();
      const usage = await store.usage(partition);
      logEntries += usage.logEntries;
      attempts.set(partition, await store.attemptUsage(partition));
      for (const each of usage.subscriptions) {
        add(of(each.subscription), each);
        leftovers.push({ partition, subscription: each.subscription });
      }
      await this.#trimming.histories(partition);
      await this.#trimming.identities(partition, remembered);
      await this.#expiry.runOnce(partition, usage);
    }
    for (const partition of partitions) {
      for (const [subscription, { count, oldestAt }] of partition.pending()) {
        const sum = of(subscription);
        sum.backlog += count;
        sum.oldestAt = Math.min(sum.oldestAt, oldestAt);
      }
    }
    metrics.logEntries.with().set(logEntries);
    await registry.refresh();
    const storeNow = partitions[0]?.storeNow(clock.elapsed()) ?? 0;
    this.#gauges.show(held, remembered, storeNow);
    this.#attempts.show(attempts, storeNow);
    for (const { partition, subscription } of leftovers)
      if (!registry.subscription(subscription)) await this.#purge(partition, subscription);
  }

  async #purge(partition: number, subscription: Incarnation): Promise<void> {
    const { store, metrics, lanes, log } = this.#options;
    const lane = lanes.find(subscription);
    const { topic, name } = lane ? namesOf(lane.registered) : (this.#gauges.namesOf(subscription) ?? unnamed);
    const dropped = metrics.dropped.with(topic, name, 'SubscriptionDeleted');
    for (let step = 0; step < stepsMax; step++) {
      const count = await store.purge(partition, subscription, stepMax);
      dropped.add(count);
      if (count > 0) log.info({ topic, subscription: name, partition, count }, 'deliveries dropped: deleted');
      if (count < stepMax) return;
    }
  }
}

function add(sum: Held, { deferred, deadLettered, oldestAcceptedAt }: Usage): void {
  sum.backlog += deferred;
  sum.deadLetters += deadLettered;
  if (oldestAcceptedAt !== undefined) sum.oldestAt = Math.min(sum.oldestAt, oldestAcceptedAt);
}
