/** Puts the delivery worker together: who knows whom, and what is done at which beat. The rules stand elsewhere. */
import { performance } from 'node:perf_hooks';
import { type Connector, type Egress, OAuthTokens } from '@gridpost/egress';
import type { Clock, Log, Random, Timer, TlsIdentity } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import { Chore } from './chore.js';
import { Destinations, type Places } from './dead-letters/destinations.js';
import { DeadLetterWriter } from './dead-letters/writer.js';
import { Connections } from './requests/connections.js';
import { disable } from './lanes/disabling.js';
import { HealthKeeper } from './health/keeper.js';
import { Jobs } from './jobs/jobs.js';
import { Lanes } from './lanes/lanes.js';
import { Matching } from './partition/matching.js';
import type { Passage } from './attempts/open-delivery.js';
import { Partition } from './partition/partition.js';
import { Pipeline } from './attempts/pipeline.js';
import { type DeliverySettings, settingsOf } from './settings.js';
import { Upkeep } from './upkeep/upkeep.js';
import { Worker } from './worker.js';

export interface DeliveryOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Name of this worker among all of the deployment: `[A-Za-z0-9-]`, fresh at each start. */
  readonly worker: string;
  readonly settings?: Partial<DeliverySettings>;
  /** Where dead letters may be written, beside webhooks. */
  readonly deadLetterPlaces?: Places;
  /** How endpoints are connected to, and which may be. */
  readonly egress: Pick<Egress, 'connector'>;
}

export interface Delivery {
  /** Begins to claim partitions and to deliver. Waits for nothing; an unreachable store is tried again for ever. */
  start(): void;
  /**
   * Takes no more, gives attempts under way `deadlineMs` to end (default: the longest attempt timeout and 5 s), writes
   * everything and hands the partitions over. Resolves with the number of attempts that had to be cut, whose endpoints
   * may see them again. If the store cannot be reached it gives up 5 s after the deadline, and what it could not write
   * is found by the next owner. May be called again, also to shorten the deadline. Never rejects.
   */
  drain(deadlineMs?: number): Promise<{ readonly cut: number }>;
  /** Ends at once and frees everything. Without a `drain` before it that is as after a crash. Safe to call twice. */
  close(): Promise<void>;
  /** Whether this worker does its part, in one phrase, for readiness. */
  status(): { readonly ok: boolean; readonly detail: string };
}

/** Deadlines, settle windows and stalls are looked at this often. */
const sweepMs = 100;
const upkeepMs = 10_000;
const writeMs = 2_000;
const jobsMs = 1_000;
/** What a drain adds to the longest attempt, and allows for writing when the deadline has passed. */
const drainMarginMs = 5_000;
/** Share of a sweep's time in which the event loop did not wait, from which on the process counts as saturated. */
const saturation = 0.9;

/** Throws `InvalidParameter` for settings that are out of range. */
export function createDelivery(options: DeliveryOptions): Delivery {
  return new Service(options);
}

class Service implements Delivery {
  readonly #options: DeliveryOptions;
  readonly #settings: DeliverySettings;
  readonly #connections: Connections;
  readonly #tokens: OAuthTokens;
  readonly #pipeline: Pipeline;
  readonly #lanes: Lanes;
  readonly #keeper: HealthKeeper;
  readonly #worker: Worker;
  readonly #upkeep: Upkeep;
  readonly #timers: Timer[] = [];
  readonly #cutTimers: Timer[] = [];
  readonly #confirming: Chore;
  readonly #upkeeping: Chore;
  readonly #destinations: Destinations;
  readonly #writer: DeadLetterWriter;
  readonly #writing: Chore;
  readonly #jobs: Jobs;
  readonly #jobbing: Chore;
  readonly #disabling = new Set<Promise<void>>();
  #stopListening: (() => void) | undefined;
  #draining: Promise<{ cut: number }> | undefined;
  #cutting = false;
  #cut = 0;
  #loop = performance.eventLoopUtilization();
  #saturated = false;
  #closed = false;

  constructor(options: DeliveryOptions) {
    const { store, registry, metrics, clock, random, log } = options;
    const settings = settingsOf(options.settings);
    this.#options = options;
    this.#settings = settings;
    const usual = options.egress.connector(settings.connectTimeoutMs);
    const connector = (tls?: TlsIdentity): Connector =>
      tls ? options.egress.connector(settings.connectTimeoutMs, tls) : usual;
    this.#tokens = new OAuthTokens(clock, connector);
    const { connectionsPerOrigin } = settings;
    this.#connections = new Connections({ connectionsPerOrigin, connector });
    this.#pipeline = new Pipeline({
      clock,
      random,
      log,
      metrics,
      finalStatuses: settings.finalStatuses,
      onGone: (lane) => this.#disable(lane),
    });
    this.#keeper = new HealthKeeper({ store, registry, clock, log, metrics });
    const lanes = new Lanes({
      worker: options.worker,
      store,
      log,
      settings,
      clock,
      registry,
      metrics,
      connections: this.#connections,
      random,
      keeper: this.#keeper,
      tokens: this.#tokens,
      load: (batch, delivery, now) => this.#pipeline.load(batch, delivery, now),
      start: (batch, now) => this.#pipeline.start(batch, now),
      saturated: () => this.#saturated,
      onResumed: (subscription) => {
        for (const partition of this.#worker.owned()) partition.resume(subscription);
      },
    });
    this.#lanes = lanes;
    const matching = new Matching(registry, metrics, log);
    const partitionsOwned = metrics.partitionsOwned.with();
    this.#worker = new Worker({
      store,
      clock,
      log,
      worker: options.worker,
      settings,
      take: (partition, claim, ownedUntil, onLost) =>
        new Partition({ ...options, settings, lanes, matching, partition, claim, ownedUntil, onLost }),
      onOwned: (count) => {
        partitionsOwned.set(count);
      },
      onWorkers: (workers) => lanes.setWorkers(workers),
    });
    this.#upkeep = new Upkeep({
      store,
      registry,
      metrics,
      clock,
      log,
      lanes,
      attemptLog: settings.attemptLog,
      partitions: () => this.#worker.owned(),
    });
    const places = options.deadLetterPlaces ?? {};
    this.#destinations = new Destinations({ clock, settings, connector, tokens: this.#tokens, places });
    this.#writer = new DeadLetterWriter({
      store,
      registry,
      metrics,
      clock,
      log,
      delayMs: settings.deadLetterDelayMs,
      destinations: this.#destinations,
      partitions: () => this.#worker.owned(),
    });
    this.#jobs = new Jobs({
      ...{ store, registry, metrics, clock, log },
      worker: options.worker,
      attemptLog: settings.attemptLog,
      backlogBytesMax: settings.jobBacklogBytesMax,
    });
    this.#confirming = new Chore(log, 'confirming the configuration', async () => {
      await registry.refresh();
      lanes.reopen(clock.elapsed());
    });
    this.#upkeeping = new Chore(log, 'upkeep', () => this.#upkeep.runOnce());
    this.#writing = new Chore(log, 'looking for dead letters to write', () => this.#writer.runOnce());
    this.#jobbing = new Chore(log, 'looking for jobs', () => this.#jobs.runOnce());
  }

  start(): void {
    if (this.#timers.length > 0 || this.#draining || this.#closed) return;
    const { store, clock } = this.#options;
    const stops = [
      store.onAppend((partition) => this.#worker.at(partition)?.wake()),
      store.onRedrive((partition) => this.#worker.at(partition)?.expectDue()),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
    this.#timers.push(
      clock.every(sweepMs, () => this.#sweep()),
      clock.every(this.#settings.beatMs, () => this.#confirm()),
      clock.every(upkeepMs, () => this.#keepUp()),
      clock.every(writeMs, () => this.#writing.run()),
      clock.every(jobsMs, () => this.#jobbing.run()),
    );
    this.#worker.start();
  }

  drain(deadlineMs = this.#lanes.longestTimeoutMs + drainMarginMs): Promise<{ cut: number }> {
    const { clock } = this.#options;
    if (!this.#closed) {
      this.#cutTimers.push(
        clock.after(deadlineMs, () => this.#cutAll()),
        clock.after(deadlineMs + drainMarginMs, () => this.#worker.close()),
      );
    }
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.splice(0)) timer.cancel();
    this.#stopListening?.();
    this.#worker.close();
    await this.#draining;
    this.#pipeline.abort();
    await this.#lanes.close();
    this.#connections.close();
    await this.#tokens.close();
    await Promise.all([this.#writer.close(), this.#jobs.stop(false)]);
    await this.#keeper.close();
    for (const chore of [this.#confirming, this.#upkeeping, this.#writing, this.#jobbing])
      await chore.ended();
    await Promise.all(this.#disabling);
  }

  status(): { ok: boolean; detail: string } {
    return this.#worker.status();
  }

  async #drain(): Promise<{ cut: number }> {
    await Promise.all([this.#worker.drain(), this.#jobs.stop(true)]);
    await this.#keeper.leave(this.#lanes.wards());
    for (const timer of this.#cutTimers.splice(0)) timer.cancel();
    if (this.#cut > 0)
      this.#options.log.warn({ cut: this.#cut }, 'attempts were cut, their endpoints may see them again');
    return { cut: this.#cut };
  }

  /** From the deadline of a drain on: also what has started since. */
  #cutAll(): void {
    this.#cutting = true;
    this.#cut += this.#pipeline.abort();
  }

  #sweep(): void {
    const now = this.#options.clock.elapsed();
    const loop = performance.eventLoopUtilization();
    this.#saturated = performance.eventLoopUtilization(loop, this.#loop).utilization >= saturation;
    this.#loop = loop;
    this.#pipeline.sweep(now);
    this.#destinations.sweep();
    this.#lanes.sweep(now);
    for (const partition of this.#worker.owned()) partition.tick(now);
    if (this.#cutting) this.#cutAll();
  }

  /** Where no partition reads, for lack of room, something else has to find out whether the configuration is current. */
  #confirm(): void {
    const { registry, clock } = this.#options;
    if (this.#worker.owned().length === 0) return;
    if (clock.elapsed() - registry.confirmedAt < 2 * this.#settings.beatMs) return;
    this.#confirming.run();
  }

  #keepUp(): void {
    this.#connections.sweep();
    this.#destinations.tidy();
    this.#upkeeping.run();
  }

  #disable(lane: Passage): void {
    const { store, registry, clock, log } = this.#options;
    const disabling = disable(lane, { store, registry, clock, log, lanes: this.#lanes }).finally(() =>
      this.#disabling.delete(disabling),
    );
    this.#disabling.add(disabling);
  }
}
