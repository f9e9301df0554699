/**
 * Lock tokens: what a consumer shows to acknowledge, release, reject or renew what it received. One names the event's
 * place and the lease, and carries a code of authentication for the subscription, so that nothing but what was given out
 * reaches the store.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Incarnation, Place } from '@gridpost/model';

export interface Lock {
  readonly place: Place;
  /** The lease's token in the store. */
  readonly lease: string;
  /** How often the event has been received, this time included. */
  readonly received: number;
  /** When this was, on the store's clock. */
  readonly receivedAt: number;
  /** Instant from which its time to live counts. */
  readonly liveFrom: number;
}

/** The members in turn: what a store can have given out, and nothing that looks like the separator. */
const shape =
  /^(\d{1,6})\/([0-9a-f-]{1,32})\/(\d{1,4})\/([A-Za-z0-9._-]{1,64})\/(\d{1,9})\/(\d{1,16})\/(\d{1,16})$/;
const codeBytes = 16;

export class LockTokens {
  readonly #rootKey: Buffer;

  constructor(rootKey: Buffer) {
    this.#rootKey = rootKey;
  }

  /** Safe in JSON and in URLs; the same for the same lock. */
  tokenOf(subscription: Incarnation, { place, lease, received, receivedAt, liveFrom }: Lock): string {
    const { partition, entry, index } = place;
    const text = [partition, entry, index, lease, received, receivedAt, liveFrom].join('/');
    return Buffer.concat([this.#codeOf(subscription, text), Buffer.from(text, 'latin1')]).toString(
      'base64url',
    );
  }

  /** The lock a token stands for; undefined if it was not given out for this subscription. */
  lockOf(subscription: Incarnation, token: string): Lock | undefined {
    const bytes = Buffer.from(token, 'base64url');
    const text = bytes.toString('latin1', codeBytes);
    const found = shape.exec(text);
    if (!found) return undefined;
    if (!timingSafeEqual(bytes.subarray(0, codeBytes), this.#codeOf(subscription, text))) return undefined;
    const [, partition, entry, index, lease, received, receivedAt, liveFrom] = found as unknown as string[];
    return {
      place: { partition: Number(partition), entry: entry!, index: Number(index) },
      lease: lease!,
      received: Number(received),
      receivedAt: Number(receivedAt),
      liveFrom: Number(liveFrom),
    };
  }

  #codeOf(subscription: Incarnation, text: string): Buffer {
    return createHmac('sha256', this.#rootKey)
      .update(`lock/${subscription}\n${text}`)
      .digest()
      .subarray(0, codeBytes);
  }
}
