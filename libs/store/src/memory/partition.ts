/**
 * One partition of the reference model: its log, its owner, and its histories. Deliveries are `deliveries.ts`'s, attempts
 * `attempts.ts`'s.
 */
import type { Clock, EntryId, Incarnation } from '@gridpost/model';
import { attemptQuotaOf, quotaOf } from '../bounds.js';
import { entriesOf, packEntry } from '../pack.js';
import {
  type AppendOptions,
  type AppendResult,
  type AttemptBlock,
  type Claim,
  type ConcludeResult,
  Fenced,
  type HistoryBounds,
  type HistoryOrder,
  type HistoryPage,
  type HistoryStart,
  type LeaseOutcome,
  type LogEntry,
  type PendingEvent,
  type ReadLimits,
  type SettleBatch,
  type SettleResult,
  type StoreLimits,
} from '../port.js';
import { MemoryAttempts } from './attempts.js';
import { entryOrder, MemoryDeliveries, pageOf } from './deliveries.js';
import { MemoryIdentities } from './identities.js';

interface Owner {
  worker: string;
  leaseUntil: number;
  released: boolean;
}

interface Note {
  epochs: number;
  last: number;
}

type HistoryEvent = HistoryPage['events'][number];

export class MemoryPartition {
  readonly deliveries: MemoryDeliveries;
  readonly identities: MemoryIdentities;
  readonly attempts: MemoryAttempts;
  readonly #number: number;
  readonly #clock: Clock;
  /** In log order, since ids only grow and a Map keeps the order of insertion. */
  readonly #log = new Map<EntryId, LogEntry>();
  /** Notes of `begin`, by entry and index. */
  readonly #notes = new Map<EntryId, Map<number, Note>>();
  readonly #histories = new Map<Incarnation, HistoryEvent[]>();
  #owner: Owner | undefined;
  #epoch = 0;
  #entries = 0;

  constructor(number: number, partitions: number, limits: StoreLimits, clock: Clock) {
    this.#number = number;
    this.#clock = clock;
    this.deliveries = new MemoryDeliveries(number, quotaOf(limits, partitions), clock);
    this.identities = new MemoryIdentities(clock);
    this.attempts = new MemoryAttempts(clock, attemptQuotaOf(limits, partitions));
  }

  get logEntries(): number {
    return this.#log.size;
  }

  get bytesUsed(): number {
    let bytes = this.deliveries.bytesUsed + this.identities.bytesUsed + this.attempts.bytesUsed;
    for (const entry of this.#log.values()) bytes += entry.bytes;
    for (const history of this.#histories.values()) for (const { frame } of history) bytes += frame.length;
    return bytes;
  }

  append(
    events: readonly PendingEvent[],
    { retained, unique }: AppendOptions,
  ): Omit<AppendResult, 'version'> {
    if (!unique?.size) {
      this.#write(events, retained);
      return {};
    }
    const duplicates = this.identities.duplicatesAmong(events, unique);
    this.#write(
      events.filter((_, index) => !duplicates.has(index)),
      retained,
    );
    const forgotten = this.identities.bound(unique, events.length);
    return {
      ...(duplicates.size ? { duplicates: [...duplicates] } : {}),
      ...(forgotten.size ? { forgotten } : {}),
    };
  }

  #write(events: readonly PendingEvent[], retained: ReadonlySet<Incarnation> | undefined): void {
    const acceptedAt = this.#clock.now();
    for (const run of entriesOf(events)) {
      const id = (++this.#entries).toString(16);
      const copies = run.map(({ topic, frame }) => ({ topic, frame: Buffer.from(frame) }));
      this.#log.set(id, { id, acceptedAt, events: copies, bytes: packEntry(run).length });
      for (const [index, { topic, frame }] of copies.entries()) {
        if (!retained?.has(topic)) continue;
        const history = this.#histories.get(topic) ?? [];
        this.#histories.set(topic, history);
        history.push({ place: { partition: this.#number, entry: id, index }, acceptedAt, frame });
      }
    }
  }

  claim(worker: string, leaseMs: number, suspectEvents: number): Claim | undefined {
    const now = this.#clock.now();
    const previous = this.#owner;
    if (previous && !previous.released && previous.worker !== worker && previous.leaseUntil > now) {
      return undefined;
    }
    this.#owner = { worker, leaseUntil: now + leaseMs, released: false };
    this.deliveries.unparkAll();
    const epoch = ++this.#epoch;
    const suspectUpTo = previous && !previous.released ? this.#lastWithin(suspectEvents) : undefined;
    return suspectUpTo === undefined ? { epoch } : { epoch, suspectUpTo };
  }

  renew(worker: string, epoch: number, leaseMs: number): boolean {
    if (epoch !== this.#epoch || this.#owner?.worker !== worker || this.#owner.released) return false;
    this.#owner.leaseUntil = this.#clock.now() + leaseMs;
    return true;
  }

  release(worker: string, epoch: number): void {
    if (epoch === this.#epoch && this.#owner?.worker === worker) this.#owner.released = true;
  }

  /** Throws `Fenced` unless the epoch is that of the last claim granted. */
  fence(epoch: number): void {
    if (epoch !== this.#epoch) throw new Fenced(this.#number, epoch);
  }

  read(after: EntryId | undefined, limits: ReadLimits): { entries: LogEntry[]; more: boolean } {
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.#log.values()) {
      if (after !== undefined && entryOrder(entry.id) <= entryOrder(after)) continue;
      bytes += entry.bytes;
      if (entries.length && (entries.length >= limits.entriesMax || bytes > limits.bytesMax))
        return { entries, more: true };
      entries.push(entry);
    }
    return { entries, more: false };
  }

  begin(entry: EntryId, index: number): number {
    if (!this.#log.has(entry)) return 0;
    const notes = this.#notes.get(entry) ?? new Map<number, Note>();
    this.#notes.set(entry, notes);
    const note = notes.get(index) ?? { epochs: 0, last: 0 };
    notes.set(index, note);
    if (note.last === this.#epoch) return note.epochs - 1;
    note.last = this.#epoch;
    return note.epochs++;
  }

  settle({ entries, outcomes, attempts }: SettleBatch): SettleResult {
    let removed = 0;
    for (const { id, acceptedAt, deferrals, events } of entries) {
      if (!this.#log.delete(id)) continue;
      this.#notes.delete(id);
      removed++;
      for (const { index, subscription, disposition } of deferrals) {
        this.deliveries.hold(id, index, subscription, acceptedAt, events.get(index)!, disposition);
      }
    }
    const applied = outcomes.map((outcome) => this.deliveries.conclude(outcome));
    this.#record(removed > 0 || applied.includes(true) || entries.length + outcomes.length === 0, attempts);
    return { removed, quotaEffects: this.deliveries.enforceQuotas() };
  }

  conclude(outcomes: readonly LeaseOutcome[], attempts: readonly AttemptBlock[] | undefined): ConcludeResult {
    const applied = outcomes.map((outcome) => this.deliveries.conclude(outcome, true));
    this.#record(applied.includes(true) || outcomes.length === 0, attempts);
    return { applied, quotaEffects: this.deliveries.enforceQuotas() };
  }

  history(
    topic: Incarnation,
    start: HistoryStart | undefined,
    max: number,
    order: HistoryOrder = 'oldestFirst',
  ): HistoryPage {
    if (typeof start === 'string' && !/^\d+$/.test(start)) throw new RangeError(`no page ended at ${start}`);
    const sign = order === 'oldestFirst' ? 1 : -1;
    const isBehind = (event: HistoryEvent): boolean => {
      if (start === undefined) return true;
      return typeof start === 'string'
        ? sign * (key(event) - Number(start)) > 0
        : sign * (event.acceptedAt - start.acceptedAt) >= 0;
    };
    const all = (this.#histories.get(topic) ?? []).toSorted((a, b) => sign * (key(a) - key(b)));
    const rest = all.filter(isBehind);
    const events = pageOf(rest, max, ({ frame }) => frame.length);
    return rest.length > events.length ? { events, next: String(key(events.at(-1)!)) } : { events };
  }

  histories(): Incarnation[] {
    return [...this.#histories.keys()];
  }

  trimHistory(topic: Incarnation, bounds: HistoryBounds, max: number): number {
    const { ageMs, bytesMax = Number.POSITIVE_INFINITY } = bounds;
    const history = this.#histories.get(topic) ?? [];
    const before = this.#clock.now() - ageMs;
    let bytes = history.reduce((sum, { frame }) => sum + frame.length, 0);
    let count = 0;
    for (const { acceptedAt, frame } of history) {
      if (count === max || (acceptedAt > before && bytes <= bytesMax)) break;
      bytes -= frame.length;
      count++;
    }
    history.splice(0, count);
    if (!history.length) this.#histories.delete(topic);
    return count;
  }

  /** `fresh`: what the attempts were made of had not been settled before. */
  #record(fresh: boolean, attempts: readonly AttemptBlock[] = []): void {
    if (fresh) this.attempts.append(attempts);
    this.attempts.trim();
  }

  /** The last entry before which at most `suspectEvents` events lie. */
  #lastWithin(suspectEvents: number): EntryId | undefined {
    let last: EntryId | undefined;
    let before = 0;
    for (const entry of this.#log.values()) {
      if (before > suspectEvents) break;
      last = entry.id;
      before += entry.events.length;
    }
    return last;
  }
}

const key = ({ place }: HistoryEvent): number => entryOrder(place.entry) * 1_000 + place.index;
