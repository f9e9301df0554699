/**
 * Which deliveries are due. Lines are looked at in the order of their next due instant, and each only as far as the next
 * line's, so that the earliest come first over all subscriptions, at a cost that follows what is given out and not what
 * waits.
 *
 * Hastening a line moves nothing: it begins a new generation, and what is of an older one is due since then, unless it
 * is leased. So a line of a million deferred deliveries is hastened by one small write.
 */
import type { Clock } from '@gridpost/model';
import {
  answerBytesMax,
  type DueAsk,
  type DueResult,
  type LeasedDelivery,
  type ReceiveAsk,
  type ReceiveResult,
} from '@gridpost/store';
import type { Deliveries } from './deliveries.js';
import { type DuePlace, entryId, lineRange, openKey, readDueKey, type Tables } from './layout.js';
import type { Line, Lines } from './lines.js';
import { type OpenRecord, unpackOpen } from './records.js';

/** How many hastenings of a line are told apart, so that its record stays small: older ones count as the oldest kept. */
const hasteningsMax = 32;

interface Waiting {
  readonly place: DuePlace;
  readonly dueAt: number;
}

/** Lines looked at in a row without finding anything, at most: the rest at the next ask, which is due at once. */
const looksMax = 1_000;

export class Due {
  readonly #tables: Tables;
  readonly #lines: Lines;
  readonly #deliveries: Deliveries;
  readonly #clock: Clock;
  #tokens = 0;

  constructor(tables: Tables, lines: Lines, deliveries: Deliveries, clock: Clock) {
    this.#tables = tables;
    this.#lines = lines;
    this.#deliveries = deliveries;
    this.#clock = clock;
  }

  /** In a transaction. */
  lease(epoch: number, ask: DueAsk): DueResult {
    const now = this.#clock.now();
    const { byNext } = this.#lines;
    for (const subscription of ask.parked) this.#park(this.#lines.find(subscription), now + ask.parkMs);
    const deliveries: LeasedDelivery[] = [];
    const given = new Map<Line, number>();
    const roomless: Line[] = [];
    let bytes = 0;
    for (let idle = 0; deliveries.length < ask.max && bytes <= answerBytesMax && idle < looksMax; ) {
      const line = byNext.first;
      if (!line || line.order > now) break;
      byNext.remove(line);
      const had = given.get(line) ?? 0;
      const room = Math.min(
        (ask.rooms.get(line.subscription) ?? ask.room) - had,
        ask.max - deliveries.length,
      );
      if (room <= 0) {
        roomless.push(line);
        continue;
      }
      const { waiting, next } = this.#look(line, Math.min(now, byNext.first?.order ?? now), room);
      let count = 0;
      for (; count < waiting.length && bytes <= answerBytesMax; count++) {
        const delivery = this.#give(line, waiting[count]!.place, epoch, ask);
        deliveries.push(delivery);
        bytes += delivery.frame.length;
      }
      const left = waiting[count]?.dueAt ?? next;
      if (left !== undefined) this.#lines.expect(line, left);
      given.set(line, had + count);
      idle = count ? 0 : idle + 1;
    }
    for (const line of roomless) this.#lines.expect(line, line.dueAt, true);
    const next = byNext.first?.order;
    return { deliveries, now, nextInMs: next === undefined ? undefined : Math.max(0, next - now) };
  }

  /**
   * In a transaction. The line keeps its place among the others, which may be too early from now on: whoever looks there
   * finds nothing and puts it right.
   */
  receive(ask: ReceiveAsk): ReceiveResult {
    const now = this.#clock.now();
    const line = this.#lines.find(ask.subscription);
    if (!line) return { deliveries: [], now, nextInMs: undefined };
    const { waiting, next } = this.#look(line, now, ask.max);
    const deliveries: LeasedDelivery[] = [];
    let bytes = 0;
    for (const { place } of waiting) {
      if (bytes > answerBytesMax) break;
      const record = this.#recordOf(line, place);
      if (ask.waitedMs !== undefined && now - record.acceptedAt < ask.waitedMs) break;
      const state =
        ask.waitedMs === undefined
          ? { ...record.state, attempts: record.state.attempts + 1, lastAttemptAt: now }
          : record.state;
      const delivery = this.#lease(line, place, { ...record, state }, ask, ask.token);
      deliveries.push(delivery);
      bytes += delivery.frame.length;
    }
    const left = waiting[deliveries.length]?.dueAt ?? next;
    // What was given falls due again when its lease ends.
    const again = deliveries.length > 0 ? now + ask.leaseMs : undefined;
    const earliest = left === undefined ? again : Math.min(left, again ?? left);
    return { deliveries, now, nextInMs: earliest === undefined ? undefined : Math.max(0, earliest - now) };
  }

  /** In a transaction. */
  hasten(line: Line): void {
    const now = this.#clock.now();
    line.generation++;
    line.hastenings = [...line.hastenings, now].slice(-hasteningsMax);
    line.parkedUntil = 0;
    this.#lines.touch(line);
    if (line.deferred > 0) this.#lines.expect(line, now);
  }

  #park(line: Line | undefined, until: number): void {
    if (!line) return;
    line.parkedUntil = until;
    if (line.heapAt >= 0) this.#lines.expect(line, line.dueAt, true);
  }

  /** The first `max` due at `until`, and when the one after them is due: undefined if there is none. */
  #look(line: Line, until: number, max: number): { waiting: Waiting[]; next: number | undefined } {
    const waiting: Waiting[] = [];
    for (const one of this.#inOrder(line)) {
      if (one.dueAt > until || waiting.length === max) return { waiting, next: one.dueAt };
      waiting.push(one);
    }
    return { waiting, next: undefined };
  }

  /** The line's deliveries by when they are due, or their lease ends. */
  *#inOrder(line: Line): Generator<Waiting> {
    // Leases that ran on when the rest of their generation was hastened. As many as there was room for, at most.
    const overhanging: Waiting[] = [];
    for (const { key, value } of this.#tables.due.getRange(lineRange(line.number))) {
      const place = readDueKey(key);
      const hastenedAt = hastenedSince(line, place.generation);
      if (value[0] === 1 && place.dueAt > hastenedAt) {
        overhanging.push({ place, dueAt: place.dueAt });
        overhanging.sort((a, b) => a.dueAt - b.dueAt);
        continue;
      }
      // What was written after a hastening is due after it, so that generations follow each other in time.
      const dueAt = Math.min(place.dueAt, hastenedAt);
      while (overhanging[0] && overhanging[0].dueAt <= dueAt) yield overhanging.shift()!;
      yield { place, dueAt };
    }
    yield* overhanging;
  }

  #give(line: Line, place: DuePlace, epoch: number, ask: DueAsk): LeasedDelivery {
    return this.#lease(line, place, this.#recordOf(line, place), ask, `${ask.token}${epoch.toString(36)}-`);
  }

  #recordOf(line: Line, { entry, index }: DuePlace): OpenRecord {
    const stored = this.#tables.open.get(openKey(line.number, entry, index));
    if (!stored) throw new Error(`a delivery of entry ${entryId(entry)} is due but not there`);
    return unpackOpen(stored);
  }

  #lease(
    line: Line,
    { entry, index }: DuePlace,
    record: OpenRecord,
    { leaseMs }: { readonly leaseMs: number },
    prefix: string,
  ): LeasedDelivery {
    const { state, acceptedAt, leased: leaseExpired } = record;
    const token = `${prefix}${(++this.#tokens).toString(36)}`;
    const spot = { line, entry, index };
    this.#deliveries.dispose(spot, record, { kind: 'leased', leaseMs, token, state });
    const { topic, frame } = this.#deliveries.payload(spot);
    const place = { partition: 0, entry: entryId(entry), index };
    const { subscription } = line;
    return { place, subscription, topic, acceptedAt, token, state, frame, leaseExpired };
  }
}

/** Since when the deferred deliveries of a generation are due in any case; never for the line's own. */
function hastenedSince({ generation, hastenings }: Line, of: number): number {
  if (of === generation) return Number.POSITIVE_INFINITY;
  return hastenings[Math.max(0, hastenings.length - (generation - of))]!;
}
