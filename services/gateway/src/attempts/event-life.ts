/**
 * An event's life: what the attempt log has of it, and where its topic keeps a history, the event itself. What matched no
 * subscription left no record; why it did not is worked out when it is asked for, against today's subscriptions.
 */
import { asRecorded, hasPlacesOnly, mayName, type RecordedEvent, readBlock } from '@gridpost/attempt-log';
import { encodeDelivery } from '@gridpost/codec';
import type { Incarnation, Scope } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { invalidParameter } from '../query.js';
import { parameter, type Route, scopeOf } from '../route.js';
import { getTopic } from '../stored.js';
import { explainNow } from './explanation.js';
import { coversFrom, heldFrom, heldView } from './held.js';
import { deliveriesOf, deliveryKey, type Life, Lives } from './lives.js';
import { type Retained, readRetained, retainedText, searchRetained } from './retained-search.js';
import { AttemptScan, type Position, positionText, readPosition, type ScanLimits } from './scan.js';
import { instant, named, placeId } from './view.js';

const limits: ScanLimits = { bytesMax: 64 * 1024 * 1024, ms: 2_000 };
/** Records on one page: an event may have thirty attempts for each of very many subscriptions. */
const recordsMax = 1_000;
const asked = ['source', 'explain', 'subscription'];
/** Of a position, where a part of the search has ended. */
const ended = '-';

interface Wanted {
  readonly topic: Incarnation;
  readonly id: string;
  readonly source: string | undefined;
}

export function eventRoutes(context: Context): Route[] {
  const { store, clock, paging, registry, attemptLog } = context;

  const isKnown = (subscription: Incarnation): boolean => registry.subscription(subscription) !== undefined;

  async function show(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const scope = scopeOf(req);
    const explain = flagOf(req, 'explain');
    const source = textOf(req, 'source');
    const subscription = textOf(req, 'subscription');
    const { value: topic } = await getTopic(store.resources, scope);
    const wanted = { topic: topic.incarnation, id: parameter(req, 'id'), source };
    const [attempts, history] = (ask.after ?? '|').split('|') as [string, string];
    const lives = new Lives();
    const next = attempts === ended ? undefined : await search(lives, wanted, readPosition(attempts));
    const retains = topic.properties.eventRetentionInDays > 0 && history !== ended;
    const retained = retains
      ? await searchRetained(store, clock, topic.incarnation, wanted, readRetained(history))
      : { found: [], next: undefined };
    const events = new Map(
      retained.found.map((found) => [placeId(found.place.partition, found.place), found]),
    );
    for (const { place, acceptedAt, event } of retained.found)
      lives.of(place, acceptedAt, { id: event.id, source: event.source });
    // What was made a moment ago is not to be taken for deleted.
    if (explain || ![...lives.waitedFor()].every(isKnown)) await registry.refresh();
    const held = await heldFrom(store);
    const items: Buffer[] = [];
    for (const life of [...lives.all()].toSorted((a, b) => b.acceptedAt - a.acceptedAt)) {
      const found = events.get(placeId(life.place.partition, life.place));
      const explanation =
        explain && found ? explainNow(context, scope, found.event, subscription) : undefined;
      const complete = next === undefined || next.at < life.acceptedAt;
      const pending =
        found && complete && coversFrom(held, life.acceptedAt) ? pendingOf(scope, life, found) : [];
      items.push(await itemOf(life, pending, found, explanation));
    }
    const rest: object = {
      ...(next ? { searchedFrom: instant(next.at) } : {}),
      recorded: attemptLog,
      heldFrom: heldView(held),
      ...(next || retained.next
        ? {
            nextLink: paging.nextLink(
              req,
              ask,
              `${next ? positionText(next) : ended}|${retained.next ? retainedText(retained.next) : ended}`,
              asked,
            ),
          }
        : {}),
    };
    res
      .set('content-type', 'application/json; charset=utf-8')
      .send(
        Buffer.concat([
          Buffer.from('{"value":['),
          ...items.flatMap((item, at) => (at === 0 ? [item] : [Buffer.from(','), item])),
          Buffer.from(`],${JSON.stringify(rest).slice(1)}`),
        ]),
      );
  }

  /** Adds what the attempt log has of the event, and returns where to go on, if anywhere. */
  async function search(
    lives: Lives,
    wanted: Wanted,
    from: Position | undefined,
  ): Promise<Position | undefined> {
    const id = asRecorded(wanted.id);
    const source = wanted.source === undefined ? undefined : asRecorded(wanted.source);
    const scan = new AttemptScan(store, clock, limits, from);
    for await (const { partition, block, skip, after } of scan) {
      // Most blocks are passed over by looking for the id's bytes; those of consumers say only places.
      if (!mayName(block, wanted.topic) || !(mayName(block, id) || hasPlacesOnly(block))) continue;
      const records = readBlock(block).toReversed();
      for (let read = skip; read < records.length; read++) {
        const record = records[read]!;
        if (record.subscription.topicIncarnation !== wanted.topic) continue;
        if (record.event === undefined) lives.addPlaceOnly(partition, record);
        else if (isWanted(record.event, id, source)) {
          if (lives.count === recordsMax) return after(read);
          lives.add(partition, record, record.event);
        }
      }
    }
    return scan.stoppedAt;
  }

  /**
   * What subscriptions are still to get: they want the event, were not changed since it was accepted, and everything that
   * was recorded is held, but nothing was recorded for them.
   */
  function pendingOf(scope: Scope, { place, acceptedAt, deliveries }: Life, { event }: Retained): object[] {
    const topic = attemptLog === 'all' ? registry.topic(scope) : undefined;
    return (topic?.index.match(event) ?? []).flatMap(({ subscription }) => {
      const { incarnation, updatedAt, topic: own, name } = subscription;
      if (updatedAt > acceptedAt || deliveries.has(deliveryKey(place, incarnation))) return [];
      const since = instant(acceptedAt);
      return [{ ...named(own, name), since, state: 'Pending', attempts: 0, steps: [] }];
    });
  }

  /** Put together from bytes: an event that was published as JSON stands in it byte for byte. */
  async function itemOf(
    life: Life,
    pending: readonly object[],
    found: Retained | undefined,
    explanation?: object,
  ): Promise<Buffer> {
    const { place, acceptedAt, event } = life;
    const deliveries = [...(await deliveriesOf(store, isKnown, life)), ...pending];
    const about = JSON.stringify({
      ...{ id: event.id, source: event.source, place: placeId(place.partition, place) },
      ...{ acceptedAt: instant(acceptedAt), deliveries },
      ...(explanation ? { explanation } : {}),
    });
    if (!found) return Buffer.from(about);
    const body = encodeDelivery(found.event, 'structured').body!;
    return Buffer.concat([Buffer.from(`${about.slice(0, -1)},"event":`), body, Buffer.from('}')]);
  }

  return ['/topics/{topic}/events/{id}', '/domains/{domain}/events/{id}'].map((path) => ({
    method: 'GET',
    path,
    role: 'reader',
    handle: show,
  }));
}

const isWanted = (event: RecordedEvent, id: string, source: string | undefined): boolean =>
  event.id === id && (source === undefined || event.source === source);

function textOf({ query }: Request, name: string): string | undefined {
  const text = query[name];
  if (text === undefined || typeof text === 'string') return text;
  throw invalidParameter(name, 'expected it once');
}

function flagOf({ query }: Request, name: string): boolean {
  const text = query[name];
  if (text === undefined || text === 'false') return false;
  if (text === 'true' || text === '') return true;
  throw invalidParameter(name, 'expected true or false');
}
