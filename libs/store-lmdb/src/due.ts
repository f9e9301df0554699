/**
 * Which deliveries are due. Lines are looked at in the order of their next due instant, and each only as far as the next
 * line's, so that the earliest come first over all subscriptions, at a cost that follows what is given out and not what
 * waits.
 *
 * Hastening a line moves nothing: it begins a new generation, and what is of an older one is due since then, unless it
 * is leased. So a line of a million deferred deliveries is hastened by one small write.
 */
import type { Clock, Incarnation } from '@gridpost/model';
import {
  answerBytesMax,
  type DueAsk,
  type DueResult,
  type LeasedDelivery,
  type ReceiveAsk,
  type ReceiveResult,
  unpackState,
} from '@gridpost/store';
import type { Deliveries } from './deliveries.js';
import { type DuePlace, entryId, lineRange, readDueKey, type Tables } from './layout.js';
import type { Line, Lines } from './lines.js';
import type { Payloads } from './payloads.js';
import { frameBytesOf, indexOf } from './records.js';
import type { Run, Runs } from './runs.js';

/** How many hastenings of a line are told apart, so that its record stays small: older ones count as the oldest kept. */
const hasteningsMax = 32;

interface Waiting {
  readonly place: DuePlace;
  readonly dueAt: number;
}

/** An answer in the making. */
interface Giving {
  readonly now: number;
  readonly leaseMs: number;
  /** Of the tokens given out. */
  readonly prefix: string;
  /** It is a consumer who is given to, and that is counted. */
  readonly received: boolean;
  /** Nothing is given from the first run on that was accepted later. */
  readonly acceptedAtMax: number;
  readonly deliveries: LeasedDelivery[];
  bytes: number;
}

export interface DueOptions {
  readonly tables: Tables;
  readonly lines: Lines;
  readonly runs: Runs;
  readonly payloads: Payloads;
  readonly deliveries: Deliveries;
  readonly clock: Clock;
}

/** Lines looked at in a row without finding anything, at most: the rest at the next ask, which is due at once. */
const looksMax = 1_000;

export class Due {
  readonly #options: DueOptions;
  #tokens = 0;

  constructor(options: DueOptions) {
    this.#options = options;
  }

  /** In a transaction. */
  lease(epoch: number, ask: DueAsk): DueResult {
    const { clock, lines } = this.#options;
    const { byNext } = lines;
    const now = clock.now();
    lines.park(ask.parked, now);
    const deliveries: LeasedDelivery[] = [];
    const giving: Giving = {
      now,
      leaseMs: ask.leaseMs,
      prefix: `${ask.token}${epoch.toString(36)}-`,
      received: false,
      acceptedAtMax: Number.POSITIVE_INFINITY,
      deliveries,
      bytes: 0,
    };
    const given = new Map<Line, number>();
    const roomless: Line[] = [];
    for (let idle = 0; deliveries.length < ask.max && giving.bytes <= answerBytesMax && idle < looksMax; ) {
      const line = byNext.first;
      if (!line || line.order > now) break;
      byNext.remove(line);
      const had = given.get(line) ?? 0;
      const before = deliveries.length;
      const room = Math.min((ask.rooms.get(line.subscription) ?? ask.room) - had, ask.max - before);
      if (room <= 0) {
        roomless.push(line);
        continue;
      }
      const left = this.#give(line, Math.min(now, byNext.first?.order ?? now), room, giving);
      if (left !== undefined) lines.expect(line, left);
      const count = deliveries.length - before;
      given.set(line, had + count);
      idle = count ? 0 : idle + 1;
    }
    for (const line of roomless) lines.expect(line, line.dueAt, true);
    const next = byNext.first?.order;
    return { deliveries, now, nextInMs: next === undefined ? undefined : Math.max(0, next - now) };
  }

  /**
   * In a transaction. The line keeps its place among the others, which may be too early from now on: whoever looks there
   * finds nothing and puts it right.
   */
  receive({ subscription, max, leaseMs, token, waitedMs }: ReceiveAsk): ReceiveResult {
    const now = this.#options.clock.now();
    const line = this.#options.lines.find(subscription);
    if (!line) return { deliveries: [], now, nextInMs: undefined };
    const deliveries: LeasedDelivery[] = [];
    const left = this.#give(line, now, max, {
      now,
      leaseMs,
      prefix: token,
      received: waitedMs === undefined,
      acceptedAtMax: waitedMs === undefined ? Number.POSITIVE_INFINITY : now - waitedMs,
      deliveries,
      bytes: 0,
    });
    // What was given falls due again when its lease ends.
    const again = deliveries.length > 0 ? now + leaseMs : undefined;
    const earliest = left === undefined ? again : Math.min(left, again ?? left);
    return { deliveries, now, nextInMs: earliest === undefined ? undefined : Math.max(0, earliest - now) };
  }

  /** In a transaction. */
  hasten(subscription: Incarnation): void {
    const { clock, lines } = this.#options;
    lines.unpark(subscription);
    const line = lines.find(subscription);
    if (!line) return;
    const now = clock.now();
    line.generation++;
    line.hastenings = [...line.hastenings, now].slice(-hasteningsMax);
    lines.touch(line);
    if (line.deferred > 0) lines.expect(line, now);
  }

  /**
   * Gives at most `max` of what is due at `until`, and no more bytes than an answer holds. Returns when what is left is
   * due next: undefined if there is nothing.
   */
  #give(line: Line, until: number, max: number, giving: Giving): number | undefined {
    const { runs } = this.#options;
    runs.write();
    let room = max;
    for (const { place, dueAt } of this.#inOrder(line)) {
      if (dueAt > until || room <= 0 || giving.bytes > answerBytesMax) return dueAt;
      const run = runs.at(line, place.entry, place.last);
      if (run.acceptedAt > giving.acceptedAtMax) return dueAt;
      const had = run.members.length;
      const count = fitting(run, room, answerBytesMax - giving.bytes);
      this.#lease(run, count, giving);
      if (count < had) return dueAt;
      room -= count;
    }
    return undefined;
  }

  /** The line's runs by when they are due, or their lease ends. */
  *#inOrder(line: Line): Generator<Waiting> {
    // Leases that ran on when the rest of their generation was hastened. As many as there was room for, at most.
    const overhanging: Waiting[] = [];
    for (const { key, value } of this.#options.tables.due.getRange(lineRange(line.number))) {
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

  /** Gives the first `count` of a run, under one token. */
  #lease(run: Run, count: number, giving: Giving): void {
    const { deliveries, payloads } = this.#options;
    const { now, leaseMs, prefix } = giving;
    const { line, entry, acceptedAt, leased: leaseExpired } = run;
    const token = `${prefix}${(++this.#tokens).toString(36)}`;
    const before = unpackState(run.state);
    const state = giving.received ? { ...before, attempts: before.attempts + 1, lastAttemptAt: now } : before;
    const { members } = deliveries.lease(run, count, { kind: 'leased', leaseMs, token, state });
    const indexes = members.map(indexOf);
    const frames = payloads.read(entry, indexes);
    const { subscription } = line;
    const id = entryId(entry);
    let at = 0;
    for (const index of indexes) {
      const { topic, frame } = frames[at++]!;
      const place = { partition: 0, entry: id, index };
      const delivery = { place, subscription, topic, acceptedAt, token, state, frame, leaseExpired };
      giving.deliveries.push(delivery);
      giving.bytes += frame.length;
    }
  }
}

/** How many of a run, at most `max`: the last is the one by which they exceed the bytes. */
function fitting({ members }: Run, max: number, bytesMax: number): number {
  let count = 0;
  let bytes = 0;
  for (const member of members) {
    if (count === max || bytes > bytesMax) break;
    count++;
    bytes += frameBytesOf(member);
  }
  return count;
}

/** Since when the deferred deliveries of a generation are due in any case; never for the line's own. */
function hastenedSince({ generation, hastenings }: Line, of: number): number {
  if (of === generation) return Number.POSITIVE_INFINITY;
  return hastenings[Math.max(0, hastenings.length - (generation - of))]!;
}
