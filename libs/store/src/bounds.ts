/**
 * The arithmetic of the bounds in `StoreLimits`, applied by every adapter in the same way, so that a deployment that
 * moves from one store to another keeps its quotas.
 */
import type { PendingEvent, StoreLimits } from './port.js';

/** `append` is refused from this share of `bytesMax` on; the rest is settling's. */
const appendShare = 0.95;
/** Share of a subscription's quota that its deferred deliveries may hold: the rest is sure to be there for dead letters. */
const deferredShare = 0.8;
/**
 * What a delivery is charged beyond its event's frame: its record, index entries and keys, rounded up over all adapters.
 * A constant, since a charge that followed the state's size would have to be rewritten at each attempt.
 */
const deliveryOverheadBytes = 256;

/** Changes of resources that a store keeps at least; a reader further behind is given everything. */
export const changeLogMax = 1_000;

/**
 * A page of dead letters or of history, and what one ask for due deliveries brings, ends with the frame by which it exceeds
 * so many bytes, and says how to go on: while a store puts an answer together, nobody else is served.
 */
export const answerBytesMax = 4 * 2 ** 20;

/** What an identity that is remembered for duplicate detection is taken to cost, rounded up over all adapters. */
export const identityBytes = 128;

/** Outlived identities that an append forgets at most beyond twice as many as it remembers. */
export const identityStepMax = 100;

/** What a block of the attempt log is charged beyond its bytes, rounded up over all adapters. */
const blockOverheadBytes = 256;
/** Share of `bytesMax` that the attempt logs may hold at most: they are not what the store is for. */
const attemptShare = 1 / 8;
/** Blocks of the attempt log that one step lets go of at most. */
export const attemptShedMax = 64;
/**
 * An attempt log that is over its quota gets so much smaller than that, as a part of it: so a full one lets go of many blocks
 * now and then, and not of one in every step.
 */
export const attemptSlack = 1 / 64;

/** Bytes of a record in a journal. */
export const journalRecordBytesMax = 4_096;

/** Bytes from which on `append` is refused with `StoreFull`. */
export function appendBytesMax(limits: StoreLimits): number {
  return Math.floor(limits.bytesMax * appendShare);
}

/** What a deferred, leased or dead-lettered delivery counts in `Usage` and against its subscription's quota. */
export function chargedBytes(frameBytes: number): number {
  return frameBytes + deliveryOverheadBytes;
}

/** What an append adds to the store at most, frames and identities. */
export function appendedBytes(events: readonly PendingEvent[]): number {
  let bytes = 0;
  for (const { frame, identity } of events) bytes += frame.length + (identity ? identityBytes : 0);
  return bytes;
}

/** The quota of one subscription in one partition, in charged bytes. */
export interface Quota {
  /** Of deferred and leased deliveries together; while they hold more, the oldest deferred become dead letters. */
  readonly deferredBytesMax: number;
  /** Of everything; while it is more, the oldest dead letters are let go. */
  readonly bytesMax: number;
}

export function quotaOf(limits: StoreLimits, partitions: number): Quota {
  const bytesMax = Math.floor((limits.bytesMax * limits.subscriptionShare) / partitions);
  return { deferredBytesMax: Math.floor(bytesMax * deferredShare), bytesMax };
}

/** What a block counts against the attempt log's bound. */
export function chargedBlockBytes(blockBytes: number): number {
  return blockBytes + blockOverheadBytes;
}

/** Down to how many charged bytes an attempt log goes that is over its quota. */
export function attemptBytesKept(quota: number): number {
  return quota - Math.floor(quota * attemptSlack);
}

/** What the attempt log of one partition may hold, in charged bytes. */
export function attemptQuotaOf({ bytesMax, attemptLogBytesMax }: StoreLimits, partitions: number): number {
  const share = bytesMax * attemptShare;
  return Math.floor(Math.min(attemptLogBytesMax ?? share, share) / partitions);
}
