/**
 * Replaying a topic's history to one subscription: what is asked for by itself, and what a new subscription asks for that
 * starts in the past.
 */
import { GridpostError, holderOf, type Job, jobPath, type Subscription, type Topic } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { rangeOf } from '../dead-letter-selection.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { getSubscription, getTopic } from '../stored.js';
import { invalidResource, schemaCheck } from '../validation.js';
import { answerWithJob, beginJob } from './beginning.js';
import { countEvents, storeNow } from './counting.js';

interface Replay {
  readonly from: string;
  readonly to?: string | null;
  readonly ratePerSecond?: number | null;
  readonly dryRun?: boolean | null;
}

const check = schemaCheck<Replay>('replay.json');

/**
 * How far past its creation a subscription's start in the past reaches: what is matched before every worker knows of the
 * subscription was accepted within this time. What it gets twice has the same message id.
 */
const overlapMs = 5_000;
/** Nobody has asked it to be gentle; the endpoint's pace and the job's back-pressure bound it. */
const startRatePerSecond = 1_000;

export function replayRoutes(context: Context): Route[] {
  const { store, clock } = context;
  const { resources } = store;

  async function replay(req: Request, res: Response): Promise<void> {
    const { ratePerSecond, dryRun, ...written } = check(req.body ?? {});
    const scope = scopeOf(req);
    const { value: subscription } = await getSubscription(resources, scope, parameter(req, 'name'));
    const { value: topic } = await getTopic(resources, holderOf(scope).holder);
    checkKeepsHistory(topic, '/from');
    const now = await storeNow(store);
    const { from = 0, to = now } = rangeOf(written);
    if (from > now) throw invalidResource([{ pointer: '/from', message: 'expected an instant in the past' }]);
    const range = { from, to: Math.min(to, now) };
    const total = await countEvents({ store, clock }, subscription, range);
    if (dryRun) res.json(total);
    else {
      const task = { kind: 'replay', ...range } as const;
      answerWithJob(res, await beginJob(context, subscription, { task, ratePerSecond, total }));
    }
  }

  return scopePaths.map(
    (scope): Route => ({
      ...{ method: 'POST', path: `${scope}/eventsubscriptions/{name}:replay`, role: 'operator' },
      handle: replay,
    }),
  );
}

/**
 * Has a new subscription get what was accepted since `startFrom`, if it says so: the job is written before the subscription,
 * so that a crash between the two forgets nothing, and waits for it. Returns how to take it back.
 */
export async function startInThePast(
  context: Context,
  topic: Topic,
  subscription: Subscription,
  at: string,
): Promise<() => Promise<void>> {
  const { store, clock } = context;
  const { startFrom } = subscription.properties;
  if (startFrom === undefined) return async () => {};
  checkKeepsHistory(topic, `${at}/startFrom`);
  const to = (await storeNow(store)) + overlapMs;
  const range = { from: Date.parse(startFrom), to };
  const total = await countEvents({ store, clock }, subscription, range);
  const task = { kind: 'replay', ...range } as const;
  const job: Job = await beginJob(context, subscription, { task, ratePerSecond: startRatePerSecond, total });
  return async () => {
    await store.resources.remove(jobPath(job.id));
  };
}

/** Throws `InvalidResource` if a subscription that exists is to start elsewhere. */
export function checkStart(
  { startFrom }: Pick<Subscription['properties'], 'startFrom'>,
  at: string,
  { properties }: Subscription,
): void {
  if (startFrom === undefined || startFrom === properties.startFrom) return;
  const message = 'is for a subscription that does not exist yet; :replay sends one what is past';
  throw invalidResource([{ pointer: `${at}/startFrom`, message }]);
}

/** Throws `InvalidResource` where there is nothing to replay. */
function checkKeepsHistory({ name, properties }: Topic, pointer: string): void {
  if (properties.eventRetentionInDays > 0) return;
  const message = `${JSON.stringify(name)} keeps no history of its events: its eventRetentionInDays is 0`;
  throw new GridpostError('InvalidResource', message, { errors: [{ pointer, message }] });
}
