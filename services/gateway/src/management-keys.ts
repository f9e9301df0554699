/**
 * Secrets of the management API's named keys: `gpk_{name}_{256 random bits}`. A secret is shown when it is made, and
 * only its SHA-256 is kept. That it begins with its key's name lets a key be found without trying all of them, and a
 * secret be recognised where it should not be.
 */
import { randomBytes } from 'node:crypto';
import type { ManagementKey } from '@gridpost/model';
import { digestOf, isEither } from './keys.js';

const shape = /^gpk_([A-Za-z0-9-]+)_[\w-]{43}$/;

/** A new secret of the key with this name, and what is kept of it. */
export function newSecret(name: string): { readonly secret: string; readonly digest: string } {
  const secret = `gpk_${name}_${randomBytes(32).toString('base64url')}`;
  return { secret, digest: digestOf(secret).toString('hex') };
}

/** The name of the key whose secret this claims to be; undefined for what is none. */
export function nameInSecret(secret: string): string | undefined {
  return shape.exec(secret)?.[1];
}

/** Whether a secret with this digest is one of the key's two. Takes the same time whichever it is, and if it is none. */
export function isSecretOf({ digests }: ManagementKey, digest: Buffer): boolean {
  return isEither(digest, [Buffer.from(digests.key1, 'hex'), Buffer.from(digests.key2, 'hex')]);
}

/** Whether the key is good for nothing any more. */
export function isOver({ expirationTimeUtc }: ManagementKey, now: number): boolean {
  return expirationTimeUtc !== undefined && Date.parse(expirationTimeUtc) <= now;
}
