/**
 * A job's document in the hands of the worker that has claimed it. Each write is on condition that nobody else wrote: one
 * that fails was a cancellation, or another worker that took this one for dead.
 */
import { type Clock, isOver, type Job, jobPath } from '@gridpost/model';
import type { Resources } from '@gridpost/store';

/** A worker that has written nothing for so long is taken for dead. */
const claimMs = 15_000;
/** What is new is written at most so often, and that a worker lives at least so often. */
const writeEveryMs = 1_000;
const renewEveryMs = 5_000;

export class JobRecord {
  readonly #resources: Resources;
  readonly #clock: Clock;
  readonly #worker: string;
  #job: Job;
  #etag: string;
  #writtenAt: number;
  /** Something was noted since the last write. */
  #news = false;

  private constructor(resources: Resources, clock: Clock, worker: string, job: Job, etag: string) {
    this.#resources = resources;
    this.#clock = clock;
    this.#worker = worker;
    this.#job = job;
    this.#etag = etag;
    this.#writtenAt = clock.elapsed();
  }

  /** Claims a job that was found with this etag. Undefined if somebody else was first. */
  static async claim(
    resources: Resources,
    clock: Clock,
    worker: string,
    found: { readonly job: Job; readonly etag: string },
  ): Promise<JobRecord | undefined> {
    const now = clock.now();
    const job: Job = {
      ...found.job,
      status: 'running',
      startedAt: found.job.startedAt ?? now,
      updatedAt: now,
      claim: { worker, until: now + claimMs },
    };
    const put = await resources.put(jobPath(job.id), job, { ifMatch: found.etag });
    return 'etag' in put ? new JobRecord(resources, clock, worker, job, put.etag) : undefined;
  }

  get job(): Job {
    return this.#job;
  }

  /** Whether it is time to write it. */
  get isDue(): boolean {
    return this.#clock.elapsed() - this.#writtenAt >= (this.#news ? writeEveryMs : renewEveryMs);
  }

  /** Changes the job in memory; the next write takes it along. */
  note(change: Pick<Job, 'progress'> | { readonly waitingFor: string | undefined }): void {
    if ('progress' in change || change.waitingFor !== this.#job.waitingFor) this.#news = true;
    this.#job = { ...this.#job, ...change } as Job;
  }

  /** Writes the job, as ours to go on with, or as one that has ended. False if it is not ours any more. */
  async write(end?: Pick<Job, 'status' | 'error'>): Promise<boolean> {
    const now = this.#clock.now();
    const { claim: _, ...rest } = this.#job;
    const job: Job = end
      ? { ...rest, ...end, updatedAt: now, endedAt: now }
      : { ...rest, updatedAt: now, claim: { worker: this.#worker, until: now + claimMs } };
    return this.#put(job);
  }

  /** Leaves the job to whoever claims it next. */
  async giveBack(): Promise<void> {
    const { claim: _, ...job } = this.#job;
    await this.#put({ ...job, updatedAt: this.#clock.now() });
  }

  async #put(job: Job): Promise<boolean> {
    const path = jobPath(job.id);
    const put = await this.#resources.put(path, job, { ifMatch: this.#etag });
    if ('etag' in put) {
      this.#wrote(job, put.etag);
      return true;
    }
    const found = await this.#resources.get(path);
    if (!found) return false;
    const current = found.value as Job;
    if (isOver(current)) {
      // Cancelled: what was done until we heard of it is counted.
      await this.#resources.put(path, { ...current, progress: job.progress }, { ifMatch: found.etag });
      return false;
    }
    if (current.claim?.worker !== this.#worker) return false;
    // A write of ours whose answer was lost.
    const again = await this.#resources.put(path, job, { ifMatch: found.etag });
    if (!('etag' in again)) return false;
    this.#wrote(job, again.etag);
    return true;
  }

  #wrote(job: Job, etag: string): void {
    this.#job = job;
    this.#etag = etag;
    this.#writtenAt = this.#clock.elapsed();
    this.#news = false;
  }
}
