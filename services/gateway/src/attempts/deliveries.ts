/** A subscription's deliveries, newest first, as its attempt log has them. */
import { type AttemptRecord, mayName, readBlock } from '@gridpost/attempt-log';
import { attemptOutcomes } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import { instant as instantAsked, oneOf } from '../query.js';
import { parameter, type Route, scopeOf, scopePaths } from '../route.js';
import { getSubscription } from '../stored.js';
import { AttemptScan, type Position, positionText, readPosition, type ScanLimits } from './scan.js';
import { heldFrom, heldView } from './held.js';
import { attemptOf, deliveryStates, instant, originOf, placeId, stateOf, stepOf } from './view.js';

/** What one request reads. Which deliveries it has seen is in memory, so it is less than a search for one event reads. */
const limits: ScanLimits = { bytesMax: 16 * 1024 * 1024, ms: 2_000 };
/** What is written later than this after it happened is missed by `to`: a store that did not answer delays blocks. */
const lateMs = 600_000;
/** How far a worker's idea of the store's clock may be ahead of it. */
const skewMs = 1_000;

const filters = ['state', 'outcome', 'from', 'to'];
const outcomes: readonly string[] = [...attemptOutcomes, 'Acknowledged', 'Released', 'Rejected'];

interface Wanted {
  readonly state: string | undefined;
  readonly outcome: string | undefined;
  readonly from: number;
  readonly to: number | undefined;
}

interface Item {
  origin?: object | undefined;
  event?: object | undefined;
  lastAttempt?: object | undefined;
}

export function deliveryRoutes({ store, clock, paging, attemptLog }: Context): Route[] {
  async function list(req: Request, res: Response): Promise<void> {
    const ask = paging.ask(req);
    const wanted = wantedOf(req);
    const { value } = await getSubscription(store.resources, scopeOf(req), parameter(req, 'name'));
    const from =
      (ask.after === undefined ? undefined : readPosition(ask.after)) ??
      (wanted.to === undefined ? undefined : wanted.to + lateMs);
    const scan = new AttemptScan(store, clock, limits, from);
    const page = new DeliveryPage(wanted, ask.max);
    for await (const { partition, block, at, skip, after } of scan) {
      if (at + skewMs < wanted.from) break;
      if (!mayName(block, value.incarnation)) continue;
      const records = readBlock(block).toReversed();
      for (let read = skip; read < records.length; read++) {
        const record = records[read]!;
        if (record.subscription.incarnation !== value.incarnation) continue;
        if (!page.take(partition, record)) page.next ??= after(read);
      }
      if (page.next) break;
    }
    const next = page.next ?? scan.stoppedAt;
    const nextLink = next && paging.nextLink(req, ask, positionText(next), filters);
    res.json({
      value: page.items,
      ...(next ? { searchedFrom: instant(next.at) } : {}),
      recorded: attemptLog,
      heldFrom: heldView(await heldFrom(store)),
      ...(nextLink ? { nextLink } : {}),
    });
  }

  return scopePaths.map((scope) => ({
    method: 'GET',
    path: `${scope}/eventsubscriptions/{name}/deliveries`,
    role: 'reader',
    handle: list,
  }));
}

class DeliveryPage {
  readonly items: Item[] = [];
  next: Position | undefined;
  readonly #wanted: Wanted;
  readonly #max: number;
  /** Deliveries by their place; null for those that are not wanted. */
  readonly #seen = new Map<string, Item | null>();

  constructor(wanted: Wanted, max: number) {
    this.#wanted = wanted;
    this.#max = max;
  }

  /** Takes the next older record. False if it begins a delivery that has no room on the page. */
  take(partition: number, record: AttemptRecord): boolean {
    const id = placeId(partition, record);
    const known = this.#seen.get(id);
    if (known === undefined) return this.#begin(id, partition, record);
    if (known === null) return true;
    // What the newest record does not say, an older one does.
    known.event ??= record.event;
    known.lastAttempt ??= attemptOf(record);
    if (record.copy) known.origin ??= originOf(partition, record.copy);
    return true;
  }

  #begin(id: string, partition: number, record: AttemptRecord): boolean {
    const wanted = this.#wants(record);
    if (wanted && this.items.length === this.#max) return false;
    if (!wanted) {
      this.#seen.set(id, null);
      return true;
    }
    const { attempt: _, ...step } = stepOf(record) as { attempt?: object };
    const lastAttempt = attemptOf(record);
    const item: Item = {
      ...{ id, acceptedAt: instant(record.acceptedAt), ...step },
      ...(record.copy === undefined ? {} : { origin: originOf(partition, record.copy) }),
      ...(record.event === undefined ? {} : { event: record.event }),
      ...(lastAttempt === undefined ? {} : { lastAttempt }),
    };
    this.#seen.set(id, item);
    this.items.push(item);
    return true;
  }

  #wants(record: AttemptRecord): boolean {
    const { state, outcome, from, to } = this.#wanted;
    return (
      (state === undefined || stateOf(record) === state) &&
      (outcome === undefined || record.attempt?.outcome === outcome) &&
      record.at >= from &&
      (to === undefined || record.at <= to)
    );
  }
}

/** Throws `InvalidParameter`. */
function wantedOf(req: Request): Wanted {
  return {
    state: oneOf(req, 'state', deliveryStates),
    outcome: oneOf(req, 'outcome', outcomes),
    from: instantAsked(req, 'from') ?? 0,
    to: instantAsked(req, 'to'),
  };
}
