/**
 * The public keys of an OpenID Connect issuer, found by discovery (OpenID Connect Discovery 1.0 §4) and kept for a while.
 *
 * Fresh keys are used as they are. Keys past that are fetched again, and serve on for the rest of an hour if the issuer
 * does not answer, so that its restart stops no publisher. A token may name a key that is not among them: then the issuer
 * may have a new one, and is asked as well, but not more often than every 5 s, since anybody can make up names of keys.
 */
import { type Clock, GridpostError, type Log } from '@gridpost/model';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

const freshMs = 600_000;
const usableMs = 3_600_000;
const pauseMs = 5_000;
/** For both documents together; publishers wait meanwhile. */
const deadlineMs = 3_000;
const documentBytesMax = 262_144;

export class IssuerKeys {
  readonly #issuer: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #keys: JWTVerifyGetKey | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #fetching: Promise<void> | undefined;

  constructor(issuer: string, clock: Clock, log: Log) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The key for a token with this header. Rejects with jose's error if the issuer has none, with `IssuerUnavailable` if
   * that cannot be told now.
   */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    if (this.#clock.elapsed() - this.#fetchedAt >= freshMs) await this.#renew();
    if (!this.#keys || this.#clock.elapsed() - this.#fetchedAt >= usableMs) throw unavailable();
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#renew();
      if (this.#failed) throw unavailable();
      return this.#keys(header, token);
    }
  };

  /** Resolves when the keys are as new as they can be now, whether or not the issuer answered. */
  async #renew(): Promise<void> {
    const now = this.#clock.elapsed();
    if (!this.#fetching && now - this.#triedAt >= pauseMs) {
      this.#triedAt = now;
      this.#fetching = this.#fetch(now);
    }
    await this.#fetching;
  }

  async #fetch(began: number): Promise<void> {
    const aborter = new AbortController();
    const deadline = this.#clock.after(deadlineMs, () => aborter.abort(new Error('no answer in time')));
    try {
      this.#keys = createLocalJWKSet(await fetchKeys(this.#issuer, aborter.signal));
      this.#fetchedAt = began;
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      const { message, cause } = error as Error;
      this.#log.warn(
        { issuer: this.#issuer, error: message, cause: cause instanceof Error ? cause.message : undefined },
        'the OIDC issuer did not give its keys',
      );
    } finally {
      deadline.cancel();
      this.#fetching = undefined;
    }
  }
}

async function fetchKeys(issuer: string, signal: AbortSignal): Promise<JSONWebKeySet> {
  const base = issuer.replace(/\/$/, '');
  const found = (await fetchJson(`${base}/.well-known/openid-configuration`, signal)) as {
    readonly issuer?: unknown;
    readonly jwks_uri?: unknown;
  } | null;
  // Whoever answers for another issuer must not vouch for this one (§4.3).
  if (found?.issuer !== issuer) throw new Error('the configuration found is that of another issuer');
  const { jwks_uri: address } = found;
  if (typeof address !== 'string' || !URL.canParse(address)) throw new Error('it has no jwks_uri');
  const { protocol } = new URL(address);
  if (protocol !== 'https:' && protocol !== new URL(issuer).protocol)
    throw new Error('its jwks_uri is not https');
  return (await fetchJson(address, signal)) as JSONWebKeySet;
}

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early ends the request.
  for await (const chunk of response.body ?? []) {
    if (response.status !== 200) break;
    bytes += chunk.length;
    if (bytes > documentBytesMax) throw new Error(`more than ${documentBytesMax} bytes came from ${url}`);
    chunks.push(chunk);
  }
  if (response.status !== 200) throw new Error(`${response.status} came from ${url}`);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function unavailable(): GridpostError {
  return new GridpostError(
    'IssuerUnavailable',
    'the OIDC issuer did not answer, so that the bearer token could not be checked; nothing was stored',
    { retryAfterSeconds: pauseMs / 1_000 },
  );
}
