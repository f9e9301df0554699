/**
 * The gateway's own requests to endpoints: few, small, and never to be waited for by a client. Each has one deadline for
 * everything, from connecting to the last byte; redirects are not followed, and no more of an answer is read than is of
 * use. Whether a host may be connected to is the connector's decision.
 */
import { AddressNotAllowed, type Egress, OAuthTokens, TokenUnavailable } from '@gridpost/egress';
import { type Clock, type Endpoint, limits } from '@gridpost/model';
import { Agent, request } from 'undici';

export interface OutgoingRequest {
  readonly method: 'POST' | 'OPTIONS';
  /** Its headers are sent beside these, and with them what lets requests in. */
  readonly endpoint: Endpoint;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case; one that came more than once is an array. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What came of it within `limits.responseBytesMax`. */
  readonly body: Buffer;
}

/** For one request (Event Grid, "Endpoint validation with Event Grid events"). */
export const requestMs = 30_000;

export class Outgoing {
  readonly #clock: Clock;
  readonly #egress: Egress;
  readonly #tokens: OAuthTokens;
  readonly #agent: Agent;
  readonly #closing = new AbortController();

  constructor(clock: Clock, egress: Egress) {
    this.#clock = clock;
    this.#egress = egress;
    this.#agent = this.#agentFor();
    this.#tokens = new OAuthTokens(clock, (tls) => egress.connector(requestMs, tls));
  }

  /**
   * Rejects if there was no answer: with `NoAnswer` if time was over, with `TokenUnavailable`, or with what the connection
   * met. A token that is refused is replaced once.
   */
  async send(request: OutgoingRequest): Promise<Answer> {
    const ended = new AbortController();
    const { signal } = ended;
    const deadline = this.#clock.after(requestMs, () => ended.abort(new NoAnswer('deadline')));
    const close = (): void => ended.abort(new NoAnswer('closed'));
    this.#closing.signal.addEventListener('abort', close);
    if (this.#closing.signal.aborted) close();
    try {
      return await this.#authorized(request, signal);
    } catch (error) {
      // Whatever came of being ended.
      signal.throwIfAborted();
      throw error;
    } finally {
      deadline.cancel();
      this.#closing.signal.removeEventListener('abort', close);
    }
  }

  async #authorized(request: OutgoingRequest, signal: AbortSignal): Promise<Answer> {
    const { oauth2 } = request.endpoint;
    if (!oauth2) return this.#exchange(request, {}, signal);
    const tokens = this.#tokens.of(oauth2);
    const token = await tokens.obtain();
    const answer = await this.#exchange(request, { authorization: `Bearer ${token}` }, signal);
    if (answer.status !== 401) return answer;
    const renewed = await tokens.renew(token);
    return this.#exchange(request, { authorization: `Bearer ${renewed}` }, signal);
  }

  async #exchange(
    { endpoint, method, headers, body: sent }: OutgoingRequest,
    authorization: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { url, tls } = endpoint;
    // Few requests: a connection that others must not use is not worth keeping.
    const own = tls && this.#agentFor(tls);
    try {
      const response = await request(url, {
        dispatcher: own ?? this.#agent,
        method,
        headers: { ...endpoint.headers, ...headers, ...authorization },
        body: sent ?? null,
        signal,
        reset: true,
      });
      const chunks: Buffer[] = [];
      let bytes = 0;
      // Leaving the loop early ends the request.
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > limits.responseBytesMax) break;
      }
      const body = Buffer.concat(chunks).subarray(0, limits.responseBytesMax);
      return { status: response.statusCode, headers: response.headers, body };
    } finally {
      await own?.destroy();
    }
  }

  /** Ends what is under way, and all that is asked for later. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#tokens.close();
    await this.#agent.destroy();
  }

  #agentFor(tls?: Endpoint['tls']): Agent {
    return new Agent({
      connect: this.#egress.connector(requestMs, tls),
      // Neither ends an answer that drips; the deadline does.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }
}

/** Why a request was ended by us. */
export class NoAnswer extends Error {
  readonly why: 'deadline' | 'closed';

  constructor(why: NoAnswer['why']) {
    super(why === 'deadline' ? `no answer within ${requestMs / 1_000} s` : 'the gateway stopped');
    this.why = why;
  }
}

/** A few words about a request that was not answered, without the address: it may hold a secret. */
export function describeFailure(error: Error): string {
  if (error instanceof NoAnswer || error instanceof AddressNotAllowed || error instanceof TokenUnavailable)
    return error.message;
  const { code } = error as { code?: unknown };
  return `no connection${typeof code === 'string' ? ` (${code})` : ''}`;
}
