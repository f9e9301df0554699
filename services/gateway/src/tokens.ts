/**
 * Bearer tokens of the OpenID Connect issuer that the deployment trusts: JSON Web Tokens made for its audience
 * (RFC 7519, RFC 8725). A token that was found right is remembered until it expires, since publishers send the same one
 * with every request and checking a signature costs more than the rest of the request.
 */
import { type Clock, GridpostError, type Log } from '@gridpost/model';
import { errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from 'jose';
import type { Caller } from './caller.js';
import { ExpiringMap } from './expiring-map.js';
import { IssuerKeys } from './issuer-keys.js';
import { rolesIn, type TokenRolesOptions } from './token-roles.js';

export interface OidcOptions {
  /** As it stands in tokens; its configuration is at `/.well-known/openid-configuration` below it. */
  readonly issuer: string;
  /** Has to be among a token's audiences. */
  readonly audience: string;
  /** Default: tokens have no roles. */
  readonly roles?: TokenRolesOptions | undefined;
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
/** Characters of a subject that are kept. */
const subjectMax = 256;

export class Tokens {
  readonly #keys: IssuerKeys;
  readonly #options: JWTVerifyOptions;
  readonly #roles: TokenRolesOptions | undefined;
  readonly #clock: Clock;
  /** Whose they are, by the digests of tokens. */
  readonly #known: ExpiringMap<Caller>;

  constructor({ issuer, audience, roles }: OidcOptions, clock: Clock, log: Log) {
    this.#keys = new IssuerKeys(issuer, clock, log);
    this.#options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
    this.#clock = clock;
    this.#roles = roles;
    this.#known = new ExpiringMap(knownMax, clock);
  }

  /** Whose the token with this digest is, if it was found right before and has not expired since. */
  known(digest: Buffer): Caller | undefined {
    return this.#known.get(digest.toString('latin1'));
  }

  /**
   * Resolves with whose the token is if it is right, which includes that it is in its time. Rejects with `Unauthorized` if it is not, with
   * `IssuerUnavailable` if that cannot be told.
   */
  async check(token: string, digest: Buffer): Promise<Caller> {
    let claims: JWTPayload;
    try {
      const currentDate = new Date(this.#clock.now());
      claims = (await jwtVerify(token, this.#keys.keyFor, { ...this.#options, currentDate })).payload;
    } catch (error) {
      if (error instanceof GridpostError) throw error;
      throw new GridpostError('Unauthorized', `the bearer token ${faultOf(error)}`, { cause: error });
    }
    const caller = this.#callerWith(claims);
    this.#known.set(digest.toString('latin1'), caller, claims.exp! * 1_000);
    return caller;
  }

  #callerWith(claims: JWTPayload): Caller {
    const { sub } = claims;
    return {
      kind: 'token',
      ...(typeof sub === 'string' && { name: sub.slice(0, subjectMax) }),
      ...(this.#roles && rolesIn(claims, this.#roles)),
    };
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
