/** Writes jobs for a worker to find. */
import {
  GridpostError,
  isOver,
  type Job,
  jobPath,
  jobsPrefix,
  type JobTask,
  type JobTotal,
  limits,
  newJobId,
  type Subscription,
} from '@gridpost/model';
import type { Resources } from '@gridpost/store';
import type { Response } from 'express';
import type { Context } from '../context.js';
import { jobView } from './job-view.js';

/** More than there can be. */
const documentsMax = 10_000;

/** All jobs, the oldest first. */
export async function allJobs(resources: Resources): Promise<Job[]> {
  return (await resources.list(jobsPrefix, undefined, documentsMax)).map(({ value }) => value as Job);
}

export interface JobWish {
  readonly task: JobTask;
  /** Default: `limits.jobRate`. */
  readonly ratePerSecond: number | null | undefined;
  readonly total: JobTotal;
}

/**
 * Queues a job. Rejects with `TooManyResources` where too many are queued or running; gateways that ask at the same moment
 * may pass the bound by one each.
 */
export async function beginJob(
  { store: { resources }, clock }: Pick<Context, 'store' | 'clock'>,
  { topic, name, incarnation }: Pick<Subscription, 'topic' | 'name' | 'incarnation'>,
  { task, ratePerSecond, total }: JobWish,
): Promise<Job> {
  const open = (await allJobs(resources)).filter((job) => !isOver(job)).length;
  if (open >= limits.jobsMax) {
    throw new GridpostError(
      'TooManyResources',
      `there are ${limits.jobsMax} jobs queued or running, the most there can be; GET /jobs lists them`,
    );
  }
  const now = clock.now();
  const job: Job = {
    id: newJobId(now),
    task,
    topic,
    subscription: { name, incarnation },
    ratePerSecond: ratePerSecond ?? limits.jobRate.default,
    total,
    status: 'queued',
    progress: { done: 0, failed: 0, partition: 0 },
    createdAt: now,
    updatedAt: now,
  };
  await resources.put(jobPath(job.id), job, { ifNoneMatch: '*' });
  return job;
}

/** 202: it is written, and a worker will do it. */
export function answerWithJob(res: Response, job: Job): void {
  res.status(202).set('location', `/jobs/${job.id}`).json(jobView(job));
}
