/** Jobs as a gateway would write them, and what has become of them. */
import { type Job, jobPath, type JobTask, newJobId, type Subscription } from '@gridpost/model';
import type { Rig } from './rig.js';

export class JobDesk {
  readonly #rig: Rig;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  /** Queues a job of the subscription; returns its id. */
  async queue(
    { topic, name, incarnation }: Subscription,
    task: JobTask,
    wish: Partial<Job> = {},
  ): Promise<string> {
    const now = this.#rig.clock.now();
    const job: Job = {
      ...{ id: newJobId(now), task, topic, subscription: { name, incarnation }, ratePerSecond: 10_000 },
      ...{ total: { count: 0, exact: true }, status: 'queued', createdAt: now, updatedAt: now },
      progress: { done: 0, failed: 0, partition: 0 },
      ...wish,
    };
    await this.write(job);
    return job.id;
  }

  async read(id: string): Promise<Job> {
    return (await this.#rig.watched.memory.resources.get(jobPath(id)))!.value as Job;
  }

  async write(job: Job): Promise<void> {
    await this.#rig.watched.memory.resources.put(jobPath(job.id), job);
  }

  /** Resolves with the job as soon as `condition` holds for it. */
  async until(id: string, condition: (job: Job) => boolean): Promise<Job> {
    await this.#rig.watched.until(async () => condition(await this.read(id)));
    return this.read(id);
  }

  /** Resolves when the job is over. */
  over(id: string): Promise<Job> {
    return this.until(id, ({ endedAt }) => endedAt !== undefined);
  }
}
