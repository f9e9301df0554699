/** Dead letters over HTTP: listed with all that is known of why, and delivered again once the cause is mended. */
import { deadLetterSchemaOf, encodeDeadLetter } from '@gridpost/codec';
import {
  Event,
  type FieldError,
  GridpostError,
  type Incarnation,
  type Place,
  pointerTo,
  type Subscription,
} from '@gridpost/model';
import type { DeadLetter, Store } from '@gridpost/store';
import type { Request, Response } from 'express';
import { byPartition } from './by-partition.js';
import type { Context } from './context.js';
import { deadLetterItem, placeOf } from './dead-letter-view.js';
import { pageBytesMax } from './paging.js';
import { invalidParameter } from './query.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { getSubscription } from './stored.js';
import { invalidResource, schemaCheck } from './validation.js';

/** Dead letters read at a time. They come with their events, so a step holds at most this many times the largest. */
const listStep = 10;
/** Dead letters redriven in one atomic step of the store. */
const redriveStep = 500;
/** How long one request goes on redriving before it is answered; clients give up at about half a minute. */
const redriveMs = 20_000;

const checkRedrive = schemaCheck<{ readonly ids?: readonly string[] | null }>('redrive.json');

export function deadLetterRoutes({ store, clock, paging }: Context): Route[] {
  const { resources } = store;
  const { partitions } = store.info;

  /**
   * Partition by partition, in each the oldest dead-lettering first. A page also ends at about 4 MiB. With
   * `format=eventgrid` its items are the documents that Event Grid writes.
   */
  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const format = formatOf(req);
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    const view = views[format](value);
    const items: Buffer[] = [];
    let bytes = 0;
    let [partition, after] = ask.after === undefined ? [0, undefined] : positionOf(ask.after);
    while (partition < partitions && items.length < ask.max && bytes < pageBytesMax) {
      const step = Math.min(listStep, ask.max - items.length);
      const page = await store.deadLetters(partition, value.incarnation, after, step);
      for (const letter of page.deadLetters) {
        const item = view(letter);
        items.push(item);
        bytes += item.length;
      }
      after = page.next;
      if (after === undefined) partition++;
    }
    // There may turn out to be nothing in the partitions that are left: the last page may be empty.
    const more = partition < partitions;
    const position = after === undefined ? `${partition}` : `${partition}/${after}`;
    const nextLink = `${paging.nextLink(req, ask, position)}&format=${format}`;
    const rest = more ? `],"nextLink":${JSON.stringify(nextLink)}}` : ']}';
    const body = Buffer.concat([
      Buffer.from('{"value":['),
      ...items.flatMap((item, i) => (i === 0 ? [item] : [Buffer.from(','), item])),
      Buffer.from(rest),
    ]);
    sendJson(res, body);
  }

  /** One dead letter by its id, in the format asked for. */
  async function read(req: Request, res: Response): Promise<void> {
    const format = formatOf(req);
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    const place = placeOf(parameter(req, 'id'), partitions);
    const letter = place && (await store.deadLetter(place.partition, value.incarnation, place));
    if (!letter)
      throw new GridpostError('DeadLetterNotFound', 'the subscription has no dead letter with this id');
    sendJson(res, views[format](value)(letter));
  }

  /** Makes dead letters due again, with fresh attempts and a fresh time to live: those named, or all there are now. */
  async function redrive(req: Request, res: Response): Promise<void> {
    const { ids } = checkRedrive(req.body ?? {});
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    res.json(
      ids == null
        ? await redriveAll(value.incarnation)
        : { redriven: await redriveNamed(value.incarnation, ids) },
    );
  }

  async function redriveNamed(subscription: Incarnation, ids: readonly string[]): Promise<number> {
    let redriven = 0;
    for (const [partition, places] of placesOf(ids, partitions)) {
      redriven += await store.redrive(partition, subscription, { places });
    }
    return redriven;
  }

  /**
   * Counts first, so that it ends although what fails again comes back as a dead letter meanwhile. Stops after 20 s;
   * `more` then asks for another request.
   */
  async function redriveAll(subscription: Incarnation): Promise<{ redriven: number; more?: true }> {
    const until = clock.elapsed() + redriveMs;
    let redriven = 0;
    for (let partition = 0; partition < partitions; partition++) {
      let left = await deadLettersIn(store, partition, subscription);
      while (left > 0) {
        if (clock.elapsed() >= until) return { redriven, more: true };
        const count = await store.redrive(partition, subscription, { max: Math.min(left, redriveStep) });
        if (count === 0) break;
        redriven += count;
        left -= count;
      }
    }
    return { redriven };
  }

  return scopePaths.flatMap((scope): Route[] => {
    const path = `${scope}/eventsubscriptions/{name}/deadletters`;
    return [
      { method: 'GET', path, role: 'reader', handle: list },
      { method: 'GET', path: `${path}/{id}`, role: 'reader', handle: read },
      { method: 'POST', path: `${path}:redrive`, role: 'operator', handle: redrive },
    ];
  });
}

function sendJson(res: Response, body: Buffer): void {
  res.set('content-type', 'application/json; charset=utf-8').send(body);
}

/** How a subscription's dead letters are shown. */
const views = {
  gridpost: () => deadLetterItem,
  eventgrid: ({ properties }: Subscription) => {
    const schema = deadLetterSchemaOf(properties);
    return (letter: DeadLetter) => encodeDeadLetter(new Event(letter.frame), schema, letter);
  },
} as const;

/** Throws `InvalidParameter`. */
function formatOf({ query }: Request): keyof typeof views {
  const { format = 'gridpost' } = query;
  if (format === 'gridpost' || format === 'eventgrid') return format;
  throw invalidParameter('format', 'expected gridpost or eventgrid');
}

async function deadLettersIn(store: Store, partition: number, subscription: Incarnation): Promise<number> {
  const { subscriptions } = await store.usage(partition);
  return subscriptions.find((usage) => usage.subscription === subscription)?.deadLettered ?? 0;
}

/** Where a page begins: a partition, and what its store gave to go on from. */
function positionOf(after: string): [number, string | undefined] {
  const slash = after.indexOf('/');
  return slash === -1 ? [Number(after), undefined] : [Number(after.slice(0, slash)), after.slice(slash + 1)];
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
