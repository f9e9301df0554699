/**
 * Attempts under way: sends a request, reads its answer as far as it matters, and ends it in time. What the answer means
 * is `outcome.ts`'s.
 *
 * An attempt has one deadline for everything: connecting, sending, waiting, reading. One sweep over all of them enforces
 * it, at the price of a tenth of a second: a timer each would cost more than the rest of the bookkeeping, and undici's
 * own timeouts never fire on endless 1xx responses and on bodies that drip.
 *
 * The status decides: once it has been read, nothing that happens to the rest of the response changes what it means.
 */
import type { TokenSource } from '@gridpost/egress';
import { Bag, type InBag, limits } from '@gridpost/model';
import type { Dispatcher } from 'undici';
import type { Connection, Origin } from './connections.js';
import { isSuccess } from './outcome.js';

/** Bytes of a response kept to describe a failure. */
const excerptBytesMax = 1_024;

/** Who asked for an attempt and is told of its end, exactly once. */
export interface AttemptOwner<T> {
  ended(attempt: Attempt<T>): void;
}

export interface AttemptRequest {
  readonly origin: Origin;
  readonly path: string;
  /** Default: `POST`. */
  readonly method?: 'POST' | 'PUT';
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Buffer | undefined;
  /** Where each request needs a token of its own time. */
  readonly tokens?: TokenSource | undefined;
}

export class Attempt<T> implements Dispatcher.DispatchHandler, InBag {
  /** What it is an attempt at. */
  readonly subject: T;
  /** `clock.elapsed()` at its start, and when it has to be over. */
  readonly startedAt: number;
  readonly deadline: number;
  /** 0 until the response's head was read. */
  status = 0;
  /** Of a failure. */
  retryAfter: string | undefined;
  /** Set if it ended before there was a status. */
  error: Error | undefined;
  /** Why it was ended by us before there was a status. */
  cut: 'deadline' | 'drain' | undefined;
  bagIndex = -1;
  #excerpt: Buffer[] | undefined;
  #bytes = 0;
  #connection: Connection | undefined;
  /** What is sent with a token. */
  #request: AttemptRequest | undefined;
  #token: string | undefined;
  #renewed = false;
  readonly #dispatch: Dispatch<T>;

  constructor(dispatch: Dispatch<T>, subject: T, startedAt: number, deadline: number) {
    this.#dispatch = dispatch;
    this.subject = subject;
    this.startedAt = startedAt;
    this.deadline = deadline;
  }

  /** The beginning of a failure's response, as it came. */
  get excerpt(): string {
    return this.#excerpt ? Buffer.concat(this.#excerpt).toString('utf8', 0, excerptBytesMax) : '';
  }

  /** The token that it was made with, which no description of it may hold. */
  get token(): string | undefined {
    return this.#token;
  }

  send(request: AttemptRequest): void {
    const { origin, path, method = 'POST', headers, body, tokens } = request;
    const connection = origin.take();
    this.#connection = connection;
    if (!tokens) {
      connection.client.dispatch({ path, method, headers, body: body ?? null }, this);
      return;
    }
    this.#request = request;
    const { token } = tokens;
    if (token === undefined) this.#sendWhenObtained(connection, tokens.obtain());
    else this.#sendWith(connection, token);
  }

  #sendWith(connection: Connection, token: string): void {
    const { path, method = 'POST', headers, body } = this.#request!;
    this.#token = token;
    const all = [...headers, 'authorization', `Bearer ${token}`];
    connection.client.dispatch({ path, method, headers: all, body: body ?? null }, this);
  }

  /** Waits for as long as the attempt may last. `otherwise`: the token would be the one that was refused. */
  #sendWhenObtained(connection: Connection, obtaining: Promise<string>, otherwise?: () => void): void {
    const refused = this.#token;
    obtaining.then(
      (token) => {
        if (this.#connection !== connection) return;
        if (token === refused) otherwise?.();
        else this.#sendWith(connection, token);
      },
      (error: Error) => {
        if (this.#connection !== connection) return;
        this.error = error;
        this.#end(true);
      },
    );
  }

  /** A token may be refused before it expires: another is tried, once, as a part of the same attempt. */
  #sendAgain(connection: Connection, tokens: TokenSource): void {
    const { status } = this;
    this.#renewed = true;
    this.status = 0;
    this.retryAfter = undefined;
    this.#excerpt = undefined;
    this.#bytes = 0;
    this.#sendWhenObtained(connection, tokens.renew(this.#token!), () => {
      this.status = status;
      this.#end(true);
    });
  }

  /** Ends it now. */
  abort(cut: 'deadline' | 'drain'): void {
    if (this.status === 0) this.cut = cut;
    this.#end(false);
  }

  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 1xx come before the response; 101 cannot, since no upgrade was asked for.
    if (status < 200) return;
    this.status = status;
    if (isSuccess(status)) return;
    const retryAfter = headers['retry-after'];
    if (typeof retryAfter === 'string') this.retryAfter = retryAfter;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!isSuccess(this.status) && this.#bytes < excerptBytesMax) {
      this.#excerpt ??= [];
      // A copy: the chunk is a view of a larger buffer that is used again.
      this.#excerpt.push(Buffer.from(chunk.subarray(0, excerptBytesMax)));
    }
    this.#bytes += chunk.length;
    if (this.#bytes > limits.responseBytesMax) this.#end(false);
  }

  onResponseEnd(): void {
    const connection = this.#connection;
    const tokens = this.#request?.tokens;
    if (connection && tokens && this.status === 401 && !this.#renewed) this.#sendAgain(connection, tokens);
    else this.#end(true);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.status === 0) this.error = error;
    this.#end(false);
  }

  #end(reusable: boolean): void {
    const connection = this.#connection;
    // What undici still reports of a connection that was closed under it.
    if (!connection) return;
    this.#connection = undefined;
    if (reusable) connection.origin.giveBack(connection);
    else connection.origin.discard(connection);
    this.#dispatch.ended(this);
  }
}

/** All attempts of a process. */
export class Dispatch<T> {
  readonly #owner: AttemptOwner<T>;
  readonly #underWay = new Bag<Attempt<T>>();

  constructor(owner: AttemptOwner<T>) {
    this.#owner = owner;
  }

  /** Starts an attempt. Its end may come before this returns. `now` and `deadline` are of `clock.elapsed()`. */
  send(subject: T, request: AttemptRequest, now: number, deadline: number): void {
    const attempt = new Attempt(this, subject, now, deadline);
    this.#underWay.add(attempt);
    attempt.send(request);
  }

  /** Ends the attempts that are past their deadline. To be called about every 100 ms. */
  sweep(now: number): void {
    for (const attempt of this.#underWay) if (now >= attempt.deadline) attempt.abort('deadline');
  }

  /** Ends all attempts. */
  abort(): void {
    for (const attempt of this.#underWay) attempt.abort('drain');
  }

  ended(attempt: Attempt<T>): void {
    this.#underWay.delete(attempt);
    try {
      this.#owner.ended(attempt);
    } catch (error) {
      // undici would take it for the request's failure and nobody would ever hear of it.
      setImmediate(() => {
        throw error;
      });
    }
  }
}
