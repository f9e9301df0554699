/** Redis servers for tests: private ones that can be killed, clusters, and a proxy to put before them. */
export { audit } from './audit.js';
export { canSpawnRedis, type RedisAvailability, redisAvailability } from './availability.js';
export { type RedisCluster, startRedisCluster } from './cluster.js';
export { timed, until } from './patience.js';
export { startProxy, type TcpProxy } from './proxy.js';
export { startSentinel } from './sentinel.js';
export { type RedisServer, type RedisServerOptions, startRedis } from './server.js';
export { wipe } from './wipe.js';
