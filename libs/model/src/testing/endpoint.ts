/** A real HTTP endpoint on a free port that records requests and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The `id` of the event in the body, if it is a single one. */
  readonly id: string | undefined;
  /** Those of the events in the body, if it is a batch. */
  readonly batch: readonly string[];
}

export type Answer = (request: Received, response: ServerResponse) => void;

export const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };

/** Agrees to get events, by whichever handshake it is asked, and takes them. */
export const agree: Answer = ({ method, headers, body }, response) => {
  if (method === 'OPTIONS') {
    response.setHeader('webhook-allowed-origin', headers['webhook-request-origin']!);
    response.setHeader('webhook-allowed-rate', '*');
  }
  response.writeHead(200);
  if (headers['aeg-event-type'] !== 'SubscriptionValidation') response.end();
  else response.end(JSON.stringify({ validationResponse: JSON.parse(body)[0].data.validationCode }));
};

export class Endpoint {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();
  #answer: Answer = answer(200);

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const id = body.startsWith('{') ? (JSON.parse(body) as { id: string }).id : undefined;
        const batch = body.startsWith('[') ? (JSON.parse(body) as { id: string }[]).map((one) => one.id) : [];
        const { method, url, headers } = request;
        const received = { method: method!, path: url!, headers, body, id, batch };
        this.received.push(received);
        this.#answer(received, response);
        for (const check of this.#waiting) check();
      });
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const check of this.#waiting) check();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections open to it. */
  get connections(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  /** How requests are answered from now on; 200 at first. */
  reply(answer: Answer): void {
    this.#answer = answer;
  }

  /** Paths and ids of what was received. */
  ids(path?: string): string[] {
    return this.received.filter((each) => path === undefined || each.path === path).map(({ id }) => id!);
  }

  /** Ids of the batches that were received, in order. */
  batches(): (readonly string[])[] {
    return this.received.map(({ batch }) => batch);
  }

  /** Resolves as soon as `condition` holds; it is looked at after each request and each closed connection. */
  async until(condition: (received: readonly Received[]) => boolean): Promise<void> {
    if (condition(this.received)) return;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!condition(this.received)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  /** Ends all connections from this side. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.disconnect();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
