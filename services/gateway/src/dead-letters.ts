/** Dead letters over HTTP: listed and read, with all that is known of why. */
import { deadLetterSchemaOf, encodeDeadLetter } from '@gridpost/codec';
import { Event, GridpostError, isSelected, originalOf, type Subscription } from '@gridpost/model';
import type { DeadLetter } from '@gridpost/store';
import type { Request, Response } from 'express';
import type { Context } from './context.js';
import { selectionAsked } from './dead-letter-selection.js';
import { deadLetterItem, placeOf } from './dead-letter-view.js';
import { pageBytesMax } from './paging.js';
import { invalidParameter } from './query.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { getSubscription } from './stored.js';

/** Dead letters read at a time. They come with their events, so a step holds at most this many times the largest. */
const listStep = 10;
/** Dead letters looked at for one page: it ends early where few of them are asked for. */
const lookedAtMax = 1_000;

export function deadLetterRoutes({ store, paging }: Context): Route[] {
  const { resources } = store;
  const { partitions } = store.info;

  /**
   * Partition by partition, in each the oldest dead-lettering first; with `reason`, `from` and `to` only those. A page also
   * ends at about 4 MiB. With `format=eventgrid` its items are the documents that Event Grid writes.
   */
  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const format = formatOf(req);
    const selection = selectionAsked(req);
    const { value } = await getSubscription(resources, scopeOf(req), parameter(req, 'name'));
    const view = views[format](value);
    const items: Buffer[] = [];
    let bytes = 0;
    let lookedAt = 0;
    let [partition, after] = ask.after === undefined ? [0, undefined] : positionOf(ask.after);
    while (
      partition < partitions &&
      items.length < ask.max &&
      bytes < pageBytesMax &&
      lookedAt < lookedAtMax
    ) {
      const step = Math.min(listStep, ask.max - items.length);
      const page = await store.deadLetters(partition, value.incarnation, after, step);
      lookedAt += page.deadLetters.length;
      for (const letter of page.deadLetters) {
        if (!isSelected(selection, letter)) continue;
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
    const nextLink = paging.nextLink(req, ask, position, ['format', 'reason', 'from', 'to']);
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

  return scopePaths.flatMap((scope): Route[] => {
    const path = `${scope}/eventsubscriptions/{name}/deadletters`;
    return [
      { method: 'GET', path, role: 'reader', handle: list },
      { method: 'GET', path: `${path}/{id}`, role: 'reader', handle: read },
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
    return (letter: DeadLetter) => {
      const event = new Event(letter.frame);
      const { acceptedAt } = originalOf(event, letter.place, letter.acceptedAt);
      return encodeDeadLetter(event, schema, { ...letter, acceptedAt });
    };
  },
} as const;

/** Throws `InvalidParameter`. */
function formatOf({ query }: Request): keyof typeof views {
  const { format = 'gridpost' } = query;
  if (format === 'gridpost' || format === 'eventgrid') return format;
  throw invalidParameter('format', 'expected gridpost or eventgrid');
}

/** Where a page begins: a partition, and what its store gave to go on from. */
function positionOf(after: string): [number, string | undefined] {
  const slash = after.indexOf('/');
  return slash === -1 ? [Number(after), undefined] : [Number(after.slice(0, slash)), after.slice(slash + 1)];
}
