/** Jobs over HTTP: listed, read and cancelled. What begins one stands where its subject does. */
import { GridpostError, isJobId, isOver, type Job, jobPath } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { changing } from '../preconditions.js';
import { parameter, type Route } from '../route.js';
import type { Stored } from '../stored.js';
import { allJobs } from './beginning.js';
import { jobView } from './job-view.js';

export function jobRoutes({ store, clock, paging }: Context): Route[] {
  const { resources } = store;

  /** The newest first. There are never so many that they could not be read at once. */
  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const jobs = (await allJobs(resources)).reverse();
    const rest = jobs.filter(({ id }) => ask.after === undefined || id < ask.after);
    const page = rest.slice(0, ask.max);
    const more = rest.length > page.length ? { nextLink: paging.nextLink(req, ask, page.at(-1)!.id) } : {};
    res.json({ value: page.map(jobView), ...more });
  }

  async function read(req: Request, res: Response): Promise<void> {
    res.json(jobView((await find(req)).value));
  }

  /** What has been done stays done. A job that is over is answered as it is. */
  async function cancel(req: Request, res: Response): Promise<void> {
    const job = await changing(async () => {
      const { value, etag } = await find(req);
      if (isOver(value)) return value;
      const { claim: _, waitingFor: __, ...rest } = value;
      const now = clock.now();
      const cancelled: Job = { ...rest, status: 'cancelled', updatedAt: now, endedAt: now };
      const put = await resources.put(jobPath(value.id), cancelled, { ifMatch: etag });
      return 'etag' in put ? cancelled : undefined;
    });
    res.json(jobView(job));
  }

  async function find(req: Request): Promise<Stored<Job>> {
    const id = parameter(req, 'id');
    const found = isJobId(id) ? await resources.get(jobPath(id)) : undefined;
    if (!found) throw new GridpostError('JobNotFound', 'there is no such job, or it was over long ago');
    return found as unknown as Stored<Job>;
  }

  return [
    { method: 'GET', path: '/jobs', role: 'reader', handle: list },
    { method: 'GET', path: '/jobs/{id}', role: 'reader', handle: read },
    { method: 'POST', path: '/jobs/{id}:cancel', role: 'operator', handle: cancel },
  ];
}
