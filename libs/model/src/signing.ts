/** How a subscription's requests are signed (Standard Webhooks). Making and using keys is `@gridpost/egress`'s. */

/** The specification's identifiers: HMAC-SHA256 with a shared secret, and Ed25519. */
export const signingSchemes = ['v1', 'v1a'] as const;
export type SigningScheme = (typeof signingSchemes)[number];

export interface SigningKey {
  /** `whsec_` and the base64 of 24 to 64 bytes; of `v1a` `whsk_` and that of the seed and the public key. */
  readonly secret: string;
  readonly createdAt: number;
  /** Instant from which on it signs no more; absent for the newest. */
  readonly endsAt?: number;
}

export interface Signing {
  readonly scheme: SigningScheme;
  /** The newest first. All that have not ended sign, so that a receiver needs only one of them. */
  readonly keys: readonly SigningKey[];
}
