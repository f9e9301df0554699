/**
 * The two access keys of each topic. They are derived, not stored: whoever reads a dump of the store finds none, and
 * regenerating one is an increment. Who may do what with which credential is `auth.ts`'s business.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { KeyName, Topic } from '@gridpost/model';

/** SHA-256. Secrets are compared by digest: equal lengths, and no secret in a heap dump of the cache. */
export function digestOf(secret: string | Buffer): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Whether two secrets are the same. Takes the same time wherever they differ. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digestOf(a), digestOf(b));
}

export class TopicKeys {
  readonly #rootKey: Buffer;
  /** Digests by the topic's document: a change of the topic is a new object, so nothing here can be stale. */
  readonly #digests = new WeakMap<Topic, readonly [Buffer, Buffer]>();

  constructor(rootKey: Buffer) {
    this.#rootKey = rootKey;
  }

  /** The keys as they are given to users: 44 characters of base64, 256 bits each. */
  keysOf(topic: Topic): Record<KeyName, string> {
    return { key1: this.#derive(topic, 'key1'), key2: this.#derive(topic, 'key2') };
  }

  /** Whether `presented` is one of the topic's keys. Takes the same time whichever it is, and if it is none. */
  isKeyOf(topic: Topic, presented: string): boolean {
    let digests = this.#digests.get(topic);
    if (!digests) {
      const { key1, key2 } = this.keysOf(topic);
      digests = [digestOf(key1), digestOf(key2)];
      this.#digests.set(topic, digests);
    }
    const digest = digestOf(presented);
    const first = timingSafeEqual(digest, digests[0]);
    const second = timingSafeEqual(digest, digests[1]);
    return first || second;
  }

  /**
   * Whether `mac` is the HMAC-SHA256 of `text` (latin1) under one of the topic's keys, of which Event Grid's clients
   * decode the base64 first. Takes the same time whichever it is, and if it is none.
   */
  isSignedBy(topic: Topic, text: string, mac: Buffer): boolean {
    const { key1, key2 } = this.keysOf(topic);
    const first = timingSafeEqual(mac, macOf(key1, text));
    const second = timingSafeEqual(mac, macOf(key2, text));
    return first || second;
  }

  #derive({ incarnation, keys }: Topic, name: KeyName): string {
    return createHmac('sha256', this.#rootKey)
      .update(`topic-key/${incarnation}/${name}/${keys[name]}`)
      .digest('base64');
  }
}

function macOf(key: string, text: string): Buffer {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(text, 'latin1').digest();
}
