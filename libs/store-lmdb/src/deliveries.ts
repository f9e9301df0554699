/**
 * Deliveries that outlive their log entry, and every transition between open (deferred or leased), dead and gone. Each
 * method runs in a transaction and keeps these in step:
 *
 * - an open delivery has a record in `open` and a key in `due`; a dead one has a record in `dead`;
 * - either is a user of its event in `payloads`, and the payload stays until the last user goes; an event's only user
 *   has no key there while it is open, which saves each received event two writes and a search;
 * - the line's counters count them.
 *
 * Which delivery makes a transition, and when, is decided by `settling.ts`, `due.ts` and `dead-letters.ts`.
 */
import type { Clock } from '@gridpost/model';
import { chargedBytes, type Disposition, type PendingEvent } from '@gridpost/store';
import { after, deadKey, dueKey, lineRange, openKey, placeKey, type Tables, useKey } from './layout.js';
import type { Line, Lines } from './lines.js';
import { pieceBytes, Pieces } from './pieces.js';
import { type DeadRecord, type OpenRecord, packDead, packOpen, unpackOpen } from './records.js';
import type { Space } from './space.js';

const deferredFlag = Buffer.from([0]);
const leasedFlag = Buffer.from([1]);
/** Of a user: its delivery is open. */
const notDead = Buffer.alloc(6);

/** Pages that records and index entries of one delivery may add, beside its payload, in bytes. */
const recordBytes = 512;

/** What stays the same of a delivery, whatever becomes of it. */
type Facts = Pick<OpenRecord, 'sole' | 'acceptedAt' | 'frameBytes'>;
type OpenDisposition = Exclude<Disposition, { kind: 'deadLettered' }>;
type DeadDisposition = Extract<Disposition, { kind: 'deadLettered' }>;

/** Where a delivery is. */
export interface Spot {
  readonly line: Line;
  readonly entry: number;
  readonly index: number;
}

export class Deliveries {
  readonly #tables: Tables;
  readonly #lines: Lines;
  readonly #clock: Clock;
  readonly #space: Space;
  readonly #payloads: Pieces;

  constructor(tables: Tables, lines: Lines, clock: Clock, space: Space) {
    this.#tables = tables;
    this.#lines = lines;
    this.#clock = clock;
    this.#space = space;
    this.#payloads = new Pieces(tables, 'payloads');
  }

  /** Keeps an event for the deliveries that `hold` is about to add. */
  keepPayload(entry: number, index: number, { topic, frame }: PendingEvent): void {
    const payload = Buffer.allocUnsafe(1 + topic.length + frame.length);
    payload[0] = topic.length;
    payload.write(topic, 1, 'latin1');
    frame.copy(payload, 1 + topic.length);
    this.#payloads.put(placeKey(entry, index), payload);
    this.#space.add(payload.length);
  }

  payload({ entry, index }: Pick<Spot, 'entry' | 'index'>): PendingEvent {
    const payload = this.#payloads.get(placeKey(entry, index));
    if (!payload) throw new Error(`the payload of event ${index} of entry ${entry.toString(16)} is missing`);
    const frameAt = 1 + payload[0]!;
    return { topic: payload.toString('latin1', 1, frameAt), frame: payload.subarray(frameAt) };
  }

  /** Adds one of the deliveries of an event just settled: the only one, or not. */
  hold(spot: Spot, event: Facts, disposition: Disposition): void {
    this.#space.add(recordBytes);
    if (disposition.kind === 'deadLettered') {
      this.#addDead(spot, event, disposition);
      return;
    }
    if (!event.sole) this.#tables.payloads.put(useOf(spot), notDead);
    this.#addOpen(spot, event, disposition);
  }

  /** An open delivery becomes something else, or leaves. */
  dispose(spot: Spot, record: OpenRecord, disposition: Disposition | { readonly kind: 'finished' }): void {
    const { line, entry, index } = spot;
    this.#tables.due.remove(dueKey(line.number, record.generation, record.dueAt, entry, index));
    if (disposition.kind === 'deferred' || disposition.kind === 'leased') {
      this.#putOpen(spot, record, disposition);
      return;
    }
    this.#tables.open.remove(openKey(line.number, entry, index));
    line.deferred--;
    line.deferredBytes -= chargedBytes(record.frameBytes);
    this.#lines.touch(line);
    if (disposition.kind === 'finished') this.#release(spot, record, 'open');
    else this.#addDead(spot, record, disposition);
  }

  /** A dead letter is deferred again, due now. */
  revive(spot: Spot, deadAt: number, record: DeadRecord): void {
    this.#removeDead(spot, deadAt, record);
    if (record.sole) this.#tables.payloads.remove(useOf(spot));
    else this.#tables.payloads.put(useOf(spot), notDead);
    const state = { attempts: 0, liveFrom: this.#clock.now() };
    this.#addOpen(spot, record, { kind: 'deferred', dueInMs: 0, state });
  }

  /** A dead letter is let go. */
  drop(spot: Spot, deadAt: number, record: DeadRecord): void {
    this.#removeDead(spot, deadAt, record);
    this.#release(spot, record, 'dead');
  }

  /** Acceptance of the line's oldest open delivery. Needs no transaction. */
  oldestAcceptedAt(line: Line): number | undefined {
    if (line.deferred === 0) return undefined;
    if (line.oldestAcceptedAt === undefined) {
      for (const { value } of this.#tables.open.getRange({ ...lineRange(line.number), limit: 1 })) {
        line.oldestAcceptedAt = unpackOpen(value).acceptedAt;
      }
    }
    return line.oldestAcceptedAt;
  }

  #addOpen(spot: Spot, event: Facts, disposition: OpenDisposition): void {
    const { line } = spot;
    this.#putOpen(spot, event, disposition);
    line.deferred++;
    line.deferredBytes += chargedBytes(event.frameBytes);
    this.#lines.touch(line);
  }

  #putOpen({ line, entry, index }: Spot, event: Facts, disposition: OpenDisposition): void {
    const { acceptedAt, frameBytes, sole } = event;
    const leased = disposition.kind === 'leased';
    // Whole milliseconds, late rather than early.
    const dueAt = Math.ceil(this.#clock.now() + (leased ? disposition.leaseMs : disposition.dueInMs));
    const { generation } = line;
    const token = leased ? disposition.token : '';
    const { state } = disposition;
    const record = { leased, sole, generation, dueAt, acceptedAt, frameBytes, token, state };
    this.#tables.open.put(openKey(line.number, entry, index), packOpen(record));
    this.#tables.due.put(
      dueKey(line.number, generation, dueAt, entry, index),
      leased ? leasedFlag : deferredFlag,
    );
    this.#lines.expect(line, dueAt);
  }

  #addDead(spot: Spot, event: Facts, { reason, state }: DeadDisposition): void {
    const { line, entry, index } = spot;
    const { acceptedAt, frameBytes, sole } = event;
    const deadAt = this.#clock.now();
    const use = Buffer.allocUnsafe(6);
    use.writeUIntBE(deadAt, 0, 6);
    this.#tables.payloads.put(useOf(spot), use);
    const record = { sole, acceptedAt, frameBytes, reason, state };
    this.#tables.dead.put(deadKey(line.number, deadAt, entry, index), packDead(record));
    line.dead++;
    line.deadBytes += chargedBytes(frameBytes);
    this.#lines.touch(line);
  }

  #removeDead({ line, entry, index }: Spot, deadAt: number, { frameBytes }: DeadRecord): void {
    this.#tables.dead.remove(deadKey(line.number, deadAt, entry, index));
    line.dead--;
    line.deadBytes -= chargedBytes(frameBytes);
    this.#lines.touch(line);
  }

  /** The event loses a user, and its payload with the last one. */
  #release(spot: Spot, { sole, frameBytes }: Facts, was: 'open' | 'dead'): void {
    const { payloads } = this.#tables;
    const start = placeKey(spot.entry, spot.index);
    if (!sole || was === 'dead') payloads.remove(useOf(spot));
    // The first key is the payload's own.
    if (!sole && [...payloads.getKeys({ start, end: after(start), limit: 2 })].length > 1) return;
    // Before its frame a payload has a topic of at most 255 characters.
    if (frameBytes + 256 < pieceBytes) payloads.remove(start);
    else this.#payloads.remove(start);
  }
}

const useOf = ({ line, entry, index }: Spot): Buffer => useKey(entry, index, line.number);
