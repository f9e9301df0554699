/** The records behind the keys of `layout.ts`, as objects and as bytes. */
import { type DeadLetterReason, deadLetterReasons } from '@gridpost/model';
import { type DeliveryState, packState, unpackState } from '@gridpost/store';

/**
 * One delivery of a run, in 32 bits: the bytes of its event's frame, of which there are fewer than 2²⁴ (`limits`), and
 * its event's index.
 */
export const memberOf = (index: number, frameBytes: number): number => frameBytes * 256 + index;
export const indexOf = (member: number): number => member & 255;
export const frameBytesOf = (member: number): number => member >>> 8;

/** Deliveries that are deferred or leased, alike in everything but their event: of one entry, for one line. */
export interface RunRecord {
  readonly leased: boolean;
  /** Generation and instant under which they stand in `due`. */
  readonly generation: number;
  readonly dueAt: number;
  readonly acceptedAt: number;
  /** In the order in which they are given out. */
  readonly members: number[];
  /** Empty unless leased. */
  readonly token: string;
  /** As text. */
  readonly state: string;
}

export interface DeadRecord {
  readonly acceptedAt: number;
  readonly frameBytes: number;
  readonly reason: DeadLetterReason;
  readonly state: DeliveryState;
}

/** Leased or not, generation, due, acceptance, members, token length: then members, token, and the state as text. */
const runHead = 19;
const memberBytes = 4;

export function packRun({ leased, generation, dueAt, acceptedAt, members, token, state }: RunRecord): Buffer {
  const tokenAt = runHead + memberBytes * members.length;
  const stateAt = tokenAt + token.length;
  const packed = Buffer.allocUnsafe(stateAt + Buffer.byteLength(state));
  packed[0] = leased ? 1 : 0;
  packed.writeUInt32LE(generation, 1);
  packed.writeUIntLE(dueAt, 5, 6);
  packed.writeUIntLE(acceptedAt, 11, 6);
  packed[17] = members.length;
  packed[18] = token.length;
  let cursor = runHead;
  for (const member of members) cursor = packed.writeUInt32LE(member, cursor);
  packed.write(token, tokenAt, 'latin1');
  packed.write(state, stateAt);
  return packed;
}

export function unpackRun(packed: Buffer): RunRecord {
  const tokenAt = runHead + memberBytes * packed[17]!;
  const stateAt = tokenAt + packed[18]!;
  const members: number[] = [];
  for (let cursor = runHead; cursor < tokenAt; cursor += memberBytes) {
    members.push(packed.readUInt32LE(cursor));
  }
  return {
    leased: packed[0] === 1,
    generation: packed.readUInt32LE(1),
    dueAt: packed.readUIntLE(5, 6),
    acceptedAt: packed.readUIntLE(11, 6),
    members,
    token: packed.toString('latin1', tokenAt, stateAt),
    state: packed.toString('utf8', stateAt),
  };
}

/** Reason, acceptance, frame bytes: then the state as text. */
const deadHead = 11;

export function packDead(record: DeadRecord): Buffer {
  const state = packState(record.state);
  const packed = Buffer.allocUnsafe(deadHead + Buffer.byteLength(state));
  packed[0] = deadLetterReasons.indexOf(record.reason);
  packed.writeUIntLE(record.acceptedAt, 1, 6);
  packed.writeUInt32LE(record.frameBytes, 7);
  packed.write(state, deadHead);
  return packed;
}

export function unpackDead(packed: Buffer): DeadRecord {
  return {
    reason: deadLetterReasons[packed[0]!]!,
    acceptedAt: packed.readUIntLE(1, 6),
    frameBytes: packed.readUInt32LE(7),
    state: unpackState(packed.toString('utf8', deadHead)),
  };
}

/** A chunk of an entry's events. */
export interface ChunkRecord {
  /** Index of its last event. */
  readonly last: number;
  readonly bytes: number;
  /** Deliveries that are open or dead, over all its events and all lines. */
  users: number;
}

const chunkBytes = 9;

export function packChunks(chunks: readonly ChunkRecord[]): Buffer {
  const packed = Buffer.allocUnsafe(chunkBytes * chunks.length);
  let cursor = 0;
  for (const { last, bytes, users } of chunks) {
    packed[cursor] = last;
    packed.writeUInt32LE(bytes, cursor + 1);
    packed.writeUInt32LE(users, cursor + 5);
    cursor += chunkBytes;
  }
  return packed;
}

export function unpackChunks(packed: Buffer): ChunkRecord[] {
  const chunks: ChunkRecord[] = [];
  for (let cursor = 0; cursor < packed.length; cursor += chunkBytes) {
    const bytes = packed.readUInt32LE(cursor + 1);
    chunks.push({ last: packed[cursor]!, bytes, users: packed.readUInt32LE(cursor + 5) });
  }
  return chunks;
}

/** What a subscription holds, and how its deliveries are to be found. */
export interface LineRecord {
  /** Short number that stands for the subscription in keys; never given to another. */
  readonly number: number;
  /** That of the deliveries deferred or leased from now on. Each hastening begins one. */
  readonly generation: number;
  /** When the last generations before it ended: what is deferred of one is due since then. */
  readonly hastenings: readonly number[];
  readonly deferred: number;
  readonly deferredBytes: number;
  readonly dead: number;
  readonly deadBytes: number;
}

/** Number, generation, four counters: then the hastenings, 48 bits each. */
const lineHead = 40;

export function packLine(line: LineRecord): Buffer {
  const packed = Buffer.allocUnsafe(lineHead + 6 * line.hastenings.length);
  packed.writeUInt32LE(line.number, 0);
  packed.writeUInt32LE(line.generation, 4);
  packed.writeDoubleLE(line.deferred, 8);
  packed.writeDoubleLE(line.deferredBytes, 16);
  packed.writeDoubleLE(line.dead, 24);
  packed.writeDoubleLE(line.deadBytes, 32);
  for (const [index, at] of line.hastenings.entries()) packed.writeUIntLE(at, lineHead + 6 * index, 6);
  return packed;
}

export function unpackLine(packed: Buffer): LineRecord {
  const hastenings: number[] = [];
  for (let at = lineHead; at < packed.length; at += 6) hastenings.push(packed.readUIntLE(at, 6));
  return {
    number: packed.readUInt32LE(0),
    generation: packed.readUInt32LE(4),
    hastenings,
    deferred: packed.readDoubleLE(8),
    deferredBytes: packed.readDoubleLE(16),
    dead: packed.readDoubleLE(24),
    deadBytes: packed.readDoubleLE(32),
  };
}
