/**
 * What stands where: the databases of the environment, the forms of their keys and the records behind them. Every byte
 * that outlives the process is described here and in `DESIGN.md`; what is done with it is the business of the files
 * that own the transitions.
 *
 * Numbers in keys are big-endian, so that LMDB's bytewise order is theirs. An entry's number takes 48 bits, an instant
 * in milliseconds as well, an event's index one byte (an entry has at most 128 events).
 */
import type { EntryId } from '@gridpost/model';
import { type AttemptKind, attemptKinds } from '@gridpost/store';
import type { Database, RootDatabase } from 'lmdb';

/** Raised when a record or key changes its meaning; a store of another format is refused. */
export const formatVersion = 2;

export type Table = Database<Buffer, Buffer>;

export interface Tables {
  /** Names of what the store as a whole remembers (`metaKey`) → JSON. */
  readonly meta: Table;
  /** entry → acceptance (48 bits), packed entry. */
  readonly log: Table;
  /** entry, index → epochs that began it (u32), the last of them (48 bits). */
  readonly notes: Table;
  /** entry → its chunks and their users; entry, last index of a chunk → the events of the chunk (`payloads.ts`). */
  readonly payloads: Table;
  /** line, entry, last index of a run → the run (`runs.ts`). */
  readonly open: Table;
  /** line, generation, due instant, entry, last index of a run → 1 if leased, 0 if deferred. */
  readonly due: Table;
  /** line, instant of dead-lettering, entry, index → dead record. */
  readonly dead: Table;
  /** line, entry, index → instant of dead-lettering (48 bits) of what is dead now. */
  readonly places: Table;
  /** Incarnation of a subscription → line record. */
  readonly lines: Table;
  /** topic (length byte, latin1), entry → acceptance, then index, length (u32) and frame of each event. */
  readonly history: Table;
  /** topic (as in `history`), identity of an event → its acceptance (48 bits, big-endian). */
  readonly identities: Table;
  /** topic → number of its identities (48 bits, big-endian); topic, acceptance, identity → nothing. */
  readonly identityAges: Table;
  /** kind, instant, number (48 bits), bytes of the block (u32) → block of the attempt log. */
  readonly attempts: Table;
  /** What of `log`, `payloads`, `history` and `attempts` does not fit one page: table, key, piece (u16) → bytes (`pieces.ts`). */
  readonly rest: Table;
  /** Path → JSON of etag and value. */
  readonly resources: Table;
  /** Version (48 bits) → path. */
  readonly changes: Table;
  /** Journal (length byte, latin1), number (48 bits) of a record, without gaps → when it was written (48 bits), its text. */
  readonly journals: Table;
}

export const tableNames = [
  'meta',
  'log',
  'notes',
  'payloads',
  'open',
  'due',
  'dead',
  'places',
  'lines',
  'history',
  'identities',
  'identityAges',
  'attempts',
  'rest',
  'resources',
  'changes',
  'journals',
] as const satisfies readonly (keyof Tables)[];

export function openTables(root: RootDatabase<Buffer, Buffer>): Tables {
  const options = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
  const tables = tableNames.map((name) => [name, root.openDB<Buffer, Buffer>({ name, ...options })]);
  return Object.fromEntries(tables) as Tables;
}

/** Keys of `meta`. */
export const metaKey = {
  /** `{ format, partitions }`, written once. */
  store: Buffer.from('store'),
  /** `{ epoch, released, worker }` of the partition's last owner. */
  owner: Buffer.from('owner'),
  /** First entry number that no process has reserved. */
  entries: Buffer.from('entries'),
  /** First line number never given to a subscription. */
  lines: Buffer.from('lines'),
  /** Of each kind of attempts, how many blocks were let go of, and from which instant on all are held. */
  attempts: Buffer.from('attempts'),
  /** Written to see whether it can be. */
  probe: Buffer.from('probe'),
} as const;

export const placeBytes = 7;

export const entryId = (entry: number): EntryId => entry.toString(16);
/** NaN where the text is no id of ours: there is no such entry then. */
export const entryNumber = (id: EntryId): number =>
  /^[0-9a-f]{1,12}$/.test(id) ? Number.parseInt(id, 16) : NaN;

export function entryKey(entry: number): Buffer {
  const key = Buffer.allocUnsafe(6);
  key.writeUIntBE(entry, 0, 6);
  return key;
}

export function placeKey(entry: number, index: number): Buffer {
  const key = Buffer.allocUnsafe(placeBytes);
  key.writeUIntBE(entry, 0, 6);
  key[6] = index;
  return key;
}

export function lineKey(line: number): Buffer {
  const key = Buffer.allocUnsafe(4);
  key.writeUInt32BE(line, 0);
  return key;
}

/** Of `open`, by the last index of the run, and of `places`. */
export function openKey(line: number, entry: number, index: number): Buffer {
  const key = Buffer.allocUnsafe(4 + placeBytes);
  key.writeUInt32BE(line, 0);
  key.writeUIntBE(entry, 4, 6);
  key[10] = index;
  return key;
}

export const readOpenKey = (key: Buffer): { entry: number; last: number } => ({
  entry: key.readUIntBE(4, 6),
  last: key[10]!,
});

export function dueKey(line: number, generation: number, dueAt: number, entry: number, last: number): Buffer {
  const key = Buffer.allocUnsafe(14 + placeBytes);
  key.writeUInt32BE(line, 0);
  key.writeUInt32BE(generation, 4);
  key.writeUIntBE(dueAt, 8, 6);
  key.writeUIntBE(entry, 14, 6);
  key[20] = last;
  return key;
}

/** What a key of `due` says. */
export interface DuePlace {
  readonly generation: number;
  readonly dueAt: number;
  readonly entry: number;
  readonly last: number;
}

export function readDueKey(key: Buffer): DuePlace {
  return {
    generation: key.readUInt32BE(4),
    dueAt: key.readUIntBE(8, 6),
    entry: key.readUIntBE(14, 6),
    last: key[20]!,
  };
}

export function deadKey(line: number, deadAt: number, entry: number, index: number): Buffer {
  const key = Buffer.allocUnsafe(10 + placeBytes);
  key.writeUInt32BE(line, 0);
  key.writeUIntBE(deadAt, 4, 6);
  key.writeUIntBE(entry, 10, 6);
  key[16] = index;
  return key;
}

export interface DeadPlace {
  readonly deadAt: number;
  readonly entry: number;
  readonly index: number;
}

export function readDeadKey(key: Buffer): DeadPlace {
  return { deadAt: key.readUIntBE(4, 6), entry: key.readUIntBE(10, 6), index: key[16]! };
}

/** All keys that begin with a line's number: from this one on, before that of the next line. */
export const lineRange = (line: number): { start: Buffer; end: Buffer } => ({
  start: lineKey(line),
  end: lineKey(line + 1),
});

/** What all keys of a kind begin with; with 1 added, what comes after them. */
export const attemptKindKey = (kind: AttemptKind, added = 0): Buffer =>
  Buffer.from([attemptKinds.indexOf(kind) + added]);

/** The size is left out of a key that only says from where on. */
export function attemptKey(kind: AttemptKind, at: number, number: number, bytes?: number): Buffer {
  const key = Buffer.allocUnsafe(bytes === undefined ? 13 : 17);
  key[0] = attemptKinds.indexOf(kind);
  key.writeUIntBE(at, 1, 6);
  key.writeUIntBE(number, 7, 6);
  if (bytes !== undefined) key.writeUInt32BE(bytes, 13);
  return key;
}

export function readAttemptKey(key: Buffer): { at: number; number: number; bytes: number } {
  return { at: key.readUIntBE(1, 6), number: key.readUIntBE(7, 6), bytes: key.readUInt32BE(13) };
}

export function topicKey(topic: string, entry?: number): Buffer {
  const key = Buffer.allocUnsafe(1 + topic.length + (entry === undefined ? 0 : 6));
  key[0] = topic.length;
  key.write(topic, 1, 'latin1');
  if (entry !== undefined) key.writeUIntBE(entry, 1 + topic.length, 6);
  return key;
}

/** The first key behind all that begin with these bytes. */
export function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    if (end[at]! < 255) {
      end[at]!++;
      return end.subarray(0, at + 1);
    }
  }
  throw new RangeError('a key of nothing but 0xff has nothing behind it');
}
