/**
 * Bearer tokens of the OpenID Connect issuer that the deployment trusts: JSON Web Tokens made for its audience
 * (RFC 7519, RFC 8725). A token that was found right is remembered until it expires, since publishers send the same one
 * with every request and checking a signature costs more than the rest of the request.
 */
import { type Clock, GridpostError, type Log } from '@gridpost/model';
import { errors, jwtVerify, type JWTVerifyOptions } from 'jose';
import { ExpiringSet } from './expiring-set.js';
import { IssuerKeys } from './issuer-keys.js';

export interface OidcOptions {
  /** As it stands in tokens; its configuration is at `/.well-known/openid-configuration` below it. */
  readonly issuer: string;
  /** Has to be among a token's audiences. */
  readonly audience: string;
}

/**
 * Signatures that a public key checks. Fixed, whatever the issuer's keys say: were HMAC among them, its public key would
 * do for making tokens (RFC 8725 §2.1).
 */
const algorithms = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
];
/** Tokens remembered. */
const knownMax = 10_000;

export class Tokens {
  readonly #keys: IssuerKeys;
  readonly #options: JWTVerifyOptions;
  readonly #clock: Clock;
  /** Digests of tokens. */
  readonly #known: ExpiringSet;

  constructor({ issuer, audience }: OidcOptions, clock: Clock, log: Log) {
    this.#keys = new IssuerKeys(issuer, clock, log);
    this.#options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
    this.#clock = clock;
    this.#known = new ExpiringSet(knownMax, clock);
  }

  /** Whether the token with this digest was found right before, and has not expired since. */
  isKnown(digest: Buffer): boolean {
    return this.#known.has(digest.toString('latin1'));
  }

  /**
   * Resolves if the token is right, which includes that it is in its time. Rejects with `Unauthorized` if it is not, with
   * `IssuerUnavailable` if that cannot be told.
   */
  async check(token: string, digest: Buffer): Promise<void> {
    let exp: number;
    try {
      const currentDate = new Date(this.#clock.now());
      const { payload } = await jwtVerify(token, this.#keys.keyFor, { ...this.#options, currentDate });
      exp = payload.exp!;
    } catch (error) {
      if (error instanceof GridpostError) throw error;
      throw new GridpostError('Unauthorized', `the bearer token ${faultOf(error)}`, { cause: error });
    }
    this.#known.add(digest.toString('latin1'), exp * 1_000);
  }
}

/** In words that repeat nothing of the token but the name of a claim that we look for. */
function faultOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `is not for this deployment, or not for now: its claim ${error.claim} is missing or wrong`;
  }
  return 'is neither the admin key nor signed by the OIDC issuer';
}
