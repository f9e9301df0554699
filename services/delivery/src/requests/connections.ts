/**
 * HTTP connections to endpoints, by origin. One undici `Client` is one connection here: an attempt takes one, has it to
 * itself, and gives it back, or has it closed under it, also while it is still being made. undici's own `Pool` cannot
 * do the latter, queues without bound where its connections are all in use, and costs more per request.
 *
 * The one used last is used next, so that few connections stay warm instead of many going stale.
 */
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Connector } from '@gridpost/egress';
import type { TlsIdentity } from '@gridpost/model';
import { Client } from 'undici';

export interface ConnectionOptions {
  /** See `DeliverySettings`. */
  readonly connectionsPerOrigin: number;
  /** The connector for a TLS identity, asked for once while connections with it are in use. */
  readonly connector: (tls: TlsIdentity | undefined) => Connector;
}

/** An idle connection is closed after this, unless the endpoint announced a shorter time (undici's default). */
const keepAliveMs = 4_000;

export class Connection {
  readonly client: Client;
  readonly origin: Origin;
  #socket: Socket | undefined;

  constructor(origin: Origin, connector: Connector) {
    this.origin = origin;
    this.client = new Client(origin.url, {
      connect: (options, callback) => {
        // undici's connectors return their socket, although the type does not say so.
        this.#socket = connector(options, callback) as Socket | undefined;
      },
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // An attempt has one deadline for everything, watched by `dispatch.ts`.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Closes it at once. A request under way ends with an error, unless the connection is still being made. */
  destroy(): void {
    void this.client.destroy();
    this.#socket?.destroy();
  }
}

/** The connections to one scheme, host and port, with one TLS identity: what one client has proved is not another's. */
export class Origin {
  readonly url: string;
  readonly #connector: Connector;
  readonly #connectionsMax: number;
  readonly #free: Connection[] = [];
  readonly #refused = new Set<() => void>();
  #inUse = 0;
  #users = 0;

  constructor(
    url: string,
    tls: TlsIdentity | undefined,
    { connector, connectionsPerOrigin }: ConnectionOptions,
  ) {
    this.url = url;
    this.#connector = connector(tls);
    this.#connectionsMax = connectionsPerOrigin;
  }

  get idle(): boolean {
    return this.#users === 0 && this.#inUse === 0;
  }

  join(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
  }

  /** Whether a user that has `running` attempts under way may take one more. Its even share is never refused. */
  offers(running: number): boolean {
    if (this.#inUse < this.#connectionsMax) return true;
    return running < Math.max(1, Math.floor(this.#connectionsMax / this.#users));
  }

  /** Calls once, when a connection has been given back. */
  whenFree(call: () => void): void {
    this.#refused.add(call);
  }

  take(): Connection {
    this.#inUse++;
    return this.#free.pop() ?? new Connection(this, this.#connector);
  }

  /** Gives back a connection whose request has ended well. */
  giveBack(connection: Connection): void {
    this.#free.push(connection);
    this.#released();
  }

  /** Gives back a connection that is of no more use. */
  discard(connection: Connection): void {
    connection.destroy();
    this.#released();
  }

  /** Closes the connections that are not in use. */
  close(): void {
    for (const connection of this.#free.splice(0)) connection.destroy();
  }

  #released(): void {
    this.#inUse--;
    if (this.#refused.size === 0) return;
    const refused = [...this.#refused];
    this.#refused.clear();
    // Not now: whoever gives back is in the middle of something, and wants the connection first if it has more to send.
    queueMicrotask(() => {
      for (const call of refused) call();
    });
  }
}

/** All origins in use, by URL and TLS identity. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #origins = new Map<string, Origin>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The origin, joined: to be left again. */
  join(url: string, tls?: TlsIdentity): Origin {
    const key = tls ? `${url} ${hash('sha256', JSON.stringify([tls.ca, tls.cert, tls.key]))}` : url;
    let origin = this.#origins.get(key);
    if (!origin) {
      origin = new Origin(url, tls, this.#options);
      this.#origins.set(key, origin);
    }
    origin.join();
    return origin;
  }

  /** Forgets origins that nobody uses any more. */
  sweep(): void {
    for (const [key, origin] of this.#origins) {
      if (!origin.idle) continue;
      origin.close();
      this.#origins.delete(key);
    }
  }

  /** Closes what is not in use; what is, is closed by whoever uses it. */
  close(): void {
    for (const origin of this.#origins.values()) origin.close();
    this.#origins.clear();
  }
}
