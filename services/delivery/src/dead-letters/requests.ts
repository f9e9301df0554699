/** Batches as requests, held to what deliveries are held to: one deadline, no redirects, little read of the answer. */
import type { TokenSource } from '@gridpost/egress';
import { type Clock, limits, type TlsIdentity } from '@gridpost/model';
import type { Connections } from '../requests/connections.js';
import { type Attempt, type AttemptOwner, Dispatch } from '../requests/dispatch.js';
import { isSuccess } from '../requests/outcome.js';

const timeoutMs = limits.attemptTimeoutSeconds.default * 1_000;

export interface BatchRequest {
  readonly url: URL;
  readonly method?: 'POST' | 'PUT';
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Buffer;
  readonly tls?: TlsIdentity | undefined;
  readonly tokens?: TokenSource | undefined;
  /** What the beginning of a failure's answer says, as far as it may be told. Default: nothing. */
  readonly reasonIn?: (excerpt: string) => string;
}

interface Waiting extends Pick<BatchRequest, 'reasonIn'> {
  resolve(): void;
  reject(error: Error): void;
}

export class Requests implements AttemptOwner<Waiting> {
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #dispatch: Dispatch<Waiting> = new Dispatch(this);
  #closed = false;

  constructor(connections: Connections, clock: Clock) {
    this.#connections = connections;
    this.#clock = clock;
  }

  /** Resolves when the answer is a success (200 to 204). Rejects with what there was instead, without the URL. */
  async send({ url, tls, reasonIn, ...request }: BatchRequest): Promise<void> {
    if (this.#closed) throw new Error('closed');
    const origin = this.#connections.join(url.origin, tls);
    const now = this.#clock.elapsed();
    try {
      await new Promise<void>((resolve, reject) => {
        const path = url.pathname + url.search;
        const waiting = { resolve, reject, ...(reasonIn ? { reasonIn } : {}) };
        this.#dispatch.send(waiting, { origin, path, ...request }, now, now + timeoutMs);
      });
    } finally {
      origin.leave();
    }
  }

  ended({ subject, status, cut, error, excerpt }: Attempt<Waiting>): void {
    if (isSuccess(status)) subject.resolve();
    else if (status !== 0)
      subject.reject(new Error(`answered ${status} ${subject.reasonIn?.(excerpt) ?? ''}`.trim()));
    else
      subject.reject(
        new Error(cut === undefined ? error!.message : cut === 'deadline' ? 'no answer in time' : 'cut'),
      );
  }

  /** Ends those that are past their deadline. To be called about every 100 ms. */
  sweep(): void {
    this.#dispatch.sweep(this.#clock.elapsed());
  }

  /** Ends all, and takes no more. */
  close(): void {
    this.#closed = true;
    this.#dispatch.abort();
  }
}
