/**
 * ioredis set up so that a write is never made twice and no promise waits for ever. Every departure from its defaults is
 * here, with its reason; what these settings cannot give, `call.ts` and `link.ts` add.
 */
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { Target } from './url.js';

export type Client = Redis | Cluster;

/** Replies in the shapes of RESP2, whatever is spoken: ioredis's types want it said. */
type Options = RedisOptions & { readonly replyMapping: 'legacy' };

/** Waits between attempts to connect: publishing must resume within 3 s of Redis being back. */
const backoff = (attempt: number): number => Math.min(50 * attempt, 500);

/** Not connected yet: `connect()` does that. */
export function clientOf(target: Target, timeoutMs: number): Client {
  const common = commonOptions(target, timeoutMs);
  if (target.kind === 'redis-cluster') {
    return new Cluster([...target.addresses], clusterOptions(target, common, timeoutMs));
  }
  const single: Options = { ...common, db: target.database, retryStrategy: backoff };
  if (target.kind === 'redis-sentinel')
    return new Redis({ ...single, ...sentinelOptions(target, timeoutMs) });
  return new Redis({ ...single, ...target.addresses[0]! });
}

/** The servers that writes go to, as far as they are known: one, or a cluster's primaries. */
export const primariesOf = (client: Client): Redis[] =>
  client instanceof Cluster ? client.nodes('master') : [client];

/**
 * A connection of its own that does not reconnect by itself: to the same server, or to one of a cluster's, another at
 * each turn. Undefined while no node of the cluster is known.
 */
export function companionOf(client: Client, turn: number): Redis | undefined {
  const primaries = primariesOf(client);
  return primaries[turn % primaries.length]?.duplicate({ lazyConnect: true, retryStrategy: null });
}

function commonOptions(target: Target, timeoutMs: number): Options {
  const { username, password, tls } = target;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: { ...tls } } : {}),
    replyMapping: 'legacy',
    lazyConnect: true,
    // Together these reject what was under way when a connection ends. With the defaults it is sent again, and an append
    // whose reply was lost is made twice; with resending off alone its promise would never settle.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Nothing queues while there is no connection: a queued write would be made long after its publisher was told.
    enableOfflineQueue: false,
    // Subscribing again is the listener's business; ioredis leaves the promise of its own attempt unobserved.
    autoResubscribe: false,
    // After a demotion the connection stays open and refuses writes: find the new primary. 2 would resend the write.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    connectTimeout: timeoutMs,
    // Holds for the handshake; calls have the watch.
    commandTimeout: timeoutMs,
    // By default a second or more passes between looks at a server that is loading its data.
    maxLoadingRetryTime: 200,
    keepAlive: 10_000,
    // How long a server that does not answer may hold up the end of a connection.
    disconnectTimeout: 200,
  };
}

function sentinelOptions(target: Target, timeoutMs: number) {
  const { addresses, primary, sentinelPassword, tls } = target;
  return {
    sentinels: [...addresses],
    name: primary!,
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: { ...tls } } : {}),
    sentinelRetryStrategy: backoff,
    sentinelCommandTimeout: timeoutMs,
    // Hear of a failover from the sentinels instead of from the first refused write.
    failoverDetector: true,
  } satisfies RedisOptions;
}

function clusterOptions(target: Target, common: Options, timeoutMs: number) {
  const { lazyConnect: _, enableOfflineQueue: __, ...redisOptions } = common;
  return {
    redisOptions,
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: backoff,
    slotsRefreshTimeout: timeoutMs,
    slotsRefreshInterval: 5_000,
    // 0 turns resending off. A command whose connection ended may have been executed; only MOVED and ASK, which say that
    // it was not, are followed.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 0,
    // A certificate names hosts, not addresses: leave resolving to the socket.
    ...(target.tls ? { dnsLookup: asItIs } : {}),
  } satisfies ClusterOptions;
}

const asItIs: NonNullable<ClusterOptions['dnsLookup']> = (host, found) => found(null, host);
