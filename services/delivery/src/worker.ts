/**
 * Which partitions this worker owns, and when. One slot per partition:
 *
 *     free ──claimed──► owned ──due to another──► left ──released──► free
 *                         └───────renewal refused, fenced──────────────► free
 *
 * Every look (a second) the worker announces itself, learns who lives, and by rendezvous hash which partitions should be
 * its own. Those that should be and are not are claimed; where another still owns one, it is asked for again at each
 * beat. Those that are and should not be are left (`partition.ts`), which takes as long as their attempts: until then the
 * worker goes on renewing them. Owned partitions are renewed every 3 s, and nothing is started for one whose renewal is
 * overdue by its lease, since another may own it by then. A renewal that was refused drops the partition's lines at once.
 *
 * The worker itself:
 *
 *     idle ──start()──► running ──drain()──► draining ──► drained
 *       └─────────────────┴──────close()────────┴───────────┴──► closed
 *
 * - *draining*: withdrawn, so that the others claim what is released; takes nothing in. Attempts have until the deadline.
 * - *closed*: nothing runs any more. From any other state but *drained* that is as after a crash.
 */
import type { Clock, Log, Timer } from '@gridpost/model';
import type { Claim, Store } from '@gridpost/store';
import { Outage } from './outage.js';
import type { Partition } from './partition/partition.js';
import { ownersOf } from './rendezvous.js';
import type { DeliverySettings } from './settings.js';

export interface WorkerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly worker: string;
  readonly settings: DeliverySettings;
  /** Makes the owned partition of a claim; `ownedUntil` is of `clock.elapsed()`. */
  readonly take: (partition: number, claim: Claim, ownedUntil: number, onLost: () => void) => Partition;
  /** How many partitions are owned now. */
  readonly onOwned: (count: number) => void;
  /** Which workers are to own partitions. */
  readonly onWorkers: (workers: readonly string[]) => void;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #partitions = new Map<number, Partition>();
  readonly #renewedAt = new Map<number, number>();
  readonly #claiming = new Map<number, Promise<void>>();
  readonly #timers: Timer[] = [];
  #workers: readonly string[] = [];
  /** Of each partition the worker that should own it. */
  #owners: readonly string[] = [];
  #looking: Promise<void> | undefined;
  #draining = false;
  #closed = false;
  #reachedAt: number | undefined;
  readonly #outage: Outage;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#outage = new Outage(options.log, 'keeping partitions', { worker: options.worker });
  }

  start(): void {
    const { clock, settings } = this.#options;
    if (this.#timers.length > 0 || this.#draining || this.#closed) return;
    this.#timers.push(
      clock.every(settings.lookEveryMs, () => this.look()),
      clock.every(settings.beatMs, () => this.#claimWanted()),
    );
    this.look();
  }

  /** Owned and left, in no order. */
  owned(): Partition[] {
    return [...this.#partitions.values()];
  }

  at(partition: number): Partition | undefined {
    return this.#partitions.get(partition);
  }

  status(): { ok: boolean; detail: string } {
    const { clock, store, settings } = this.#options;
    const owns = `owns ${this.#partitions.size} of ${store.info.partitions} partitions`;
    if (this.#draining || this.#closed) return { ok: false, detail: `draining, ${owns}` };
    if (this.#reachedAt === undefined) return { ok: false, detail: 'not started' };
    if (clock.elapsed() - this.#reachedAt > settings.ownershipMs)
      return { ok: false, detail: `has not reached the store in time, ${owns}` };
    return { ok: true, detail: owns };
  }

  /** One look, unless one is under way. Never rejects. */
  look(): void {
    this.#looking ??= this.#look()
      .catch((error: unknown) => void this.#outage.failed(error))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  /** Leaves all partitions and takes no more. Resolves when none is owned. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#looking;
    await Promise.all(this.#claiming.values());
    await this.#attempt('withdrawing', (store, worker) => store.withdraw(worker));
    await Promise.all(this.owned().map((partition) => this.#release(partition, partition.leave())));
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  /** Drops all partitions. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.splice(0)) timer.cancel();
    for (const partition of this.owned()) partition.lose();
  }

  async #look(): Promise<void> {
    await Promise.all([this.#renewAll(), this.#announce()]);
    this.#outage.over();
  }

  async #announce(): Promise<void> {
    const { store, worker, clock, settings } = this.#options;
    if (this.#draining) return;
    this.#notice(await store.announce(worker, settings.ownershipMs));
    this.#reachedAt = clock.elapsed();
    for (const partition of this.owned())
      if (partition.state === 'owned' && !this.#wants(partition.partition))
        void this.#release(partition, partition.shed());
    this.#claimWanted();
  }

  #notice(workers: readonly string[]): void {
    if (workers.join() === this.#workers.join()) return;
    this.#workers = workers;
    this.#owners = ownersOf(this.#options.store.info.partitions, workers);
    this.#options.onWorkers(workers.filter((worker) => this.#owners.includes(worker)));
  }

  async #renewAll(): Promise<void> {
    const { clock, settings } = this.#options;
    const due = clock.elapsed() - settings.renewEveryMs;
    const late = this.owned().filter(({ partition }) => this.#renewedAt.get(partition)! <= due);
    await Promise.all(late.map((partition) => this.#renew(partition)));
  }

  async #renew(owned: Partition): Promise<void> {
    const { store, worker, clock, settings, log } = this.#options;
    const { partition, epoch } = owned;
    const began = clock.elapsed();
    if (await store.renew(partition, worker, epoch, settings.ownershipMs)) {
      owned.ownedUntil = began + settings.ownershipMs;
      this.#renewedAt.set(partition, began);
    } else {
      log.warn({ partition, worker }, 'partition lost: the renewal was refused');
      owned.lose();
    }
  }

  #wants(partition: number): boolean {
    return this.#owners[partition] === this.#options.worker;
  }

  #claimWanted(): void {
    const { partitions } = this.#options.store.info;
    for (let partition = 0; partition < partitions; partition++) {
      if (this.#draining || this.#closed) return;
      if (this.#partitions.has(partition) || this.#claiming.has(partition) || !this.#wants(partition))
        continue;
      const claiming = this.#claim(partition)
        .catch((error: unknown) => void this.#outage.failed(error))
        .finally(() => this.#claiming.delete(partition));
      this.#claiming.set(partition, claiming);
    }
  }

  async #claim(partition: number): Promise<void> {
    const { store, worker, clock, settings, log, take } = this.#options;
    const { ownershipMs, unsettledEventsMax } = settings;
    const began = clock.elapsed();
    const claim = await store.claim(partition, worker, ownershipMs, unsettledEventsMax);
    if (!claim) return;
    const { epoch, suspectUpTo } = claim;
    if (this.#draining || this.#closed) {
      // Nothing of it was touched.
      if (suspectUpTo === undefined) await store.release(partition, worker, epoch);
      return;
    }
    log.info({ partition, worker, epoch, suspectUpTo }, 'partition claimed');
    const owned = take(partition, claim, began + ownershipMs, () => this.#dropped(owned));
    this.#partitions.set(partition, owned);
    this.#renewedAt.set(partition, began);
    this.#options.onOwned(this.#partitions.size);
    owned.start();
  }

  async #release(owned: Partition, left: Promise<void>): Promise<void> {
    const { log } = this.#options;
    const { partition, epoch } = owned;
    await left;
    if (owned.state !== 'released') return;
    // Suspects are left to the next owner as such: by letting the lease run out now instead of releasing it.
    await this.#attempt('releasing', async (store, worker) => {
      if (owned.suspecting) await store.renew(partition, worker, epoch, 1);
      else await store.release(partition, worker, epoch);
    });
    log.info({ partition, epoch, suspecting: owned.suspecting }, 'partition released');
    this.#dropped(owned);
  }

  #dropped(owned: Partition): void {
    const { partition } = owned;
    if (this.#partitions.get(partition) !== owned) return;
    this.#partitions.delete(partition);
    this.#renewedAt.delete(partition);
    this.#options.onOwned(this.#partitions.size);
  }

  /** A call whose failure costs others time and nothing else: what is not given back runs out. */
  async #attempt(what: string, call: (store: Store, worker: string) => Promise<void>): Promise<void> {
    const { store, worker, log } = this.#options;
    try {
      await call(store, worker);
    } catch (error) {
      log.warn({ worker, error: String(error) }, `${what} failed`);
    }
  }
}
