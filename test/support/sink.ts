/**
 * A webhook endpoint that records what reaches it and answers as it is told: any status, late, never, or with a reset
 * connection. It is a real server on a free port. A receipt is recorded, and the ledger told, before the answer is
 * written: what the router believes delivered was received.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { atEnd } from './teardown.js';
import { type Delivered, readDelivery } from './wire.js';

export interface Receipt {
  /** Path and query of the request. */
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** `performance.now()` of its last byte. */
  readonly at: number;
  /** How many requests with the same message id came before. */
  readonly repetition: number;
  /** The event, read when it is asked for. Throws where the request carries none. */
  readonly event: Delivered;
  /** Whether the connection ended before an answer was written. */
  readonly cut: boolean;
}

interface Answering {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Waits before it answers. */
  readonly afterMs?: number;
}

/** `silence`: never answers. `reset`: ends the connection with RST. */
export type Behaviour = Answering | 'silence' | 'reset';

export type Reply = (receipt: Receipt) => Behaviour | Promise<Behaviour>;

export interface Sink {
  readonly port: number;
  /** Everything received, in order. */
  readonly receipts: readonly Receipt[];
  url(path: string): string;
  /** Sets how requests are answered from now on; at first, everything with 200. */
  reply(reply: Reply | Behaviour): void;
  /** Sets how requests to one path are answered from now on, whatever `reply` says of others. */
  replyAt(path: string, behaviour: Behaviour): void;
  /** Called with each receipt before it is answered. */
  onReceipt(call: (receipt: Receipt) => void): void;
  /** Resolves with all matching receipts as soon as there are `count`, earlier ones included; rejects after `withinMs`. */
  received(
    match: string | ((receipt: Receipt) => boolean),
    count?: number,
    withinMs?: number,
  ): Promise<Receipt[]>;
  /** Receipts on a path. */
  on(path: string): Receipt[];
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

export interface SinkOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** False treats handshakes as all else. By default it agrees to them, and they are no receipts. */
  readonly agrees?: boolean;
}

export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const receipts: Receipt[] = [];
  const seen = new Map<string, number>();
  const observers = new Set<(receipt: Receipt) => void>();
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let answer: Reply = () => ({ status: 200 });
  const answers = new Map<string, Behaviour>();

  const server = createServer({ keepAlive: true }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void take(request, response, Buffer.concat(chunks)));
  });
  // A router keeps its connections; the sink must not be the one that closes them under its feet.
  server.keepAliveTimeout = 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  async function take(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const yes =
      (options.agrees ?? true) && agreement({ method: request.method, headers: request.headers, body });
    if (yes) {
      response.writeHead(yes.status, yes.headers).end(yes.body);
      return;
    }
    const receipt = record(request, response, body);
    receipts.push(receipt);
    for (const observe of [...observers]) observe(receipt);
    const behaviour = answers.get(receipt.path) ?? (await answer(receipt));
    if (behaviour === 'silence') return;
    if (behaviour === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    const { status, headers = {}, body: text = '', afterMs = 0 } = behaviour;
    const write = (): void => void response.writeHead(status, headers).end(text);
    if (afterMs === 0) return write();
    const timer = setTimeout(() => {
      timers.delete(timer);
      write();
    }, afterMs);
    timers.add(timer);
  }

  function record(request: IncomingMessage, response: ServerResponse, body: Buffer): Receipt {
    const { url: path = '/', method = '', headers } = request;
    const id = messageIdOf(headers);
    const repetition = id === undefined ? 0 : (seen.get(id) ?? 0);
    if (id !== undefined) seen.set(id, repetition + 1);
    let event: Delivered | undefined;
    return {
      path,
      method,
      headers,
      body,
      at: performance.now(),
      repetition,
      get event() {
        return (event ??= readDelivery(headers, body));
      },
      get cut() {
        return response.closed && !response.writableFinished;
      },
    };
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      for (const timer of timers) clearTimeout(timer);
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
    return closing;
  };
  atEnd(close);

  return {
    port,
    receipts,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    reply(reply) {
      answer = typeof reply === 'function' ? reply : () => reply;
    },
    replyAt: (path, behaviour) => void answers.set(path, behaviour),
    onReceipt: (call) => void observers.add(call),
    on: (path) => receipts.filter((receipt) => receipt.path === path),
    received(match, count = 1, withinMs = 60_000) {
      const matches = typeof match === 'string' ? (receipt: Receipt) => receipt.path === match : match;
      const matching = receipts.filter(matches);
      if (matching.length >= count) return Promise.resolve(matching);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          observers.delete(observe);
          timers.delete(timer);
          reject(new Error(`${matching.length} of ${count} receipts within ${withinMs} ms`));
        }, withinMs);
        timers.add(timer);
        const observe = (receipt: Receipt): void => {
          if (!matches(receipt)) return;
          matching.push(receipt);
          if (matching.length < count) return;
          observers.delete(observe);
          clearTimeout(timer);
          timers.delete(timer);
          resolve(matching);
        };
        observers.add(observe);
      });
    },
    close,
  };
}

/** Yes to a request that asks whether events are wanted; undefined for any other. */
export function agreement({
  method,
  headers,
  body,
}: Pick<Receipt, 'headers' | 'body'> & { readonly method?: string | undefined }): Answering | undefined {
  const origin = headers['webhook-request-origin'];
  if (method === 'OPTIONS' && origin !== undefined)
    return {
      status: 200,
      headers: { 'webhook-allowed-origin': String(origin), 'webhook-allowed-rate': '*' },
    };
  if (headers['aeg-event-type'] !== 'SubscriptionValidation') return undefined;
  const [{ data }] = JSON.parse(body.toString()) as [{ data: { validationCode: string } }];
  return { status: 200, body: JSON.stringify({ validationResponse: data.validationCode }) };
}

/** The identity that all attempts of a delivery share. */
export function messageIdOf(headers: IncomingHttpHeaders): string | undefined {
  const id = headers['webhook-id'];
  return typeof id === 'string' ? id : undefined;
}
