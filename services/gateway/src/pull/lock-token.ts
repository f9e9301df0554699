/**
 * Lock tokens: what a consumer shows to acknowledge, release, reject or renew what it received. One names the event's
 * place and the lease, and carries a code of authentication for the subscription, so that nothing but what was given out
 * reaches the store.
 */
import { createHash, createHmac } from 'node:crypto';
import { type Incarnation, limits } from '@gridpost/model';
import type { Lease, Lock } from './leases.js';

/** What the locks of one lease share, in turn: what a store can have given out, and nothing that looks like the separator. */
const sharedShape = /^(\d{1,6})~([0-9a-f-]{1,32})~([A-Za-z0-9._-]{1,64})~(\d{1,9})~(\d{1,16})~(\d{1,16})$/;
/** Of an event's index in its entry. */
const indexShape = /^(0|[1-9]\d{0,2})$/;
/** In base64url: 96 bits. */
const codeLength = 16;

/** A lease as its tokens have it. */
interface Given {
  readonly subscription: Incarnation;
  readonly lease: Lease;
  readonly shared: string;
  /** For each index one after the other. */
  readonly codes: string;
}

/**
 * A token is a code, the event's index, and what it shares with the others of its lease. Consumers receive and conclude
 * many of one lease together, so that what they share is made, or read, once and kept until another lease is looked at.
 */
export class LockTokens {
  readonly #key: string;
  #last: Given | undefined;

  constructor(rootKey: Buffer) {
    this.#key = createHmac('sha256', rootKey).update('lock tokens').digest('hex');
  }

  /** Of characters that JSON and URLs leave as they are; the same for the same lock. */
  tokenOf(subscription: Incarnation, { lease, index }: Lock): string {
    let given = this.#last;
    if (given?.lease !== lease || given.subscription !== subscription) {
      const { partition, entry, token, received, receivedAt, liveFrom } = lease;
      const shared = `${partition}~${entry}~${token}~${received}~${receivedAt}~${liveFrom}`;
      given = this.#give(subscription, lease, shared);
    }
    const { codes, shared } = given;
    return `${codes.slice(codeLength * index, codeLength * (index + 1))}${index}~${shared}`;
  }

  /**
   * The lock a token stands for; undefined if it was not given out for this subscription. Those of one lease that are asked
   * for one after the other have the same `lease`.
   */
  lockOf(subscription: Incarnation, token: string): Lock | undefined {
    const at = token.indexOf('~', codeLength);
    const text = token.slice(codeLength, at);
    const index = Number(text);
    if (at < 0 || !indexShape.test(text) || index >= limits.entryEventsMax) return undefined;
    let given = this.#last;
    if (!given || given.subscription !== subscription || !endsWith(token, at + 1, given.shared)) {
      const shared = token.slice(at + 1);
      const found = sharedShape.exec(shared);
      if (!found) return undefined;
      const [, partition, entry, name, received, receivedAt, liveFrom] = found as unknown as string[];
      const lease = {
        partition: Number(partition),
        entry: entry!,
        token: name!,
        received: Number(received),
        receivedAt: Number(receivedAt),
        liveFrom: Number(liveFrom),
      };
      given = this.#give(subscription, lease, shared);
    }
    return isCode(token, given.codes, codeLength * index) ? { lease: given.lease, index } : undefined;
  }

  /**
   * SHAKE128 of key and text, which unlike SHA-2 can be keyed by a prefix and gives as many bytes as are asked for
   * (FIPS 202, section 6.2, and appendix A.2).
   */
  #give(subscription: Incarnation, lease: Lease, shared: string): Given {
    const codes = createHash('shake128', { outputLength: (limits.entryEventsMax * codeLength * 3) / 4 })
      .update(`${this.#key}${subscription}\n${shared}`)
      .digest('base64url');
    this.#last = { subscription, lease, shared, codes };
    return this.#last;
  }
}

const endsWith = (token: string, at: number, shared: string): boolean =>
  token.length === at + shared.length && token.endsWith(shared);

/** Whether a token begins with the code at this place. Takes the same time wherever they differ. */
function isCode(token: string, codes: string, at: number): boolean {
  let difference = 0;
  for (let i = 0; i < codeLength; i++) difference |= token.charCodeAt(i) ^ codes.charCodeAt(at + i);
  return difference === 0;
}
