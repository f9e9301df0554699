/**
 * Tokens of OAuth 2.0's client credentials (RFC 6749 §4.4): asked for once for all who wait, kept until shortly before
 * they expire. Requests for them are held to what requests to endpoints are held to.
 */
import { hash } from 'node:crypto';
import { type Clock, isObject, limits, type OAuth2Credentials, type TlsIdentity } from '@gridpost/model';
import { Agent, request } from 'undici';
import { AddressNotAllowed } from './address-not-allowed.js';
import type { Connector } from './connector.js';
import { TokenUnavailable } from './token-unavailable.js';

/** For one request, from connecting to the last byte: less than the usual attempt has. */
const requestMs = 10_000;
/** A token is not used in its last minute, or in the last quarter of a shorter life: it has to arrive. */
const spareMs = 60_000;
/** Of a token that says nothing of its life (RFC 6749 §5.1 recommends that it does). */
const unknownLifeMs = 300_000;
/** No longer, whatever it says: a day is as good as for ever, and longer than any revocation should take. */
const lifeMsMax = 86_400_000;
/** After a failure nobody asks for this long. */
const pauseMs = 1_000;
/** Credentials from which on those without a token in use are forgotten. */
const sourcesMax = 1_000;
/** Why a token was refused (RFC 6749 §5.2). Nothing else of an answer is repeated: it may hold what was sent. */
const refusals =
  /^(invalid_request|invalid_client|invalid_grant|unauthorized_client|unsupported_grant_type|invalid_scope)$/;

interface Held {
  readonly token: string;
  /** `clock.elapsed()`. */
  readonly until: number;
}

/** Of one set of credentials. */
export class TokenSource {
  readonly #ask: () => Promise<Held>;
  readonly #clock: Clock;
  #held: Held | undefined;
  #asking: Promise<string> | undefined;
  #failed: { readonly error: Error; readonly until: number } | undefined;

  constructor(ask: () => Promise<Held>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** The token that is there; undefined if it has to be obtained. */
  get token(): string | undefined {
    return this.#held && this.#clock.elapsed() < this.#held.until ? this.#held.token : undefined;
  }

  /** Rejects with `TokenUnavailable`. Whoever asks while somebody does gets the same answer. */
  obtain(): Promise<string> {
    const { token } = this;
    if (token !== undefined) return Promise.resolve(token);
    const now = this.#clock.elapsed();
    if (this.#failed && now < this.#failed.until) return Promise.reject(this.#failed.error);
    this.#asking ??= this.#obtain().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** As `obtain`, because this token was refused. Another one that has been obtained meanwhile is as good as a new one. */
  renew(refused: string): Promise<string> {
    if (this.#held?.token === refused) this.#held = undefined;
    return this.obtain();
  }

  async #obtain(): Promise<string> {
    try {
      this.#held = await this.#ask();
      this.#failed = undefined;
      return this.#held.token;
    } catch (error) {
      this.#failed = { error: error as Error, until: this.#clock.elapsed() + pauseMs };
      throw error;
    }
  }
}

export class OAuthTokens {
  readonly #clock: Clock;
  readonly #connector: (tls?: TlsIdentity) => Connector;
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  readonly #sources = new Map<string, TokenSource>();

  /** `connector`: those of endpoints, so that token endpoints may be where they may be. */
  constructor(clock: Clock, connector: (tls?: TlsIdentity) => Connector) {
    this.#clock = clock;
    this.#connector = connector;
    this.#agent = this.#agentFor();
  }

  /** The same for the same credentials, whoever has them. */
  of(credentials: OAuth2Credentials): TokenSource {
    const { tokenUrl, clientId, clientSecret, clientAuthentication } = credentials;
    const { scope = null, audience = null, tokenCaCertificates = null } = credentials;
    const all = [
      tokenUrl,
      clientId,
      clientSecret,
      clientAuthentication,
      scope,
      audience,
      tokenCaCertificates,
    ];
    const key = hash('sha256', JSON.stringify(all));
    const known = this.#sources.get(key);
    if (known) return known;
    if (this.#sources.size >= sourcesMax) {
      for (const [other, { token }] of this.#sources) if (token === undefined) this.#sources.delete(other);
    }
    const source = new TokenSource(() => this.#ask(credentials), this.#clock);
    this.#sources.set(key, source);
    return source;
  }

  /** Ends the requests under way. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }

  async #ask(credentials: OAuth2Credentials): Promise<Held> {
    const ended = new AbortController();
    const deadline = this.#clock.after(requestMs, () =>
      ended.abort(new TokenUnavailable('no answer in time')),
    );
    const close = (): void => ended.abort(new TokenUnavailable('the process stops'));
    this.#closing.signal.addEventListener('abort', close);
    if (this.#closing.signal.aborted) close();
    const { tokenUrl, tokenCaCertificates: ca } = credentials;
    // Asked so seldom that a connection of its own is not worth keeping.
    const own = ca === undefined ? undefined : this.#agentFor({ ca });
    try {
      const { statusCode, body } = await request(tokenUrl, {
        dispatcher: own ?? this.#agent,
        method: 'POST',
        ...contentsOf(credentials),
        signal: ended.signal,
        reset: true,
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > limits.responseBytesMax) throw new TokenUnavailable('the answer is too long');
      }
      return this.#heldOf(statusCode, Buffer.concat(chunks).toString());
    } catch (error) {
      throw describedFailure(error as Error);
    } finally {
      deadline.cancel();
      this.#closing.signal.removeEventListener('abort', close);
      await own?.destroy();
    }
  }

  #agentFor(tls?: TlsIdentity): Agent {
    return new Agent({ connect: this.#connector(tls), headersTimeout: 0, bodyTimeout: 0 });
  }

  /** RFC 6749 §5. */
  #heldOf(status: number, text: string): Held {
    const answer = parsed(text);
    if (status !== 200) {
      const { error } = answer;
      const why = typeof error === 'string' && refusals.test(error) ? ` (${error})` : '';
      throw new TokenUnavailable(`the token endpoint answered ${status}${why}`);
    }
    const { access_token: token, token_type: type, expires_in: seconds } = answer;
    if (typeof token !== 'string' || !/^[!-~]{1,16384}$/.test(token))
      throw new TokenUnavailable('the token endpoint answered without one');
    if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
      throw new TokenUnavailable('the token endpoint gave another kind than bearer');
    const life =
      typeof seconds === 'number' || typeof seconds === 'string' ? Number(seconds) * 1_000 : Number.NaN;
    const lifeMs = life > 0 ? Math.min(life, lifeMsMax) : unknownLifeMs;
    return { token, until: this.#clock.elapsed() + lifeMs - Math.min(spareMs, lifeMs / 4) };
  }
}

function contentsOf(credentials: OAuth2Credentials): { headers: Record<string, string>; body: string } {
  const { clientId, clientSecret, clientAuthentication, scope, audience } = credentials;
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== undefined) form.set('scope', scope);
  if (audience !== undefined) form.set('audience', audience);
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  };
  if (clientAuthentication === 'body') {
    form.set('client_id', clientId);
    form.set('client_secret', clientSecret);
  } else {
    // Both are form-encoded first (RFC 6749 §2.3.1).
    const [id, secret] = [clientId, clientSecret].map((text) =>
      String(new URLSearchParams({ '': text })).slice(1),
    );
    headers.authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  }
  return { headers, body: String(form) };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const answer: unknown = JSON.parse(text);
    return isObject(answer) ? answer : {};
  } catch {
    return {};
  }
}

function describedFailure(error: Error): TokenUnavailable {
  if (error instanceof TokenUnavailable) return error;
  if (error instanceof AddressNotAllowed)
    return new TokenUnavailable('the address of the token endpoint is not allowed');
  const { code } = error as { code?: unknown };
  return new TokenUnavailable(
    `no connection to the token endpoint${typeof code === 'string' ? ` (${code})` : ''}`,
  );
}
