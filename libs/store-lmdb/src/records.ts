/** The records behind the keys of `layout.ts`, as objects and as bytes. */
import { type DeadLetterReason, deadLetterReasons } from '@gridpost/model';
import { type DeliveryState, packState, unpackState } from '@gridpost/store';

/** A delivery that is deferred or leased. */
export interface OpenRecord {
  readonly leased: boolean;
  /** Whether its event has never had another user, and its payload need not be searched for one. */
  readonly sole: boolean;
  /** Generation and instant under which it stands in `due`. */
  readonly generation: number;
  readonly dueAt: number;
  readonly acceptedAt: number;
  readonly frameBytes: number;
  /** Empty unless leased. */
  readonly token: string;
  readonly state: DeliveryState;
}

export interface DeadRecord {
  /** As of an open delivery. */
  readonly sole: boolean;
  readonly acceptedAt: number;
  readonly frameBytes: number;
  readonly reason: DeadLetterReason;
  readonly state: DeliveryState;
}

/** Flags, generation, due, acceptance, frame bytes, token length: then the token and the state as text. */
const openHead = 22;
const leasedFlag = 1;
/** Beside the number of a reason as well. */
const soleFlag = 0x80;

export function packOpen(record: OpenRecord): Buffer {
  const state = packState(record.state);
  const { token } = record;
  const packed = Buffer.allocUnsafe(openHead + token.length + Buffer.byteLength(state));
  packed[0] = (record.leased ? leasedFlag : 0) | (record.sole ? soleFlag : 0);
  packed.writeUInt32LE(record.generation, 1);
  packed.writeUIntLE(record.dueAt, 5, 6);
  packed.writeUIntLE(record.acceptedAt, 11, 6);
  packed.writeUInt32LE(record.frameBytes, 17);
  packed[21] = token.length;
  packed.write(token, openHead, 'latin1');
  packed.write(state, openHead + token.length);
  return packed;
}

export function unpackOpen(packed: Buffer): OpenRecord {
  const stateAt = openHead + packed[21]!;
  return {
    leased: (packed[0]! & leasedFlag) !== 0,
    sole: (packed[0]! & soleFlag) !== 0,
    generation: packed.readUInt32LE(1),
    dueAt: packed.readUIntLE(5, 6),
    acceptedAt: packed.readUIntLE(11, 6),
    frameBytes: packed.readUInt32LE(17),
    token: packed.toString('latin1', openHead, stateAt),
    // Not asked for where a lease ends well, as most do.
    get state() {
      return unpackState(packed.toString('utf8', stateAt));
    },
  };
}

/** Reason and flag, acceptance, frame bytes: then the state as text. */
const deadHead = 11;

export function packDead(record: DeadRecord): Buffer {
  const state = packState(record.state);
  const packed = Buffer.allocUnsafe(deadHead + Buffer.byteLength(state));
  packed[0] = deadLetterReasons.indexOf(record.reason) | (record.sole ? soleFlag : 0);
  packed.writeUIntLE(record.acceptedAt, 1, 6);
  packed.writeUInt32LE(record.frameBytes, 7);
  packed.write(state, deadHead);
  return packed;
}

export function unpackDead(packed: Buffer): DeadRecord {
  return {
    sole: (packed[0]! & soleFlag) !== 0,
    reason: deadLetterReasons[packed[0]! & ~soleFlag]!,
    acceptedAt: packed.readUIntLE(1, 6),
    frameBytes: packed.readUInt32LE(7),
    state: unpackState(packed.toString('utf8', deadHead)),
  };
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
