/** A gateway on a free port over the reference store, and plain HTTP to speak to it, for this room's tests. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { request as requestOverTls } from 'node:https';
import { connect, type LookupFunction, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';
import { Egress } from '@gridpost/egress';
import { Publisher } from '@gridpost/ingest';
import { Metrics } from '@gridpost/metrics';
import { type Clock, Event, type Log, systemClock } from '@gridpost/model';
import { Registry } from '@gridpost/registry';
import { MemoryStore } from '@gridpost/store';
import { createGateway, type Gateway, type GatewayOptions } from '../gateway.js';

export const adminKey = 'the-admin-key-0123456789';
export const rootKey = Buffer.from('the-root-key-of-the-tests-012345');

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

export interface Call {
  /** Objects are sent as JSON, strings and buffers as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

export interface Served {
  readonly gateway: Gateway;
  readonly store: MemoryStore;
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly metrics: Metrics;
  readonly port: number;
  /** Where clients reach it: over TLS if `tls` was given, whose certificate they then have to be told as `ca`. */
  readonly url: string;
  /** Every log line, as JSON. */
  readonly lines: string[];
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** Like `call`, with the admin key. */
  admin(method: string, path: string, body?: unknown, headers?: Call['headers']): Promise<Answer>;
  /** Publishes with the admin key, as one structured event unless it is told otherwise. */
  publish(topic: string, body: unknown, headers?: Call['headers']): Promise<Answer>;
  /** A connection to write bytes to that no client would. */
  connect(): Connection;
}

export interface Connection {
  readonly socket: Socket;
  /** What has come back so far. */
  readonly received: () => string;
  /** Resolves with all that came back, when the gateway has closed the connection. */
  readonly closed: Promise<string>;
  /** Resolves when what came back contains `text`. */
  until(text: string): Promise<void>;
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

export async function serve(
  options: Partial<Omit<GatewayOptions, 'store'>> & {
    readonly store?: MemoryStore;
    readonly open?: boolean;
  } = {},
): Promise<Served> {
  const clock: Clock = options.clock ?? systemClock;
  const store = options.store ?? new MemoryStore({ clock });
  const registry = options.registry ?? new Registry(store, clock);
  const publisher = options.publisher ?? new Publisher({ store });
  const metrics = options.metrics ?? new Metrics('1.2.3');
  const lines: string[] = [];
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(JSON.stringify({ level, message, ...fields }));
  const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const gateway = createGateway({
    rootKey,
    adminKey: options.open ? undefined : adminKey,
    serveApi: true,
    allowUnvalidatedEndpoints: true,
    egress: new Egress({ allow: ['127.0.0.0/8', '::1'], lookup: nearby }),
    checks: async () => ({ store: await store.health() }),
    version: '1.2.3',
    ...options,
    store,
    registry,
    publisher,
    metrics,
    clock,
    log,
  });
  const { port } = await gateway.listen('127.0.0.1', 0);
  ends.push(async () => {
    await gateway.close();
    await store.close();
  });
  const credential: Record<string, string> = options.open ? {} : { authorization: `Bearer ${adminKey}` };

  const call = (method: string, path: string, what: Call = {}): Promise<Answer> =>
    send(port, options.tls?.cert, method, path, what);
  return {
    gateway,
    store,
    registry,
    publisher,
    metrics,
    port,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    lines,
    call,
    admin: (method, path, body, headers) =>
      call(method, path, { body, headers: { ...credential, ...headers } }),
    publish: (topic, body, headers) =>
      call('POST', `/topics/${topic}:publish`, {
        body,
        headers: { ...credential, 'content-type': 'application/cloudevents+json', ...headers },
      }),
    connect: () => open(port),
  };
}

/** Tests reach nothing outside this machine: no name resolves but its own. */
export const nearby: LookupFunction = (hostname, _, callback) => {
  if (hostname === 'localhost') callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(Object.assign(new Error('not in a test'), { code: 'ENOTFOUND' }), '');
};

function send(
  port: number,
  ca: Buffer | string | undefined,
  method: string,
  path: string,
  { body, headers = {} }: Call,
): Promise<Answer> {
  const bytes =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const described: Record<string, string | number | readonly string[]> = {};
  if (bytes !== undefined) {
    described['content-length'] = Buffer.byteLength(bytes);
    if (bytes !== body) described['content-type'] = 'application/json';
  }
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port, method, path, agent: false as const };
    const outgoing = (ca === undefined ? request : requestOverTls)(
      { ...target, ...(ca === undefined ? {} : { ca }), headers: { ...described, ...headers } as never },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const whole = Buffer.concat(chunks);
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers,
            body: whole,
            text: whole.toString(),
            get json() {
              return JSON.parse(whole.toString());
            },
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

function open(port: number): Connection {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  let received = '';
  const watchers = new Set<() => void>();
  socket.on('data', (chunk: string) => {
    received += chunk;
    for (const watch of watchers) watch();
  });
  // A gateway that cuts a connection may reset it; what matters is what came back before.
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(received)));
  ends.push(async () => {
    socket.destroy();
    await closed;
  });
  return {
    socket,
    received: () => received,
    closed,
    until(text) {
      return new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!received.includes(text)) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
        void closed.then(() => reject(new Error(`closed before ${JSON.stringify(text)} came: ${received}`)));
      });
    },
  };
}

/** An event with what CloudEvents requires, and whatever is given. */
export function eventOf(attributes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { specversion: '1.0', id: '1', source: '/test', type: 'test.event', ...attributes };
}

/** All events in the log, in its order, from all partitions. */
export async function storedEvents(store: MemoryStore): Promise<Event[]> {
  const found: Event[] = [];
  for (let partition = 0; partition < store.info.partitions; partition++) {
    const claim = await store.claim(partition, 'reader', 10_000, 0);
    const { entries } = await store.read(partition, claim!.epoch, undefined, {
      entriesMax: 100_000,
      bytesMax: 2 ** 30,
    });
    for (const { events } of entries) for (const { frame } of events) found.push(new Event(frame));
  }
  return found;
}

/** Their ids. */
export async function storedIds(store: MemoryStore): Promise<string[]> {
  return (await storedEvents(store)).map(({ id }) => id);
}
