/**
 * The gateway's own requests to endpoints: few, small, and never to be waited for by a client. Each has one deadline for
 * everything, from connecting to the last byte; redirects are not followed, and no more of an answer is read than is of
 * use. Whether a host may be connected to is the connector's decision.
 */
import { AddressNotAllowed, type Connector } from '@gridpost/egress';
import { type Clock, limits } from '@gridpost/model';
import { Agent, request } from 'undici';

export interface OutgoingRequest {
  readonly method: 'POST' | 'OPTIONS';
  readonly url: string;
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
  readonly #agent: Agent;
  readonly #closing = new AbortController();

  constructor(clock: Clock, connector: Connector) {
    this.#clock = clock;
    this.#agent = new Agent({
      connect: connector,
      // Neither ends an answer that drips; the deadline does.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Rejects if there was no answer: with `NoAnswer` if time was over, or with what the connection met. */
  async send({ url, method, headers, body: sent }: OutgoingRequest): Promise<Answer> {
    const ended = new AbortController();
    const deadline = this.#clock.after(requestMs, () => ended.abort(new NoAnswer('deadline')));
    const close = (): void => ended.abort(new NoAnswer('closed'));
    this.#closing.signal.addEventListener('abort', close);
    if (this.#closing.signal.aborted) close();
    try {
      const response = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: { ...headers },
        body: sent ?? null,
        signal: ended.signal,
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
      deadline.cancel();
      this.#closing.signal.removeEventListener('abort', close);
    }
  }

  /** Ends what is under way, and all that is asked for later. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
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
  if (error instanceof NoAnswer || error instanceof AddressNotAllowed) return error.message;
  const { code } = error as { code?: unknown };
  return `no connection${typeof code === 'string' ? ` (${code})` : ''}`;
}
