/** The store port on Redis: one server, Sentinel or Cluster. `DESIGN.md` beside this directory explains it. */
export { openRedisStore, type RedisStoreOptions } from './open.js';
