/**
 * What must be true of one partition, kept by the random driver beside the store: every event accepted, and where each
 * of its deliveries is. Answers of the store are checked against it, and then applied to it. Where the port leaves a
 * choice (the order among equals, how far a parked subscription sleeps), the ledger accepts each, and learns.
 */
import { expect } from '@jest/globals';
import type { EntryId, Incarnation, Place } from '@gridpost/model';
import { chargedBytes } from '../bounds.js';
import type {
  AppendResult,
  AttemptBlock,
  AttemptKind,
  DeadLetter,
  DeadLetterKey,
  Disposition,
  DueAsk,
  DueResult,
  LeaseOutcome,
  LogEntry,
  PartitionUsage,
  PendingEvent,
  ReceiveAsk,
  ReceiveResult,
  SettleBatch,
  StoredAttemptBlock,
} from '../port.js';

export interface LoggedEvent {
  readonly event: PendingEvent;
  /** Requests made at the same time share the moment; their order in the log is the store's. */
  readonly moment: number;
  readonly request: number;
}

interface Delivery {
  readonly place: Place;
  readonly subscription: Incarnation;
  readonly event: PendingEvent;
  readonly acceptedAt: number;
  kind: Disposition['kind'];
  attempts: number;
  /** On the driver's clock. */
  dueAt: number;
  token: string | undefined;
}

export const numberOf = ({ frame }: Pick<PendingEvent, 'frame'>): number => frame.readUInt32LE(0);
const keyOf = (entry: EntryId, index: number, subscription: Incarnation): string =>
  `${entry}/${index}/${subscription}`;

export class Ledger {
  /** Everything accepted and not settled, by the number that each frame begins with. */
  readonly #log = new Map<number, LoggedEvent>();
  readonly #entries = new Map<EntryId, { readonly entry: LogEntry; settled: boolean }>();
  readonly #deliveries = new Map<string, Delivery>();
  readonly #notes = new Map<string, { epochs: number; last: number }>();
  readonly #parked = new Set<Incarnation>();
  /** Remembered for duplicate detection. */
  readonly #identities = new Set<string>();
  readonly #attempts: Record<AttemptKind, string[]> = { failures: [], successes: [] };
  #accepted = 0;
  #settled = 0;
  #begun = 0;
  #finished = 0;

  /**
   * Of events made at the same time with the same identity, which one is stored is the store's choice. Returns what was
   * stored.
   */
  accepted(
    requests: readonly (readonly PendingEvent[])[],
    answers: readonly AppendResult[],
    moment: number,
  ): LoggedEvent[] {
    const logged: LoggedEvent[] = [];
    const stored: string[] = [];
    const repeated: string[] = [];
    for (const [request, events] of requests.entries()) {
      const duplicates = new Set(answers[request]!.duplicates);
      for (const [index, event] of events.entries()) {
        const identity = event.identity && `${event.topic}/${event.identity.toString('hex')}`;
        if (identity) (duplicates.has(index) ? repeated : stored).push(identity);
        else expect(duplicates).not.toContain(index);
        if (duplicates.has(index)) continue;
        const kept = { event, moment, request };
        logged.push(kept);
        this.#log.set(numberOf(event), kept);
        this.#accepted++;
      }
    }
    expect(stored.filter((identity) => this.#identities.has(identity))).toEqual([]);
    expect(new Set(stored).size).toBe(stored.length);
    for (const identity of stored) this.#identities.add(identity);
    expect(repeated.filter((identity) => !this.#identities.has(identity))).toEqual([]);
    return logged;
  }

  /** Returns how many were remembered. */
  forgetIdentities(): number {
    const { size } = this.#identities;
    this.#identities.clear();
    return size;
  }

  /** A read of the whole log: all that is unsettled, requests whole and in order. */
  checkLog(entries: readonly LogEntry[]): void {
    for (const entry of entries) this.learn(entry);
    const numbers = entries.flatMap(({ events }) => events.map(numberOf));
    expect([...numbers].sort((a, b) => a - b)).toEqual([...this.#log.keys()].sort((a, b) => a - b));
    checkOrder(numbers, this.#log);
  }

  /** An entry that was read: its events are in the log, byte for byte. */
  learn(entry: LogEntry): void {
    const known = this.#entries.get(entry.id);
    expect(known?.settled ?? false).toBe(false);
    if (known) expect(entry.acceptedAt).toBe(known.entry.acceptedAt);
    else this.#entries.set(entry.id, { entry, settled: false });
    for (const event of entry.events) {
      const logged = this.#log.get(numberOf(event));
      expect(logged?.event.topic).toBe(event.topic);
      expect(logged!.event.frame.equals(event.frame)).toBe(true);
    }
  }

  /** Applies a settle; returns how many entries it removes. */
  settle({ entries, outcomes, attempts }: SettleBatch, now: number): number {
    let removed = 0;
    for (const { id, deferrals } of entries) {
      const known = this.#entries.get(id)!;
      if (known.settled) continue;
      known.settled = true;
      removed++;
      const { acceptedAt, events } = known.entry;
      for (const event of events) this.#log.delete(numberOf(event));
      this.#settled += events.length;
      for (const { index, subscription, disposition } of deferrals) {
        const place = { partition: 0, entry: id, index };
        const event = events[index]!;
        const blank = { attempts: 0, dueAt: 0, token: undefined, kind: disposition.kind };
        const delivery: Delivery = { place, subscription, event, acceptedAt, ...blank };
        this.#deliveries.set(keyOf(id, index, subscription), delivery);
        this.#begun++;
        dispose(delivery, disposition, now);
      }
    }
    const applied = outcomes.map((outcome) => this.#conclude(outcome, now));
    if (removed > 0 || applied.includes(true) || entries.length + outcomes.length === 0)
      this.#record(attempts);
    return removed;
  }

  /** Checks what an ask was given, and applies it. Without `exact` clocks, due instants are only known as due or not. */
  due({ deliveries, nextInMs }: DueResult, ask: DueAsk, now: number, exact: boolean): void {
    for (const subscription of ask.parked.keys()) this.#parked.add(subscription);
    const eligible = [...this.#deliveries.values()]
      .filter(({ kind, dueAt, subscription }) => {
        return kind !== 'deadLettered' && dueAt <= now && !this.#parked.has(subscription);
      })
      .sort((a, b) => a.dueAt - b.dueAt);
    const taken = new Map<Incarnation, number>();
    const expected: number[] = [];
    for (const { subscription, dueAt } of eligible) {
      const count = taken.get(subscription) ?? 0;
      if (expected.length >= ask.max || count >= (ask.rooms.get(subscription) ?? ask.room)) continue;
      taken.set(subscription, count + 1);
      expected.push(dueAt);
    }
    const given: number[] = [];
    for (const delivery of deliveries) {
      const { place, subscription, token, frame, topic, acceptedAt, state, leaseExpired } = delivery;
      const known = this.#deliveries.get(keyOf(place.entry, place.index, subscription))!;
      expect(known).toMatchObject({ place, subscription, acceptedAt, attempts: state.attempts });
      expect(known.kind).toBe(leaseExpired ? 'leased' : 'deferred');
      expect(known.dueAt).toBeLessThanOrEqual(now);
      expect(known.event.topic).toBe(topic);
      expect(known.event.frame.equals(frame)).toBe(true);
      expect(ask.parked.has(subscription)).toBe(false);
      expect(token.startsWith(ask.token)).toBe(true);
      // Whether something new wakes a parked subscription is the store's choice.
      if (!this.#parked.has(subscription)) given.push(known.dueAt);
      dispose(known, { kind: 'leased', leaseMs: ask.leaseMs, token, state }, now);
    }
    expect(deliveries.length).toBeLessThanOrEqual(ask.max);
    if (given.length === deliveries.length) {
      expect(given).toHaveLength(expected.length);
      if (exact) expect(given).toEqual(expected);
    }
    if (eligible.length > deliveries.length) expect(nextInMs).toBe(0);
  }

  /** Checks what a consumer was given, and applies it. */
  receive({ deliveries, nextInMs }: ReceiveResult, ask: ReceiveAsk, now: number, exact: boolean): void {
    const eligible = this.#of(ask.subscription)
      .filter(({ kind, dueAt }) => kind !== 'deadLettered' && dueAt <= now)
      .sort((a, b) => a.dueAt - b.dueAt);
    expect(deliveries).toHaveLength(Math.min(ask.max, eligible.length));
    const expected = eligible.slice(0, ask.max).map(({ dueAt }) => dueAt);
    const given: number[] = [];
    for (const { place, subscription, token, frame, state, leaseExpired } of deliveries) {
      const known = this.#deliveries.get(keyOf(place.entry, place.index, subscription))!;
      expect(subscription).toBe(ask.subscription);
      expect(state.attempts).toBe(known.attempts + 1);
      expect(known.kind).toBe(leaseExpired ? 'leased' : 'deferred');
      expect(known.dueAt).toBeLessThanOrEqual(now);
      expect(known.event.frame.equals(frame)).toBe(true);
      given.push(known.dueAt);
      dispose(known, { kind: 'leased', leaseMs: ask.leaseMs, token, state }, now);
    }
    if (exact) expect(given).toEqual(expected);
    if (eligible.length > deliveries.length) expect(nextInMs).toBe(0);
  }

  /** Applies a consumer's outcomes; returns which of them count. */
  conclude(outcomes: readonly LeaseOutcome[], now: number, attempts?: readonly AttemptBlock[]): boolean[] {
    const applied = outcomes.map((outcome) => this.#conclude(outcome, now, now));
    if (applied.includes(true) || outcomes.length === 0) this.#record(attempts);
    return applied;
  }

  /** Checks one kind of the attempt log as a whole, newest first. */
  checkAttempts(kind: AttemptKind, blocks: readonly StoredAttemptBlock[]): void {
    const texts = blocks.map(({ block }) => block.toString('latin1'));
    expect(texts.reverse()).toEqual(this.#attempts[kind]);
  }

  /** There is a new owner. */
  claimed(): void {
    this.#parked.clear();
  }

  hasten(subscription: Incarnation, now: number): void {
    this.#parked.delete(subscription);
    for (const delivery of this.#of(subscription)) {
      if (delivery.kind === 'deferred') delivery.dueAt = Math.min(delivery.dueAt, now);
    }
  }

  /** Checks a subscription's whole list of dead letters. */
  checkDead(subscription: Incarnation, dead: readonly DeadLetter[]): void {
    const expected = this.#of(subscription).filter(({ kind }) => kind === 'deadLettered');
    expect(dead).toHaveLength(expected.length);
    let before = 0;
    for (const { place, frame, topic, acceptedAt, deadLetteredAt, state } of dead) {
      const known = this.#deliveries.get(keyOf(place.entry, place.index, subscription))!;
      expect(known).toMatchObject({ kind: 'deadLettered', acceptedAt, attempts: state.attempts });
      expect(known.event.topic).toBe(topic);
      expect(known.event.frame.equals(frame)).toBe(true);
      expect(deadLetteredAt).toBeGreaterThanOrEqual(before);
      before = deadLetteredAt;
    }
  }

  /** Applies a redrive of these places; returns how many of them were dead letters. */
  redrive(subscription: Incarnation, places: readonly Place[], now: number): number {
    let count = 0;
    for (const { entry, index } of places) {
      const delivery = this.#deliveries.get(keyOf(entry, index, subscription));
      if (delivery?.kind !== 'deadLettered') continue;
      dispose(delivery, { kind: 'deferred', dueInMs: 0, state: { attempts: 0, liveFrom: 0 } }, now);
      count++;
    }
    return count;
  }

  /** Applies that these dead letters are let go. */
  letGo(subscription: Incarnation, deadLetters: readonly DeadLetterKey[]): void {
    for (const { place } of deadLetters)
      this.#deliveries.delete(keyOf(place.entry, place.index, subscription));
    this.#finished += deadLetters.length;
  }

  /** Forgets all of a subscription; returns how many deliveries that were. */
  purge(subscription: Incarnation): number {
    const gone = this.#of(subscription);
    for (const { place } of gone) this.#deliveries.delete(keyOf(place.entry, place.index, subscription));
    this.#finished += gone.length;
    return gone.length;
  }

  /** Applies a `begin`; returns what it should have answered. */
  begin(entry: EntryId, index: number, epoch: number): number {
    if (this.#entries.get(entry)!.settled) return 0;
    const key = `${entry}/${index}`;
    const note = this.#notes.get(key) ?? { epochs: 0, last: 0 };
    this.#notes.set(key, note);
    if (note.last === epoch) return note.epochs - 1;
    note.last = epoch;
    return note.epochs++;
  }

  /** Conservation, and the store's counters: whatever was accepted is in one place, and counted there. */
  checkUsage({ subscriptions }: PartitionUsage): void {
    const all = [...this.#deliveries.values()];
    expect(this.#accepted).toBe(this.#log.size + this.#settled);
    expect(this.#begun).toBe(all.length + this.#finished);
    const names = new Set(all.map(({ subscription }) => subscription));
    expect(subscriptions.map(({ subscription }) => subscription).sort()).toEqual([...names].sort());
    for (const { subscription, ...usage } of subscriptions) {
      const own = this.#of(subscription);
      const dead = own.filter(({ kind }) => kind === 'deadLettered');
      const open = own.filter(({ kind }) => kind !== 'deadLettered');
      expect(usage).toEqual({
        deferred: open.length,
        deferredBytes: charge(open),
        deadLettered: dead.length,
        deadLetteredBytes: charge(dead),
        oldestAcceptedAt: open.length ? Math.min(...open.map(({ acceptedAt }) => acceptedAt)) : undefined,
      });
    }
  }

  get unsettledEvents(): number {
    return this.#log.size;
  }

  placesOf(subscription: Incarnation): Place[] {
    return this.#of(subscription).map(({ place }) => place);
  }

  isSettled(entry: EntryId): boolean {
    return this.#entries.get(entry)?.settled ?? false;
  }

  /** Whether it counts. `endsAfter`: only if the lease does. */
  #record(attempts: readonly AttemptBlock[] = []): void {
    for (const { kind, block } of attempts) this.#attempts[kind].push(block.toString('latin1'));
  }

  #conclude(
    { entry, index, subscription, token, disposition }: LeaseOutcome,
    now: number,
    endsAfter = Number.NEGATIVE_INFINITY,
  ): boolean {
    const key = keyOf(entry, index, subscription);
    const delivery = this.#deliveries.get(key);
    if (delivery?.token !== token || delivery.dueAt <= endsAfter) return false;
    if (disposition.kind !== 'finished') dispose(delivery, disposition, now);
    else {
      this.#deliveries.delete(key);
      this.#finished++;
    }
    return true;
  }

  #of(subscription: Incarnation): Delivery[] {
    return [...this.#deliveries.values()].filter((delivery) => delivery.subscription === subscription);
  }
}

/** Events in the order of the log: by their moments, requests whole, and in each request as they were in it. */
export function checkOrder(numbers: readonly number[], logged: ReadonlyMap<number, LoggedEvent>): void {
  let last = { moment: 0, request: 0, number: 0 };
  const done = new Set<string>();
  for (const number of numbers) {
    const { moment, request } = logged.get(number)!;
    expect(moment).toBeGreaterThanOrEqual(last.moment);
    if (moment === last.moment && request === last.request) expect(number).toBeGreaterThan(last.number);
    else {
      done.add(`${last.moment}/${last.request}`);
      expect(done).not.toContain(`${moment}/${request}`);
    }
    last = { moment, request, number };
  }
}

function dispose(delivery: Delivery, disposition: Disposition, now: number): void {
  delivery.kind = disposition.kind;
  delivery.attempts = disposition.state.attempts;
  delivery.token = disposition.kind === 'leased' ? disposition.token : undefined;
  if (disposition.kind === 'deferred') delivery.dueAt = now + disposition.dueInMs;
  if (disposition.kind === 'leased') delivery.dueAt = now + disposition.leaseMs;
}

function charge(deliveries: readonly Delivery[]): number {
  return deliveries.reduce((sum, { event }) => sum + chargedBytes(event.frame.length), 0);
}
