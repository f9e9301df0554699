/**
 * The two access keys of each topic, and of each subscription that is received from. They are derived, not stored:
 * whoever reads a dump of the store finds none, and regenerating one is an increment. Who may do what with which
 * credential is `auth.ts`'s business.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Incarnation, KeyName, Subscription, Topic } from '@gridpost/model';

/** SHA-256. Secrets are compared by digest: equal lengths, and no secret in a heap dump of the cache. */
export function digestOf(secret: string | Buffer): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Whether two secrets are the same. Takes the same time wherever they differ. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digestOf(a), digestOf(b));
}

/** Whether a digest, or a MAC, is one of two of its length. Takes the same time whichever it is, and if it is none. */
export function isEither(digest: Buffer, [a, b]: readonly [Buffer, Buffer]): boolean {
  const first = timingSafeEqual(digest, a);
  const second = timingSafeEqual(digest, b);
  return first || second;
}

/** What has keys: its identity, and the generation of each. */
interface Holder {
  readonly incarnation: Incarnation;
  readonly keys?: Readonly<Record<KeyName, number>>;
}

class DerivedKeys<T extends Holder> {
  readonly #rootKey: Buffer;
  readonly #purpose: string;
  readonly #textOf: (secret: Buffer, holder: T) => string;
  /** Digests by the holder's document: a change of it is a new object, so nothing here can be stale. */
  readonly #digests = new WeakMap<T, readonly [Buffer, Buffer]>();

  /** `purpose` tells the keys of one kind of holder from those of another. */
  constructor(rootKey: Buffer, purpose: string, textOf: (secret: Buffer, holder: T) => string) {
    this.#rootKey = rootKey;
    this.#purpose = purpose;
    this.#textOf = textOf;
  }

  /** The keys as they are given to users, 256 bits each. */
  keysOf(holder: T): Record<KeyName, string> {
    return { key1: this.#derive(holder, 'key1'), key2: this.#derive(holder, 'key2') };
  }

  /** Whether `presented` is one of the holder's keys. Takes the same time whichever it is, and if it is none. */
  isKeyOf(holder: T, presented: string): boolean {
    let digests = this.#digests.get(holder);
    if (!digests) {
      const { key1, key2 } = this.keysOf(holder);
      digests = [digestOf(key1), digestOf(key2)];
      this.#digests.set(holder, digests);
    }
    return isEither(digestOf(presented), digests);
  }

  #derive(holder: T, name: KeyName): string {
    const generation = holder.keys?.[name] ?? 1;
    const secret = createHmac('sha256', this.#rootKey)
      .update(`${this.#purpose}/${holder.incarnation}/${name}/${generation}`)
      .digest();
    return this.#textOf(secret, holder);
  }
}

/** Topics' keys are 44 characters of base64, which Event Grid's clients decode to sign with them. */
export class TopicKeys extends DerivedKeys<Topic> {
  constructor(rootKey: Buffer) {
    super(rootKey, 'topic-key', (secret) => secret.toString('base64'));
  }

  /**
   * Whether `mac` is the HMAC-SHA256 of `text` (latin1) under one of the topic's keys, of which Event Grid's clients
   * decode the base64 first. Takes the same time whichever it is, and if it is none.
   */
  isSignedBy(topic: Topic, text: string, mac: Buffer): boolean {
    const { key1, key2 } = this.keysOf(topic);
    return isEither(mac, [macOf(key1, text), macOf(key2, text)]);
  }
}

/**
 * Subscriptions' keys name the life of the subscription that they are of, `gps_{incarnation}_{secret}`, so that one that
 * is used elsewhere is known for what it is, whatever is there.
 */
export class SubscriptionKeys extends DerivedKeys<Subscription> {
  constructor(rootKey: Buffer) {
    super(
      rootKey,
      'subscription-key',
      (secret, { incarnation }) => `gps_${incarnation}_${secret.toString('base64url')}`,
    );
  }
}

/** Of the subscription whose key this claims to be; undefined for what is none. */
export function subscriptionOfKey(key: string): Incarnation | undefined {
  return /^gps_([0-9a-z]{16})_[\w-]{43}$/.exec(key)?.[1];
}

function macOf(key: string, text: string): Buffer {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'latin1').digest();
}
