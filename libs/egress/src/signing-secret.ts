/** Secrets that sign, as text (Standard Webhooks, "Signature scheme"): read strictly, made from the system's randomness. */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { limits, type SigningScheme } from '@gridpost/model';

const { min, max, default: usual } = limits.signingSecretBytes;
const seedBytes = 32;
/** What stands before the seed in PKCS #8 (RFC 8410 §7). */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

interface Form {
  /** What a person is told. */
  readonly rule: string;
  read(text: string): Buffer | undefined;
  make(): string;
  keyOf(bytes: Buffer): KeyObject;
}

const forms: Readonly<Record<SigningScheme, Form>> = {
  v1: {
    rule: `whsec_ and the base64 of ${min} to ${max} bytes`,
    read(text) {
      const bytes = decoded(text, 'whsec_');
      return bytes && bytes.length >= min && bytes.length <= max ? bytes : undefined;
    },
    make: () => `whsec_${randomBytes(usual).toString('base64')}`,
    keyOf: (bytes) => createSecretKey(bytes),
  },
  v1a: {
    rule: `whsk_ and the base64 of a seed of ${seedBytes} bytes, or of the seed and its public key`,
    read(text) {
      const bytes = decoded(text, 'whsk_');
      if (bytes?.length === seedBytes) return bytes;
      if (bytes?.length !== 2 * seedBytes) return undefined;
      const seed = bytes.subarray(0, seedBytes);
      return publicBytes(privateKey(seed)).equals(bytes.subarray(seedBytes)) ? seed : undefined;
    },
    make() {
      const seed = randomBytes(seedBytes);
      return `whsk_${Buffer.concat([seed, publicBytes(privateKey(seed))]).toString('base64')}`;
    },
    keyOf: privateKey,
  },
};

/** A new secret of 256 bits. */
export function newSigningSecret(scheme: SigningScheme): string {
  return forms[scheme].make();
}

/** What is wrong with the text, in words that do not repeat it; undefined if nothing. */
export function signingSecretFault(scheme: SigningScheme, text: string): string | undefined {
  return forms[scheme].read(text) ? undefined : `expected ${forms[scheme].rule}`;
}

/** Throws `TypeError` for what `signingSecretFault` finds wrong. */
export function signingKeyOf(scheme: SigningScheme, secret: string): KeyObject {
  const bytes = forms[scheme].read(secret);
  if (!bytes) throw new TypeError(`the signing secret is not ${forms[scheme].rule}`);
  return forms[scheme].keyOf(bytes);
}

/** `whpk_…`, with which receivers verify; undefined for a shared secret, which has none. */
export function signingPublicKey(scheme: SigningScheme, secret: string): string | undefined {
  if (scheme === 'v1') return undefined;
  return `whpk_${publicBytes(signingKeyOf(scheme, secret)).toString('base64')}`;
}

/** The prefix may be missing, as libraries allow. Undefined for what is no canonical base64 (RFC 4648 §4). */
function decoded(text: string, prefix: string): Buffer | undefined {
  const base64 = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : undefined;
}

function privateKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' });
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-seedBytes);
}
