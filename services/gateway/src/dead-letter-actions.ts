/**
 * What is done with dead letters once the cause is mended, or found to be beyond mending: some are delivered again at once,
 * one perhaps after it was edited; many are redriven or purged by a job.
 */
import { type Ending, recordsOfLetters } from '@gridpost/attempt-log';
import {
  directed,
  type Event,
  type FieldError,
  GridpostError,
  holderOf,
  type JobTask,
  limits,
  type Place,
  pointerTo,
  type Scope,
  type Subscription,
} from '@gridpost/model';
import type { DeadLetter } from '@gridpost/store';
import type { Request, Response } from 'express';
import { askForBody, hasBody } from './answer.js';
import { readBody } from './body.js';
import { byPartition } from './by-partition.js';
import type { Context } from './context.js';
import { selectionOf, type WrittenSelection } from './dead-letter-selection.js';
import { placeOf } from './dead-letter-view.js';
import { answerWithJob, beginJob } from './jobs/beginning.js';
import { countDeadLetters } from './jobs/counting.js';
import { publishedEvents } from './published-events.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { getSubscription, getTopic } from './stored.js';
import { invalidResource, schemaCheck } from './validation.js';

interface Bulk extends WrittenSelection {
  readonly ratePerSecond?: number | null;
}

interface Redrive extends Bulk {
  readonly ids?: readonly string[] | null;
  readonly target?: string | null;
}

/** Dead letters read at once: each may have an event of 1 MiB. */
const lettersAtOnce = 32;

const checkRedrive = schemaCheck<Redrive>('redrive.json');
const checkPurge = schemaCheck<Bulk>('purge.json');

export function deadLetterActionRoutes(context: Context): Route[] {
  const { store, clock, attemptLog } = context;
  const { resources } = store;
  const { partitions } = store.info;

  /** Those named are due again at once, with fresh attempts and a fresh time to live; for all others there is a job. */
  async function redrive(req: Request, res: Response): Promise<void> {
    const { ids, target, ...bulk } = checkRedrive(req.body ?? {});
    const subscription = await subscriptionIn(req);
    if (ids != null) {
      refuseBeside({ target, ...bulk });
      res.json({ redriven: await redriveNamed(subscription, ids) });
      return;
    }
    const other = target == null || target === subscription.name ? undefined : await targetOf(req, target);
    await begin(res, subscription, bulk, (letters) => ({
      kind: 'redrive',
      letters,
      ...(other ? { target: { name: other.name, incarnation: other.incarnation } } : {}),
    }));
  }

  async function purge(req: Request, res: Response): Promise<void> {
    const bulk = checkPurge(req.body ?? {});
    await begin(res, await subscriptionIn(req), bulk, (letters) => ({ kind: 'purge', letters }));
  }

  /** Of those there are now: what is given up from now on is not the job's, least of all what it has redriven. */
  async function begin(
    res: Response,
    subscription: Subscription,
    bulk: Bulk,
    taskOf: (letters: ReturnType<typeof selectionOf>) => JobTask,
  ): Promise<void> {
    const { incarnation } = subscription;
    const selection = selectionOf(bulk);
    const { now, ...total } = await countDeadLetters({ store, clock }, incarnation, selection);
    const letters = { ...selection, to: Math.min(selection.to ?? Number.POSITIVE_INFINITY, now + 1) };
    const { ratePerSecond } = bulk;
    answerWithJob(
      res,
      await beginJob(context, subscription, { task: taskOf(letters), ratePerSecond, total }),
    );
  }

  /**
   * Delivers one again. With a body, which is read as the topic's publishers send an event, that event goes to the
   * subscription instead, whatever its filter says, and the dead letter is let go once it is durable.
   */
  async function resend(req: Request, res: Response): Promise<void> {
    const body = await bodyOf(req, res);
    const subscription = await subscriptionIn(req);
    const { topic, topicIncarnation, incarnation } = subscription;
    const place = placeOf(parameter(req, 'id'), partitions);
    const letter = place && (await store.deadLetter(place.partition, incarnation, place));
    if (!letter)
      throw new GridpostError('DeadLetterNotFound', 'the subscription has no dead letter with this id');
    const { partition } = place;
    if (body.length === 0) {
      await record(subscription, partition, [letter], deferredAs('resent'));
      await store.redrive(partition, incarnation, { places: [place] });
    } else {
      const event = await editedEvent(req, topic, body);
      const { frame } = directed(event, { only: incarnation, cause: 'resent' });
      await store.append(partition, [{ topic: topicIncarnation, frame }]);
      await record(subscription, partition, [letter], { kind: 'sentOn', reason: 'resent' });
      await store.letGo(partition, incarnation, [letter]);
    }
    res.status(204).end();
  }

  async function editedEvent(req: Request, scope: Scope, body: Buffer): Promise<Event> {
    const { value } = await getTopic(resources, holderOf(scope).holder);
    const events = publishedEvents(value, 'namespaceTopic', req.rawHeaders, body, clock);
    if (events.length === 1) return events[0]!;
    throw new GridpostError('InvalidEvent', `saw ${events.length} events, expected the one to send`);
  }

  async function subscriptionIn(req: Request): Promise<Subscription> {
    return (await getSubscription(resources, scopeOf(req), parameter(req, 'name'))).value;
  }

  async function targetOf(req: Request, name: string): Promise<Subscription> {
    try {
      return (await getSubscription(resources, scopeOf(req), name)).value;
    } catch (error) {
      if (!(error instanceof GridpostError && error.code === 'SubscriptionNotFound')) throw error;
      throw invalidResource([{ pointer: '/target', message: error.message }]);
    }
  }

  async function redriveNamed(subscription: Subscription, ids: readonly string[]): Promise<number> {
    const { incarnation } = subscription;
    let redriven = 0;
    for (const [partition, places] of placesOf(ids, partitions)) {
      for (let from = 0; from < places.length; from += lettersAtOnce) {
        const some = places.slice(from, from + lettersAtOnce);
        const found = await Promise.all(some.map((place) => store.deadLetter(partition, incarnation, place)));
        const letters = found.filter((letter) => letter !== undefined);
        await record(subscription, partition, letters, deferredAs('redriven'));
        redriven += await store.redrive(partition, incarnation, { places: some });
      }
    }
    return redriven;
  }

  const deferredAs = (reason: string): Ending => ({ kind: 'deferred', until: clock.now(), reason });

  async function record(
    subscription: Subscription,
    partition: number,
    letters: readonly DeadLetter[],
    ending: Ending,
  ): Promise<void> {
    if (attemptLog === 'off' || letters.length === 0) return;
    await store.conclude(partition, [], recordsOfLetters(subscription, letters, ending, clock.now()));
  }

  return scopePaths.flatMap((scope): Route[] => {
    const path = `${scope}/eventsubscriptions/{name}/deadletters`;
    return [
      { method: 'POST', path: `${path}:redrive`, role: 'operator', handle: redrive },
      { method: 'POST', path: `${path}:purge`, role: 'admin', handle: purge },
      { method: 'POST', path: `${path}/{id}:resend`, role: 'operator', handle: resend, anyBody: true },
    ];
  });
}

/** Throws `InvalidResource` if something else is written beside ids. */
function refuseBeside(others: object): void {
  const faults = Object.entries(others)
    .filter(([, value]) => value != null)
    .map(([name]): FieldError => ({ pointer: `/${name}`, message: 'is for redriving without ids' }));
  if (faults.length > 0) throw invalidResource(faults);
}

/** Throws `InvalidResource` if an id is none of ours. An id given twice counts once. */
function placesOf(ids: readonly string[], partitions: number): Map<number, Place[]> {
  const faults: FieldError[] = [];
  const places: Place[] = [];
  for (const id of new Set(ids)) {
    const place = placeOf(id, partitions);
    if (!place) {
      faults.push({
        pointer: pointerTo('/ids', String(ids.indexOf(id))),
        message: 'is not the id of a dead letter',
      });
      continue;
    }
    places.push(place);
  }
  if (faults.length) throw invalidResource(faults);
  return byPartition(places, ({ partition }) => partition);
}

/** The body as it was sent, empty if there is none. Rejects with `TooLarge` or `UnsupportedContentType`. */
function bodyOf(req: Request, res: Response): Promise<Buffer> {
  if (!hasBody(req)) return Promise.resolve(Buffer.alloc(0));
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new GridpostError('UnsupportedContentType', 'the body is compressed; send it as it is');
  }
  if (Number(req.headers['content-length']) > limits.requestBytesMax) throw tooLarge();
  askForBody(req, res);
  return new Promise((resolve, reject) => {
    readBody(req, limits.requestBytesMax, resolve, () => reject(tooLarge()));
  });
}

function tooLarge(): GridpostError {
  return new GridpostError('TooLarge', `the body is larger than ${limits.requestBytesMax} bytes`);
}
