/**
 * Values sealed with AES-256-GCM (NIST SP 800-38D) under one of several keys: the first seals, all open. What is sealed
 * names its key, and is bound to the place that it stands at, so that it cannot be moved to another.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { isObject } from '@gridpost/model';

/** As it stands in a document: `{key id}.{base64url of nonce, ciphertext and tag}`. Nothing else that stands at such places has this member. */
export interface Sealed {
  readonly sealed: string;
}

interface Key {
  /** Eight hexadecimal digits. Derived as the key is, and tells nothing about it. */
  readonly id: string;
  readonly key: Buffer;
}

const cipher = 'aes-256-gcm';
/** Of the nonce and the tag (SP 800-38D §8.2.2: random nonces of 96 bits, for up to 2^32 values under one key). */
const nonceBytes = 12;
const tagBytes = 16;

/** Why a value cannot be opened. The message names the place and the key, and neither value nor key. */
export class NotOpened extends Error {}

export class Keyring {
  readonly #keys: readonly Key[];

  /** Secrets of high entropy, of any length. Without any, values stay as they are. */
  constructor(secrets: readonly (string | Buffer)[]) {
    this.#keys = secrets.map((secret) => ({
      id: derived(secret, 'gridpost/secrets-at-rest/id', 4).toString('hex'),
      key: derived(secret, 'gridpost/secrets-at-rest/key', 32),
    }));
  }

  /** Any value that JSON can say. `place` has to be given again to open it. */
  seal(value: unknown, place: string): unknown {
    const [first] = this.#keys;
    if (!first) return value;
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, first.key, nonce).setAAD(Buffer.from(place));
    const text = Buffer.concat([sealing.update(JSON.stringify(value), 'utf8'), sealing.final()]);
    const bytes = Buffer.concat([nonce, text, sealing.getAuthTag()]);
    return { sealed: `${first.id}.${bytes.toString('base64url')}` } satisfies Sealed;
  }

  /** What was sealed; what is not sealed is what it is. Throws `NotOpened`. */
  open(value: unknown, place: string): unknown {
    if (!isSealed(value)) return value;
    const [id, text = ''] = value.sealed.split('.');
    const key = this.#keys.find((each) => each.id === id)?.key;
    if (!key)
      throw new NotOpened(
        `${place.replace('\n', ' at ')} is sealed with the key ${id}, which is not among those of GRIDPOST_SECRETS_KEY or derived from the root key`,
      );
    try {
      const bytes = Buffer.from(text, 'base64url');
      const opening = createDecipheriv(cipher, key, bytes.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(-tagBytes));
      const opened = Buffer.concat([opening.update(bytes.subarray(nonceBytes, -tagBytes)), opening.final()]);
      return JSON.parse(opened.toString());
    } catch {
      throw new NotOpened(
        `${place.replace('\n', ' at ')} was changed since it was sealed with the key ${id}, or was sealed for another place`,
      );
    }
  }

  /** Whether the value would be sealed otherwise now: it is plain, or of a key that is not the first. */
  isStale(value: unknown): boolean {
    const [first] = this.#keys;
    return first !== undefined && !(isSealed(value) && value.sealed.startsWith(`${first.id}.`));
  }
}

function isSealed(value: unknown): value is Sealed {
  return isObject(value) && typeof value.sealed === 'string';
}

/** HKDF-SHA256 (RFC 5869). */
function derived(secret: string | Buffer, info: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', info, bytes));
}
