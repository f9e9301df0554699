/** Deferred and leased deliveries and dead letters of one partition of the reference model: a list, searched. */
import type { Clock, DeadLetterReason, EntryId, Incarnation, Place } from '@gridpost/model';
import { answerBytesMax, chargedBytes, type Quota } from '../bounds.js';
import type {
  DeadLetter,
  DeadLetterKey,
  DeadLetterPage,
  DeliveryState,
  Disposition,
  DueAsk,
  DueResult,
  LeasedDelivery,
  LeaseOutcome,
  PendingEvent,
  QuotaEffect,
  ReceiveAsk,
  ReceiveResult,
  Usage,
} from '../port.js';

interface Delivery {
  readonly place: Place;
  readonly subscription: Incarnation;
  readonly acceptedAt: number;
  readonly event: PendingEvent;
  kind: Disposition['kind'];
  state: DeliveryState;
  /** When it is due, or its lease ends. */
  dueAt: number;
  token: string | undefined;
  reason: DeadLetterReason | undefined;
  deadLetteredAt: number;
  /** Order of dead-lettering, which tells apart those of one millisecond. */
  deadOrder: number;
}

/** Entry ids are hexadecimal counters. */
export const entryOrder = (id: EntryId): number => Number.parseInt(id, 16);

const byPlace = (a: Delivery, b: Delivery) =>
  entryOrder(a.place.entry) - entryOrder(b.place.entry) || a.place.index - b.place.index;
const byDue = (a: Delivery, b: Delivery) => a.dueAt - b.dueAt || byPlace(a, b);
const byDeath = (a: Delivery, b: Delivery) => a.deadOrder - b.deadOrder;
const keyOf = (entry: EntryId, index: number, subscription: Incarnation) =>
  `${entry}/${index}/${subscription}`;

export class MemoryDeliveries {
  readonly #partition: number;
  readonly #quota: Quota;
  readonly #clock: Clock;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #parkedUntil = new Map<Incarnation, number>();
  #tokens = 0;
  #deaths = 0;

  constructor(partition: number, quota: Quota, clock: Clock) {
    this.#partition = partition;
    this.#quota = quota;
    this.#clock = clock;
  }

  /** Each payload once, and the charge of every delivery beyond it. */
  get bytesUsed(): number {
    const payloads = new Map<string, number>();
    for (const { place, event } of this.#deliveries.values()) {
      payloads.set(`${place.entry}/${place.index}`, event.frame.length);
    }
    let bytes = this.#deliveries.size * chargedBytes(0);
    for (const length of payloads.values()) bytes += length;
    return bytes;
  }

  hold(
    entry: EntryId,
    index: number,
    subscription: Incarnation,
    acceptedAt: number,
    event: PendingEvent,
    disposition: Disposition,
  ): void {
    const delivery: Delivery = {
      place: { partition: this.#partition, entry, index },
      subscription,
      acceptedAt,
      event: { topic: event.topic, frame: Buffer.from(event.frame) },
      kind: disposition.kind,
      state: disposition.state,
      dueAt: 0,
      token: undefined,
      reason: undefined,
      deadLetteredAt: 0,
      deadOrder: 0,
    };
    this.#deliveries.set(keyOf(entry, index, subscription), delivery);
    this.#dispose(delivery, disposition);
  }

  /** Returns whether it was applied. `live`: only if its lease has not ended. */
  conclude({ entry, index, subscription, token, disposition }: LeaseOutcome, live = false): boolean {
    const key = keyOf(entry, index, subscription);
    const delivery = this.#deliveries.get(key);
    if (!delivery || delivery.token !== token) return false;
    if (live && delivery.dueAt <= this.#clock.now()) return false;
    if (disposition.kind === 'finished') this.#deliveries.delete(key);
    else this.#dispose(delivery, disposition);
    return true;
  }

  receive({ subscription, max, leaseMs, token, waitedMs }: ReceiveAsk): ReceiveResult {
    const now = this.#clock.now();
    const waiting = this.#select(
      (each) => each.subscription === subscription && each.kind !== 'deadLettered',
      byDue,
    );
    const deliveries: LeasedDelivery[] = [];
    let bytes = 0;
    for (const delivery of waiting) {
      if (delivery.dueAt > now || deliveries.length >= max || bytes > answerBytesMax) break;
      if (waitedMs !== undefined && now - delivery.acceptedAt < waitedMs) break;
      const { attempts } = delivery.state;
      const state =
        waitedMs === undefined
          ? { ...delivery.state, attempts: attempts + 1, lastAttemptAt: now }
          : delivery.state;
      deliveries.push(this.#lease(delivery, leaseMs, token, state));
      bytes += delivery.event.frame.length;
    }
    const next = Math.min(...waiting.map(({ dueAt }) => dueAt));
    return { deliveries, now, nextInMs: waiting.length ? Math.max(0, next - now) : undefined };
  }

  due({ max, room, rooms, parked, leaseMs, token }: DueAsk): DueResult {
    const now = this.#clock.now();
    for (const [subscription, ms] of parked) this.#parkedUntil.set(subscription, now + ms);
    for (const [subscription, until] of this.#parkedUntil) {
      if (until <= now) this.#parkedUntil.delete(subscription);
    }
    const waiting = this.#select((delivery) => delivery.kind !== 'deadLettered', byDue);
    const taken = new Map<Incarnation, number>();
    const deliveries: LeasedDelivery[] = [];
    let bytes = 0;
    for (const delivery of waiting) {
      if (delivery.dueAt > now || deliveries.length >= max || bytes > answerBytesMax) break;
      const { subscription } = delivery;
      if (this.#parkedUntil.has(subscription)) continue;
      const count = taken.get(subscription) ?? 0;
      if (count >= (rooms.get(subscription) ?? room)) continue;
      taken.set(subscription, count + 1);
      deliveries.push(this.#lease(delivery, leaseMs, token, delivery.state));
      bytes += delivery.event.frame.length;
    }
    let next = Number.POSITIVE_INFINITY;
    for (const { subscription, dueAt } of waiting) {
      next = Math.min(next, Math.max(dueAt, this.#parkedUntil.get(subscription) ?? 0));
    }
    return { deliveries, now, nextInMs: Number.isFinite(next) ? Math.max(0, next - now) : undefined };
  }

  /** For a new owner, which has parked nothing. */
  unparkAll(): void {
    this.#parkedUntil.clear();
  }

  hasten(subscription: Incarnation): void {
    this.#parkedUntil.delete(subscription);
    const now = this.#clock.now();
    for (const delivery of this.#of(subscription, 'deferred', byPlace)) {
      delivery.dueAt = Math.min(delivery.dueAt, now);
    }
  }

  deadLetters(subscription: Incarnation, after: string | undefined, max: number): DeadLetterPage {
    if (after !== undefined && !/^\d+$/.test(after)) throw new RangeError(`no page ended at ${after}`);
    const dead = this.#of(subscription, 'deadLettered', byDeath);
    const rest = dead.filter(({ deadOrder }) => after === undefined || deadOrder > Number(after));
    const page = pageOf(rest, max, ({ event }) => event.frame.length);
    const deadLetters = page.map(deadLetterOf);
    return rest.length > page.length
      ? { deadLetters, next: String(page.at(-1)!.deadOrder) }
      : { deadLetters };
  }

  deadLetter(subscription: Incarnation, { entry, index }: Place): DeadLetter | undefined {
    const found = this.#deliveries.get(keyOf(entry, index, subscription));
    return found?.kind === 'deadLettered' ? deadLetterOf(found) : undefined;
  }

  letGo(subscription: Incarnation, deadLetters: readonly DeadLetterKey[]): number {
    let count = 0;
    for (const { place, deadLetteredAt } of deadLetters) {
      const key = keyOf(place.entry, place.index, subscription);
      const found = this.#deliveries.get(key);
      if (found?.kind !== 'deadLettered' || found.deadLetteredAt !== deadLetteredAt) continue;
      this.#deliveries.delete(key);
      count++;
    }
    return count;
  }

  redrive(
    subscription: Incarnation,
    which: { readonly places: readonly Place[] } | { readonly max: number },
  ): number {
    let chosen = this.#of(subscription, 'deadLettered', byDeath);
    if ('places' in which) {
      const keys = new Set(which.places.map(({ entry, index }) => keyOf(entry, index, subscription)));
      chosen = chosen.filter(({ place }) => keys.has(keyOf(place.entry, place.index, subscription)));
    } else chosen = chosen.slice(0, which.max);
    const state = { attempts: 0, liveFrom: this.#clock.now() };
    for (const delivery of chosen) this.#dispose(delivery, { kind: 'deferred', dueInMs: 0, state });
    return chosen.length;
  }

  purge(subscription: Incarnation, max: number): number {
    const chosen = this.#select((delivery) => delivery.subscription === subscription, byPlace).slice(0, max);
    for (const { place } of chosen) this.#deliveries.delete(keyOf(place.entry, place.index, subscription));
    return chosen.length;
  }

  usage(): Usage[] {
    const all: Usage[] = [];
    for (const subscription of new Set([...this.#deliveries.values()].map((each) => each.subscription))) {
      const dead = this.#of(subscription, 'deadLettered', byPlace);
      const open = [
        ...this.#of(subscription, 'deferred', byPlace),
        ...this.#of(subscription, 'leased', byPlace),
      ];
      all.push({
        subscription,
        deferred: open.length,
        deferredBytes: charged(open),
        deadLettered: dead.length,
        deadLetteredBytes: charged(dead),
        oldestAcceptedAt: open.length ? Math.min(...open.map((each) => each.acceptedAt)) : undefined,
      });
    }
    return all;
  }

  enforceQuotas(): QuotaEffect[] {
    const effects: QuotaEffect[] = [];
    for (const { subscription, deferredBytes, deadLetteredBytes } of this.usage()) {
      let over = deferredBytes - this.#quota.deferredBytesMax;
      let deadLettered = 0;
      for (const delivery of this.#of(subscription, 'deferred', byPlace)) {
        if (over <= 0) break;
        over -= charged([delivery]);
        this.#dispose(delivery, { kind: 'deadLettered', reason: 'QuotaExceeded', state: delivery.state });
        deadLettered++;
      }
      let excess = deferredBytes + deadLetteredBytes - this.#quota.bytesMax;
      let dropped = 0;
      for (const { place, event } of this.#of(subscription, 'deadLettered', byDeath)) {
        if (excess <= 0) break;
        excess -= chargedBytes(event.frame.length);
        this.#deliveries.delete(keyOf(place.entry, place.index, subscription));
        dropped++;
      }
      if (deadLettered || dropped) effects.push({ subscription, deadLettered, dropped });
    }
    return effects;
  }

  #lease(delivery: Delivery, leaseMs: number, prefix: string, state: DeliveryState): LeasedDelivery {
    const leaseExpired = delivery.kind === 'leased';
    const token = `${prefix}${++this.#tokens}`;
    this.#dispose(delivery, { kind: 'leased', leaseMs, token, state });
    const { place, subscription, acceptedAt, event } = delivery;
    return { place, subscription, ...event, acceptedAt, token, state, leaseExpired };
  }

  #dispose(delivery: Delivery, disposition: Disposition): void {
    const now = this.#clock.now();
    delivery.kind = disposition.kind;
    delivery.state = disposition.state;
    delivery.token = disposition.kind === 'leased' ? disposition.token : undefined;
    if (disposition.kind === 'deferred') delivery.dueAt = now + disposition.dueInMs;
    else if (disposition.kind === 'leased') delivery.dueAt = now + disposition.leaseMs;
    else {
      delivery.reason = disposition.reason;
      delivery.deadLetteredAt = now;
      delivery.deadOrder = ++this.#deaths;
    }
  }

  #of(subscription: Incarnation, kind: Disposition['kind'], order: typeof byPlace): Delivery[] {
    return this.#select((each) => each.subscription === subscription && each.kind === kind, order);
  }

  #select(keep: (delivery: Delivery) => boolean, order: typeof byPlace): Delivery[] {
    return [...this.#deliveries.values()].filter(keep).sort(order);
  }
}

/** As many from the front as an answer holds. */
export function pageOf<T>(all: readonly T[], max: number, bytesOf: (item: T) => number): T[] {
  const page: T[] = [];
  let bytes = 0;
  for (const item of all) {
    if (page.length >= max || bytes > answerBytesMax) break;
    page.push(item);
    bytes += bytesOf(item);
  }
  return page;
}

function deadLetterOf(delivery: Delivery): DeadLetter {
  const { place, subscription, event, acceptedAt, deadLetteredAt, reason, state } = delivery;
  return { place, subscription, ...event, acceptedAt, deadLetteredAt, reason: reason!, state };
}

function charged(deliveries: readonly Delivery[]): number {
  let bytes = 0;
  for (const { event } of deliveries) bytes += chargedBytes(event.frame.length);
  return bytes;
}
