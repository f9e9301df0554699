/** The records behind the keys of `layout.ts`, as objects and as bytes. */
import { type DeadLetterReason, deadLetterReasons } from '@gridpost/model';
import { type DeliveryState, packState, unpackState } from '@gridpost/store';

/** A delivery that is deferred or leased. */
export interface OpenRecord {
  readonly leased: boolean;
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
  readonly acceptedAt: number;
  readonly frameBytes: number;
  readonly reason: DeadLetterReason;
  readonly state: DeliveryState;
}

/** Flag, generation, due, acceptance, frame bytes, token length: then the token and the state as text. */
const openHead = 22;

export function packOpen(record: OpenRecord): Buffer {
  const state = packState(record.state);
  const { token } = record;
  const packed = Buffer.allocUnsafe(openHead + token.length + Buffer.byteLength(state));
  packed[0] = record.leased ? 1 : 0;
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
    leased: packed[0] === 1,
    generation: packed.readUInt32LE(1),
    dueAt: packed.readUIntLE(5, 6),
    acceptedAt: packed.readUIntLE(11, 6),
    frameBytes: packed.readUInt32LE(17),
    token: packed.toString('latin1', openHead, stateAt),
    state: unpackState(packed.toString('utf8', stateAt)),
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

/** What a subscription holds, and how its deliveries are to be found. */
export interface LineRecord {
  /** Short number that stands for the subscription in keys; never given to another. */
  readonly number: number;
  /** Deliveries of an older generation are due since `hastenedAt`, if they are not leased. */
  readonly generation: number;
  readonly hastenedAt: number;
  readonly deferred: number;
  readonly deferredBytes: number;
  readonly dead: number;
  readonly deadBytes: number;
}

const lineBytes = 46;

export function packLine(line: LineRecord): Buffer {
  const packed = Buffer.allocUnsafe(lineBytes);
  packed.writeUInt32LE(line.number, 0);
  packed.writeUInt32LE(line.generation, 4);
  packed.writeUIntLE(line.hastenedAt, 8, 6);
  packed.writeDoubleLE(line.deferred, 14);
  packed.writeDoubleLE(line.deferredBytes, 22);
  packed.writeDoubleLE(line.dead, 30);
  packed.writeDoubleLE(line.deadBytes, 38);
  return packed;
}

export function unpackLine(packed: Buffer): LineRecord {
  return {
    number: packed.readUInt32LE(0),
    generation: packed.readUInt32LE(4),
    hastenedAt: packed.readUIntLE(8, 6),
    deferred: packed.readDoubleLE(14),
    deferredBytes: packed.readDoubleLE(22),
    dead: packed.readDoubleLE(30),
    deadBytes: packed.readDoubleLE(38),
  };
}
