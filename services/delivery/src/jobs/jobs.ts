/**
 * Finds jobs that nobody is at, claims them and has them run, a few at once; forgets those that have been over for long.
 * Every worker does, whatever partitions it owns: what jobs ask of the store is no owner's alone.
 */
import { type Incarnation, isOver, isProven, type Job, jobPath, jobsPrefix, limits } from '@gridpost/model';
import { JobRecord } from './record.js';
import { JobRun, type RunOptions } from './run.js';

export interface JobsOptions extends RunOptions {
  readonly worker: string;
}

/** Jobs of one worker at once. */
const runningMax = 4;
/** Where nothing hints at a change, jobs are looked for this often: a worker that died leaves no hint. */
const lookEveryMs = 5_000;
/** More than there can be. */
const documentsMax = 10_000;
/** A job may be written before its subscription. */
const awaitedMs = 60_000;

interface Found {
  readonly job: Job;
  readonly etag: string;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #runs = new Map<string, { readonly run: JobRun; readonly ended: Promise<void> }>();
  #seen = -1;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Claims what there is room for. To be called every second or so. Rejects as the store does. */
  async runOnce(): Promise<void> {
    const { store, registry, clock } = this.#options;
    const { version } = registry;
    const now = clock.elapsed();
    if (this.#stopped || (version === this.#seen && now - this.#lookedAt < lookEveryMs)) return;
    this.#lookedAt = now;
    const documents = await store.resources.list(jobsPrefix, undefined, documentsMax);
    const found = documents.map(({ value, etag }): Found => ({ job: value as Job, etag }));
    for (const each of found) {
      if (this.#stopped || this.#runs.size >= runningMax) break;
      if (this.#isFree(each.job)) await this.#claim(each);
    }
    await this.#forget(found.filter(({ job }) => isOver(job)));
    this.#seen = version;
  }

  /** Ends all runs after their steps under way. Those given back are gone on with by other workers at once. */
  async stop(giveBack: boolean): Promise<void> {
    this.#stopped = true;
    const runs = [...this.#runs.values()];
    for (const { run } of runs) run.stop(giveBack);
    await Promise.all(runs.map(({ ended }) => ended));
  }

  #isFree({ id, status, claim, task, subscription, createdAt }: Job): boolean {
    const { clock, worker, store } = this.#options;
    if (status === 'queued') {
      const target = (task.kind === 'redrive' && task.target) || subscription;
      return this.#isReady(target.incarnation) ?? clock.now() - createdAt > awaitedMs;
    }
    if (status !== 'running' || this.#runs.has(id)) return false;
    if (!claim || claim.until <= clock.now()) return true;
    // Where there is no other process it died with the last one.
    return !store.supports.sharing && claim.worker !== worker;
  }

  /** Whether a subscription may be sent events; undefined if there is none. */
  #isReady(incarnation: Incarnation): boolean | undefined {
    const registered = this.#options.registry.subscription(incarnation);
    return registered && isProven(registered.subscription);
  }

  async #claim(found: Found): Promise<void> {
    const { store, clock, worker, log } = this.#options;
    const record = await JobRecord.claim(store.resources, clock, worker, found);
    if (!record || this.#stopped) {
      await record?.giveBack();
      return;
    }
    const { id, task, topic, subscription } = record.job;
    log.info({ job: id, kind: task.kind, topic, subscription: subscription.name }, 'job begins');
    const run = new JobRun(record, this.#options);
    const ended = run.run().finally(() => {
      this.#runs.delete(id);
      // There is room for another.
      this.#seen = -1;
    });
    this.#runs.set(id, { run, ended });
  }

  /** The newest are kept for a week. Found in the order in which they were made. */
  async #forget(over: readonly Found[]): Promise<void> {
    const { store, clock } = this.#options;
    const since = clock.now() - limits.jobsKeptMs;
    for (const [at, { job, etag }] of over.entries())
      if (over.length - at > limits.jobsKeptMax || job.updatedAt < since)
        await store.resources.remove(jobPath(job.id), { ifMatch: etag });
  }
}
