/** Signs requests (Standard Webhooks): `{id}.{timestamp}.{body}`, with each key that is in use. */
import { createHmac, type KeyObject, sign } from 'node:crypto';
import type { Signing, SigningScheme } from '@gridpost/model';
import { signingKeyOf } from './signing-secret.js';

/** Keys are made once and used for each request. */
export class Signer {
  readonly #scheme: SigningScheme;
  readonly #keys: readonly { readonly key: KeyObject; readonly endsAt: number }[];

  /** Throws `TypeError` for a secret that is none. */
  constructor({ scheme, keys }: Signing) {
    this.#scheme = scheme;
    this.#keys = keys.map(({ secret, endsAt = Number.POSITIVE_INFINITY }) => ({
      key: signingKeyOf(scheme, secret),
      endsAt,
    }));
  }

  /**
   * `webhook-timestamp` and `webhook-signature`, names and values in turn, for a request whose `webhook-id` is `id`. Each
   * attempt is signed anew, at `now` in milliseconds: receivers refuse what is older than five minutes.
   */
  headers(id: string, body: Buffer | string | undefined, now: number): string[] {
    const timestamp = String(Math.floor(now / 1_000));
    const head = `${id}.${timestamp}.`;
    const signatures: string[] = [];
    for (const { key, endsAt } of this.#keys) {
      if (now < endsAt) signatures.push(`${this.#scheme},${this.#signature(key, head, body ?? '')}`);
    }
    return ['webhook-timestamp', timestamp, 'webhook-signature', signatures.join(' ')];
  }

  #signature(key: KeyObject, head: string, body: Buffer | string): string {
    if (this.#scheme === 'v1') return createHmac('sha256', key).update(head).update(body).digest('base64');
    return sign(null, Buffer.concat([Buffer.from(head), Buffer.from(body)]), key).toString('base64');
  }
}
