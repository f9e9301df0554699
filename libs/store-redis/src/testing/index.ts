/** Redis servers for tests: private ones that can be killed, clusters, and a proxy to put before them. */
export { canSpawnRedis, type RedisAvailability, redisAvailability } from './availability.js';
export { type RedisCluster, startRedisCluster } from './cluster.js';
export { type Proxy, startProxy } from './proxy.js';
export { freePort, type RedisServer, type RedisServerOptions, startRedis } from './server.js';
export { wipe } from './wipe.js';
