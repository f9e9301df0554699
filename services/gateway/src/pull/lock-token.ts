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

/** One lease: what its tokens share, as text and as it is meant, and their codes. */
interface Lease {
  readonly subscription: Incarnation;
  readonly shared: string;
  readonly of: Lock;
  /** For each index one after the other. */
  readonly codes: string;
}

/**
 * A token is a code, the event's index, and what it shares with the others of its lease. Consumers receive and conclude
 * many of one lease together, so that what they share is made, or read, once and kept until another lease is looked at.
 */
export class LockTokens {
  readonly #key: string;
  #last: Lease | undefined;

  constructor(rootKey: Buffer) {
    this.#key = createHmac('sha256', rootKey).update('lock tokens').digest('hex');
  }

  /** Of characters that JSON and URLs leave as they are; the same for the same lock. */
  tokenOf(subscription: Incarnation, lock: Lock): string {
    let last = this.#last;
    if (last?.subscription !== subscription || !isOfSameLease(last.of, lock)) {
      const { place, lease, received, receivedAt, liveFrom } = lock;
      const shared = `${place.partition}~${place.entry}~${lease}~${received}~${receivedAt}~${liveFrom}`;
      last = this.#keep(subscription, shared, lock);
    }
    const { index } = lock.place;
    return `${codeOf(last, index)}${index}~${last.shared}`;
  }

  /** The lock a token stands for; undefined if it was not given out for this subscription. */
  lockOf(subscription: Incarnation, token: string): Lock | undefined {
    const at = token.indexOf('~', codeLength);
    const text = token.slice(codeLength, at);
    if (at < 0 || !indexShape.test(text)) return undefined;
    const index = Number(text);
    if (index >= limits.entryEventsMax) return undefined;
    const shared = token.slice(at + 1);
    let last = this.#last;
    if (last?.shared !== shared || last.subscription !== subscription) {
      const found = sharedShape.exec(shared);
      if (!found) return undefined;
      const [, partition, entry, lease, received, receivedAt, liveFrom] = found as unknown as string[];
      last = this.#keep(subscription, shared, {
        place: { partition: Number(partition), entry: entry!, index },
        lease: lease!,
        received: Number(received),
        receivedAt: Number(receivedAt),
        liveFrom: Number(liveFrom),
      });
    }
    if (!sameCode(token, codeOf(last, index))) return undefined;
    const { place, lease, received, receivedAt, liveFrom } = last.of;
    const { partition, entry } = place;
    return { place: { partition, entry, index }, lease, received, receivedAt, liveFrom };
  }

  /**
   * SHAKE128 of key and text, which unlike SHA-2 can be keyed by a prefix and gives as many bytes as are asked for
   * (FIPS 202, section 6.2, and appendix A.2).
   */
  #keep(subscription: Incarnation, shared: string, of: Lock): Lease {
    const codes = createHash('shake128', { outputLength: (limits.entryEventsMax * codeLength * 3) / 4 })
      .update(`${this.#key}${subscription}\n${shared}`)
      .digest('base64url');
    this.#last = { subscription, shared, of, codes };
    return this.#last;
  }
}

function isOfSameLease(a: Lock, b: Lock): boolean {
  return (
    a.lease === b.lease &&
    a.place.entry === b.place.entry &&
    a.place.partition === b.place.partition &&
    a.received === b.received &&
    a.receivedAt === b.receivedAt &&
    a.liveFrom === b.liveFrom
  );
}

const codeOf = ({ codes }: Lease, index: number): string =>
  codes.slice(codeLength * index, codeLength * (index + 1));

/** Whether a token begins with this code. Takes the same time wherever they differ. */
function sameCode(token: string, code: string): boolean {
  let difference = 0;
  for (let i = 0; i < codeLength; i++) difference |= token.charCodeAt(i) ^ code.charCodeAt(i);
  return difference === 0;
}
