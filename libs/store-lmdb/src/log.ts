/**
 * The log: requests that are written together, the tail that owners read from, and the entries behind it on disk.
 *
 * Requests that wait for the same commit share entries. An entry is the unit of reading and settling, and nothing says
 * that it comes from one request; sharing makes the cost of both follow the bytes instead of the number of requests.
 */
import type { Clock, EntryId } from '@gridpost/model';
import {
  type AppendOptions,
  type AppendResult,
  appendedBytes,
  entriesOf,
  type LogEntry,
  packEntry,
  packedEvents,
  type PendingEvent,
  type ReadLimits,
  unpackEntry,
} from '@gridpost/store';
import type { Commits, Mirror, Step } from './commits.js';
import type { History } from './history.js';
import type { Identities, Sifted } from './identities.js';
import { entryId, entryKey, entryNumber, metaKey, type Tables } from './layout.js';
import { Pieces } from './pieces.js';
import type { Space } from './space.js';
import { Tail, type TailEntry } from './tail.js';

/** Entry numbers reserved by one write; those that a crash leaves unused are skipped. */
const reserve = 65_536;
/** In front of the packed entry: its acceptance. */
const acceptedBytes = 6;

interface Request {
  readonly events: readonly PendingEvent[];
  readonly options: AppendOptions;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What of a request is written, and what it is answered beside the version. */
interface Admitted {
  readonly request: Request;
  readonly events: readonly PendingEvent[];
  readonly sifted: Sifted;
}

export interface LogOptions {
  readonly tables: Tables;
  readonly commits: Commits;
  readonly history: History;
  readonly identities: Identities;
  readonly space: Space;
  readonly clock: Clock;
  /** The configuration version that appends are answered with. */
  readonly version: () => number;
  readonly tailBytesMax: number;
}

export class Log implements Mirror {
  readonly #options: LogOptions;
  readonly #meta: Tables['meta'];
  readonly #pieces: Pieces;
  readonly #tail: Tail;
  readonly #wakers = new Set<(partition: number) => void>();
  #entries: number;
  #nextNumber: number;
  /** Numbers below are reserved: on disk, and as of the commit under way. */
  #reserved: number;
  #reserving: number;
  #waiting: Request[] = [];
  /** What the commit under way adds and removes. */
  #added: TailEntry[] = [];
  readonly #removed = new Set<number>();
  /** An owner has read to the end, and wants to hear of the next entry. */
  #awaited = false;

  constructor(options: LogOptions) {
    this.#options = options;
    const { tables, tailBytesMax } = options;
    this.#meta = tables.meta;
    this.#pieces = new Pieces(tables, 'log');
    this.#nextNumber = Number(tables.meta.get(metaKey.entries) ?? 1);
    this.#reserved = this.#nextNumber;
    this.#reserving = this.#nextNumber;
    this.#tail = new Tail(tailBytesMax, this.#nextNumber);
    this.#entries = (tables.log.getStats() as { entryCount: number }).entryCount;
  }

  /** Entries in the log on disk. */
  get entries(): number {
    return this.#entries;
  }

  onAppend(wake: (partition: number) => void): () => void {
    this.#wakers.add(wake);
    return () => void this.#wakers.delete(wake);
  }

  append(events: readonly PendingEvent[], options: AppendOptions): Promise<AppendResult> {
    if (!events.length) return Promise.resolve({ version: this.#options.version() });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, options, resolve, reject });
      if (this.#waiting.length === 1) this.#options.commits.submit(this.#appending());
    });
  }

  read(after: EntryId | undefined, limits: ReadLimits): { entries: LogEntry[]; more: boolean } {
    const entries: LogEntry[] = [];
    let bytes = 0;
    let more = false;
    const take = (entry: LogEntry): boolean => {
      bytes += entry.bytes;
      if (entries.length < limits.entriesMax && (!entries.length || bytes <= limits.bytesMax))
        entries.push(entry);
      else more = true;
      return !more;
    };
    const from = after === undefined ? 0 : entryNumber(after) + 1;
    if (from >= this.#tail.from || this.#eachStored(from, take)) {
      this.#tail.each(from, ({ entry }) => take(entry));
    }
    this.#awaited ||= !more;
    return { entries, more };
  }

  /** Whether `remove` can do without reading. */
  known(id: EntryId): boolean {
    const number = entryNumber(id);
    return !(number < this.#tail.from) || this.#tail.get(number) !== undefined;
  }

  /** In a commit, which may be blind if the entry is `known`. False if it is not in the log (any more). */
  remove(id: EntryId): boolean {
    const number = entryNumber(id);
    if (Number.isNaN(number) || this.#removed.has(number)) return false;
    const entry = this.#tail.get(number);
    if (entry) this.#pieces.removeKnown(entryKey(number), acceptedBytes + entry.entry.bytes);
    else if (number >= this.#tail.from || !this.#pieces.remove(entryKey(number))) return false;
    this.#removed.add(number);
    return true;
  }

  /** In a transaction. The last entry before which at most so many events lie. */
  lastWithin(eventsMax: number): EntryId | undefined {
    let last: number | undefined;
    let before = 0;
    for (const { key, value } of this.#pieces.heads.getRange({ start: entryKey(0) })) {
      if (before > eventsMax) break;
      last = key.readUIntBE(0, 6);
      before += packedEvents(value.subarray(acceptedBytes));
    }
    return last === undefined ? undefined : entryId(last);
  }

  /** Whether the entry is in the log, as the commit under way sees it. */
  has(id: EntryId): boolean {
    const number = entryNumber(id);
    return !Number.isNaN(number) && this.#pieces.heads.doesExist(entryKey(number));
  }

  committed(): void {
    for (const number of this.#removed) this.#tail.remove(number);
    for (const entry of this.#added) this.#tail.push(entry);
    this.#entries += this.#added.length - this.#removed.size;
    this.#reserved = this.#reserving;
    this.#added = [];
    this.#removed.clear();
  }

  undone(): void {
    this.#reserving = this.#reserved;
    this.#added = [];
    this.#removed.clear();
  }

  #appending(): Step {
    let admitted: readonly Admitted[] | undefined;
    return {
      addsOnly: true,
      blind: () => this.#waiting.every(({ options }) => !options.unique?.size),
      run: () => {
        admitted = this.#admitted(this.#waiting);
        this.#waiting = [];
        this.#write(admitted);
      },
      committed: () => {
        const version = this.#options.version();
        for (const { request, sifted } of admitted!) request.resolve({ version, ...sifted });
        if (!this.#awaited || !admitted!.length) return;
        this.#awaited = false;
        for (const wake of this.#wakers) wake(0);
      },
      failed: (error) => {
        // Given up before it ran: the requests are still waiting.
        const refused = admitted ? admitted.map(({ request }) => request) : this.#waiting.splice(0);
        for (const { reject } of refused) reject(error);
      },
    };
  }

  #admitted(requests: readonly Request[]): Admitted[] {
    const { space, clock, identities } = this.#options;
    const admitted: Admitted[] = [];
    for (const request of requests) {
      const { events, options } = request;
      try {
        space.admit(appendedBytes(events));
      } catch (error) {
        request.reject(error);
        continue;
      }
      const sifted = options.unique?.size ? identities.sift(events, options, clock.now()) : nothingSifted;
      const { duplicates } = sifted;
      admitted.push({ request, sifted, events: duplicates ? without(events, duplicates) : events });
    }
    return admitted;
  }

  /** Writes the requests in as few entries as they fit into. Packs all of them first, which is what could throw. */
  #write(admitted: readonly Admitted[]): void {
    const { clock, history } = this.#options;
    const acceptedAt = clock.now();
    const events = admitted.length === 1 ? admitted[0]!.events : admitted.flatMap((each) => each.events);
    const retained = admitted.some(({ request }) => request.options.retained?.size)
      ? admitted.flatMap(({ request, events }) =>
          events.map(({ topic }) => request.options.retained?.has(topic) ?? false),
        )
      : undefined;
    let written = 0;
    for (const stored of entriesOf(events).map((run) => packEntry(run, acceptedBytes))) {
      const number = this.#number();
      stored.writeUIntLE(acceptedAt, 0, 6);
      this.#pieces.put(entryKey(number), stored);
      const entry = openEntry(number, stored);
      this.#added.push({ number, entry });
      if (retained) history.add(number, acceptedAt, entry.events, retained.slice(written));
      written += entry.events.length;
    }
  }

  #number(): number {
    const number = this.#nextNumber++;
    if (number >= this.#reserving) {
      this.#reserving = number + reserve;
      this.#meta.put(metaKey.entries, Buffer.from(String(this.#reserving)));
    }
    return number;
  }

  /** Gives `take` the entries on disk that are older than the tail; false if it declined one. */
  #eachStored(from: number, take: (entry: LogEntry) => boolean): boolean {
    const range = { start: entryKey(from), end: entryKey(this.#tail.from) };
    for (const { key, value } of this.#pieces.heads.getRange(range)) {
      if (!take(openEntry(key.readUIntBE(0, 6), this.#pieces.complete(key, value)))) return false;
    }
    return true;
  }
}

const nothingSifted: Sifted = {};

function without(events: readonly PendingEvent[], indexes: readonly number[]): PendingEvent[] {
  const left = new Set(indexes);
  return events.filter((_, index) => !left.has(index));
}

function openEntry(number: number, stored: Buffer): LogEntry {
  const packed = stored.subarray(acceptedBytes);
  return {
    id: entryId(number),
    acceptedAt: stored.readUIntLE(0, 6),
    events: unpackEntry(packed),
    bytes: packed.length,
  };
}
