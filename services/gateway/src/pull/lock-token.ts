/**
 * Lock tokens: what a consumer shows to acknowledge, release, reject or renew what it received. One names the event's
 * place and the lease, and carries a code of authentication for the subscription, so that nothing but what was given out
 * reaches the store.
 */
import { createHash, createHmac } from 'node:crypto';
import { type Incarnation, limits, type Place } from '@gridpost/model';

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

/** What the locks of one lease share, in turn: what a store can have given out, and nothing that looks like the separator. */
const sharedShape = /^(\d{1,6})~([0-9a-f-]{1,32})~([A-Za-z0-9._-]{1,64})~(\d{1,9})~(\d{1,16})~(\d{1,16})$/;
/** Of an event's index in its entry. */
const indexShape = /^(0|[1-9]\d{0,2})$/;
/** In base64url: 96 bits. */
const codeLength = 16;

/** The codes of one lease, and what it is. */
interface Lease {
  readonly subscription: Incarnation;
  readonly shared: string;
  /** For each index one after the other. */
  readonly codes: string;
}

/**
 * A token is a code, the event's index, and what it shares with the others of its lease. Consumers receive and conclude
 * many of one lease together, so that their codes are made together and kept until another lease is looked at.
 */
export class LockTokens {
  readonly #key: string;
  #last: Lease = { subscription: '', shared: '', codes: '' };

  constructor(rootKey: Buffer) {
    this.#key = createHmac('sha256', rootKey).update('lock tokens').digest('hex');
  }

  /** Of characters that JSON and URLs leave as they are; the same for the same lock. */
  tokenOf(subscription: Incarnation, { place, lease, received, receivedAt, liveFrom }: Lock): string {
    const { partition, entry, index } = place;
    const shared = `${partition}~${entry}~${lease}~${received}~${receivedAt}~${liveFrom}`;
    return `${this.#codeOf(subscription, shared, index)}${index}~${shared}`;
  }

  /** The lock a token stands for; undefined if it was not given out for this subscription. */
  lockOf(subscription: Incarnation, token: string): Lock | undefined {
    const at = token.indexOf('~', codeLength);
    const text = token.slice(codeLength, at);
    const shared = token.slice(at + 1);
    if (at < 0 || !indexShape.test(text)) return undefined;
    const found = sharedShape.exec(shared);
    const index = Number(text);
    if (!found || index >= limits.entryEventsMax) return undefined;
    if (!sameCode(token, this.#codeOf(subscription, shared, index))) return undefined;
    const [, partition, entry, lease, received, receivedAt, liveFrom] = found as unknown as string[];
    return {
      place: { partition: Number(partition), entry: entry!, index },
      lease: lease!,
      received: Number(received),
      receivedAt: Number(receivedAt),
      liveFrom: Number(liveFrom),
    };
  }

  /**
   * SHAKE128 of key and text, which unlike SHA-2 can be keyed by a prefix and gives as many bytes as are asked for
   * (FIPS 202, section 6.2, and appendix A.2).
   */
  #codeOf(subscription: Incarnation, shared: string, index: number): string {
    let last = this.#last;
    if (last.shared !== shared || last.subscription !== subscription) {
      const codes = createHash('shake128', { outputLength: (limits.entryEventsMax * codeLength * 3) / 4 })
        .update(`${this.#key}${subscription}\n${shared}`)
        .digest('base64url');
      this.#last = last = { subscription, shared, codes };
    }
    return last.codes.slice(codeLength * index, codeLength * (index + 1));
  }
}

/** Whether a token begins with this code. Takes the same time wherever they differ. */
function sameCode(token: string, code: string): boolean {
  let difference = 0;
  for (let i = 0; i < codeLength; i++) difference |= token.charCodeAt(i) ^ code.charCodeAt(i);
  return difference === 0;
}
