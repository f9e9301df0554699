/**
 * Gridpost as a subject: the built server, started as an operator would, with a topic and its subscriptions put
 * through the management API. Everything that is not named here is at its default, logging included.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { type Started, startProcess } from './processes.js';
import { startRedis } from './redis.js';
import { type Subject, type Surroundings, eventType, sinkUrl } from './subjects.js';

const main = join(import.meta.dirname, '..', '..', 'services', 'server', 'dist', 'main.js');
const topic = 'bench';
/** Subscriptions put at once; a workload may have thousands. */
const putsAtOnce = 16;

export interface SubscriptionToPut {
  readonly name: string;
  /** Default: the one that `publish` is of. */
  readonly topic?: string;
  /** As the management API takes them. */
  readonly properties: object;
}

export interface GridpostOptions {
  /** `lmdb`: one process. `redis`: a gateway, and delivery workers beside it. */
  readonly store: 'lmdb' | 'redis';
  /** Delivery workers on Redis, 1 by default. */
  readonly workers?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** One subscription to the driver's type, at the driver's sink, by default. */
  readonly subscriptions?: (sink: string) => readonly SubscriptionToPut[];
}

export interface GridpostSubject extends Subject {
  /** Directory of the embedded store. */
  readonly dataDirectory: string;
  /** Address of each process, by the same names as its pid. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Kills its processes, not the store, and starts them again at the same addresses. */
  restart(): Promise<void>;
}

/** What the driver publishes. */
const ofDriver = { includedEventTypes: [eventType] };

/** Pushes to this URL what passes the filter, by default what the driver publishes; `how` is said of the destination. */
export const pushed = (
  name: string,
  endpointUrl: string,
  { filter = ofDriver, how = {} }: { readonly filter?: object; readonly how?: object } = {},
): SubscriptionToPut => ({
  name,
  properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl, ...how } }, filter },
});

/** Keeps what the driver publishes until it is received. */
export const queued = (name: string): SubscriptionToPut => ({
  name,
  properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: {} }, filter: ofDriver },
});

export const gridpost =
  (options: GridpostOptions) =>
  async ({ scratch, sinkPort }: Surroundings): Promise<GridpostSubject> => {
    const directory = mkdtempSync(join(scratch, 'gridpost-'));
    const dataDirectory = join(directory, 'data');
    const stops: (() => Promise<void>)[] = [];
    const stop = async (): Promise<void> => {
      for (const end of stops.toReversed()) await end();
    };
    try {
      let storePid: number | undefined;
      let store = `lmdb:${dataDirectory}`;
      let roles: readonly (readonly [name: string, roles: string])[] = [['router', 'gateway,delivery']];
      if (options.store === 'redis') {
        const redis = await startRedis(directory);
        stops.push(redis.stop);
        storePid = redis.pid;
        store = `redis://127.0.0.1:${redis.port}`;
        const workers = Array.from({ length: options.workers ?? 1 }, (_, at) => `worker ${at + 1}`);
        roles = [['gateway', 'gateway'], ...workers.map((name) => [name, 'delivery'] as const)];
      }
      const started = new Map<string, Started>();
      stops.push(async () => {
        for (const server of started.values()) await server.stop();
      });
      const addresses: Record<string, string> = {};
      const router: Record<string, number> = {};
      const start = async (): Promise<void> => {
        for (const [name, role] of roles) {
          const server = await startServer(name, directory, {
            ...options.environment,
            GRIDPOST_STORE: store,
            GRIDPOST_ROLES: role,
            GRIDPOST_PORT: addresses[name] === undefined ? '0' : new URL(addresses[name]).port,
          });
          started.set(name, server);
          addresses[name] = server.match[1]!;
          router[name] = server.pid;
        }
      };
      await start();
      const api = addresses[roles[0]![0]]!;
      await putAll(api, (options.subscriptions ?? ((sink) => [pushed('driver', sink)]))(sinkUrl(sinkPort)));
      return {
        publish: `${api}/topics/${topic}:publish`,
        router,
        ...(storePid === undefined ? {} : { storePid }),
        dataDirectory,
        addresses,
        async restart() {
          for (const server of started.values()) await server.stop();
          await start();
        },
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  };

function startServer(
  name: string,
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<Started> {
  return startProcess({
    name: `gridpost ${name}`,
    command: process.execPath,
    args: [main],
    environment,
    directory,
    ready: /^Gridpost \S+ listening on (http:\/\/\S+)/,
  });
}

async function putAll(api: string, subscriptions: readonly SubscriptionToPut[]): Promise<void> {
  for (const name of new Set([topic, ...subscriptions.map((each) => each.topic ?? topic)]))
    await put(`${api}/topics/${name}`, {});
  const left = [...subscriptions];
  const putSome = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      await put(`${api}/topics/${next.topic ?? topic}/eventsubscriptions/${next.name}`, next.properties);
    }
  };
  await Promise.all(Array.from({ length: putsAtOnce }, putSome));
}

async function put(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`PUT ${url} was answered ${response.status}: ${text}`);
}

/** Sum of a metric's series in one process, over all labels; 0 if there are none. */
export async function readMetric(address: string, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  let sum = 0;
  for (const line of text.split('\n')) {
    if ((line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
      sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
