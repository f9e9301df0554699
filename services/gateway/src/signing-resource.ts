/** How a subscription's requests are to be signed: as it is written and shown, and what becomes of the secrets. */
import { newSigningSecret, signingPublicKey, signingSecretFault } from '@gridpost/egress';
import {
  type FieldError,
  GridpostError,
  limits,
  type Signing,
  type SigningKey,
  type SigningScheme,
} from '@gridpost/model';

/** As `schemas/eventsubscription.json` has it. */
export interface WrittenSigning {
  readonly scheme: SigningScheme;
  readonly secret?: string | null;
}

/** What a schema cannot say. `at` is the pointer to it. */
export function signingFaults({ scheme, secret }: WrittenSigning, at: string): FieldError[] {
  const message = secret == null ? undefined : signingSecretFault(scheme, secret);
  return message === undefined ? [] : [{ pointer: `${at}/secret`, message }];
}

/** What is written, without faults. Without a secret it has no key until `keyed` has given it one. */
export function signingOf({ scheme, secret }: WrittenSigning): Signing {
  return { scheme, keys: secret == null ? [] : [{ secret, createdAt: 0 }] };
}

/** With its keys: those stored if no other secret is written and the scheme is the same, or else one new key alone. */
export function keyed({ scheme, keys }: Signing, stored: Signing | undefined, now: number): Signing {
  const [written] = keys;
  if (stored?.scheme === scheme && (!written || written.secret === stored.keys[0]!.secret)) return stored;
  return { scheme, keys: [{ secret: written?.secret ?? newSigningSecret(scheme), createdAt: now }] };
}

/**
 * With a new key, that is given or made; those before it sign for `overlapSeconds` more, and not at all if that is 0.
 * Throws `Conflict` if too many would sign.
 */
export function rotated(
  { scheme, keys }: Signing,
  { secret, overlapSeconds }: { readonly secret: string | undefined; readonly overlapSeconds: number },
  now: number,
): Signing {
  const endsAt = now + overlapSeconds * 1_000;
  const before = keys
    .map((key): SigningKey => ({ ...key, endsAt: Math.min(endsAt, key.endsAt ?? endsAt) }))
    .filter((key) => key.endsAt! > now);
  if (before.length >= limits.signingKeysMax) {
    throw new GridpostError(
      'Conflict',
      `${limits.signingKeysMax} secrets sign at once, the most that can; wait until one ends, or write overlapInSeconds: 0, which ends them all`,
    );
  }
  return { scheme, keys: [{ secret: secret ?? newSigningSecret(scheme), createdAt: now }, ...before] };
}

/** As it is shown: without any secret. */
export function signingView({ scheme, keys }: Signing, now: number): object {
  const [newest, ...before] = keys.map(({ secret, createdAt, endsAt }) => ({
    ...publicKeyIn(scheme, secret),
    createdAt: new Date(createdAt).toISOString(),
    ...(endsAt === undefined ? {} : { endsAt }),
  }));
  const previous = before
    .filter(({ endsAt }) => endsAt! > now)
    .map((key) => ({ ...key, endsAt: new Date(key.endsAt!).toISOString() }));
  return { scheme, ...newest, ...(previous.length === 0 ? {} : { previous }) };
}

/**
 * What is shown once: the secret that was just made, which a receiver needs. One that the client wrote it knows, and
 * of Ed25519 a receiver needs the public key only.
 */
export function secretMade(after: Signing, stored: Signing | undefined, written: string | undefined): object {
  const { secret } = after.keys[0]!;
  const made = after.scheme === 'v1' && written === undefined && secret !== stored?.keys[0]?.secret;
  return made ? { secret } : {};
}

function publicKeyIn(scheme: SigningScheme, secret: string): object {
  const publicKey = signingPublicKey(scheme, secret);
  return publicKey === undefined ? {} : { publicKey };
}
