/** Filters tried on events, without any effect: a draft before it is written, or a stored subscription's. */
import { decodeRequest } from '@gridpost/codec';
import { type Event, type FilterEntry, GridpostError, type SubscriptionFilter } from '@gridpost/model';
import { filtersOf as filtersOfSubscription } from '@gridpost/registry';
import {
  type CompiledFilter,
  checkFilter,
  compileFilter,
  type FilterLimits,
  FilterRefused,
} from '@gridpost/routing';
import type { Request, Response } from 'express';
import type { Context } from './context.js';
import { parameter, type Route, scopeOf, scopePaths } from './route.js';
import { obstaclesOf } from './obstacles.js';
import { newestEvents } from './retained.js';
import { getSubscription, getTopic } from './stored.js';
import { filtersOf, type WrittenFilters } from './subscription-resource.js';
import { invalidResource, schemaCheck } from './validation.js';

interface WrittenEvents {
  readonly event?: object | null;
  readonly events?: readonly object[] | null;
}

interface WrittenTest extends WrittenFilters, WrittenEvents {
  readonly topic?: string | null;
  readonly last?: number | null;
}

const checkTest = schemaCheck<WrittenTest>('filters-test.json');
/** Of a topic's events, where the request does not say how many. */
const lastDefault = 10;

const checkExplain = schemaCheck<WrittenEvents>('filters-test.json#/$defs/Events');

export function filterRoutes({ store, registry, clock, filterLimits }: Context): Route[] {
  async function test(req: Request, res: Response): Promise<void> {
    const body = checkTest(req.body ?? {});
    const filter = checkedFilter(filtersOf(body), '', filterLimits);
    res.json({ results: await resultsOf(filter, body) });
  }

  /** Of the events that are written, or of the newest that a topic keeps; these are told apart by what they are. */
  async function resultsOf(filter: CompiledFilter, body: WrittenTest): Promise<object[]> {
    const { event, events, topic, last } = body;
    if ([event, events, topic].filter((one) => one != null).length !== 1) {
      throw invalidResource([{ pointer: '', message: 'expected one of event, events and topic' }]);
    }
    if (topic == null) {
      if (last == null) return eventsOf(body).map((one) => resultOf(filter, one));
      throw invalidResource([{ pointer: '/last', message: 'is for the events of a topic' }]);
    }
    const { value } = await getTopic(store.resources, topic);
    const retained = await newestEvents(store, value, last ?? lastDefault);
    return retained.map(({ acceptedAt, event: { id, source, type, subject }, event: one }) => ({
      event: {
        ...{ id, source, type },
        ...(subject === undefined ? {} : { subject }),
        acceptedAt: new Date(acceptedAt).toISOString(),
      },
      ...resultOf(filter, one),
    }));
  }

  /** As `test`, of a stored subscription, and what else would keep its events from being delivered now. */
  async function explain(req: Request, res: Response): Promise<void> {
    const { value } = await getSubscription(store.resources, scopeOf(req), parameter(req, 'name'));
    const events = eventsOf(checkExplain(req.body ?? {}));
    const filter = compileFilter(filtersOfSubscription(value));
    const results = events.map((event) => resultOf(filter, event));
    const health = registry.healthOf(value.incarnation)?.health;
    res.json({ results, obstacles: obstaclesOf(value, health, clock.now()) });
  }

  return [
    { method: 'POST', path: '/filters:test', role: 'reader', handle: test },
    ...scopePaths.map(
      (scope): Route => ({
        method: 'POST',
        path: `${scope}/eventsubscriptions/{name}:explain`,
        role: 'reader',
        handle: explain,
      }),
    ),
  ];
}

/** Compiles filters as they are written. Throws `InvalidResource`, with pointers below `at`. */
export function checkedFilter(
  filters: { readonly filter: SubscriptionFilter; readonly filters?: readonly FilterEntry[] },
  at: string,
  limits: FilterLimits,
): CompiledFilter {
  try {
    return checkFilter(filters, limits);
  } catch (error) {
    if (!(error instanceof FilterRefused)) throw error;
    throw invalidResource(error.faults.map(({ pointer, message }) => ({ pointer: at + pointer, message })));
  }
}

/** Whether an event passes, and why, clause by clause. */
export function resultOf(filter: CompiledFilter, event: Event): object {
  const clauses = filter.explain(event);
  return { matches: clauses.every(({ matched }) => matched), clauses };
}

function eventsOf({ event, events }: WrittenEvents): Event[] {
  if ((event == null) === (events == null))
    throw invalidResource([{ pointer: '', message: 'expected either event or events' }]);
  if (event != null) return [eventOf(event, '/event')];
  return events!.map((each, index) => eventOf(each, `/events/${index}`));
}

/** An event in the JSON of CloudEvents or of Event Grid. Throws `InvalidResource`. */
function eventOf(written: object, pointer: string): Event {
  const cloudEvent = 'specversion' in written ? written : fromEventGrid(written);
  try {
    const body = Buffer.from(JSON.stringify(cloudEvent));
    return decodeRequest(['content-type', 'application/cloudevents+json'], body).events[0]!;
  } catch (error) {
    if (!(error instanceof GridpostError)) throw error;
    throw invalidResource([{ pointer, message: error.message }]);
  }
}

/** Event Grid's fields under the names that CloudEvents has for them (Event Grid, "Event schema"). */
function fromEventGrid(written: object): object {
  const { id, topic, subject, eventType, eventTime, data, dataVersion } = written as Record<string, unknown>;
  return {
    ...{ specversion: '1.0', id, source: topic ?? '/', type: eventType },
    ...(subject === undefined ? {} : { subject }),
    ...(eventTime === undefined ? {} : { time: eventTime }),
    ...(dataVersion === undefined ? {} : { dataversion: dataVersion }),
    ...(data === undefined ? {} : { data }),
  };
}
