/** Whether tests that need Redis run, and where. A skip is loud, and a failure where `GRIDPOST_REQUIRE_REDIS=1`. */
import { spawnSync } from 'node:child_process';

export type RedisAvailability =
  /** A server that somebody runs: it cannot be killed or filled, and other keys may be in it. */
  | { readonly kind: 'given'; readonly url: string }
  /** `startRedis` works. */
  | { readonly kind: 'spawned' }
  | { readonly kind: 'none'; readonly reason: string };

let announced = false;

/** `REDIS_URL` if it is set, else redis-server on the PATH, else none. */
export function redisAvailability(env: NodeJS.ProcessEnv = process.env): RedisAvailability {
  const { REDIS_URL: url, GRIDPOST_REQUIRE_REDIS: required } = env;
  if (url) return { kind: 'given', url };
  if (canSpawnRedis(env)) return { kind: 'spawned' };
  const reason = 'redis-server is not on the PATH, and REDIS_URL is not set';
  if (required === '1') throw new Error(`GRIDPOST_REQUIRE_REDIS is 1, but ${reason}`);
  if (!announced) process.stderr.write(`redis tests skipped: ${reason}\n`);
  announced = true;
  return { kind: 'none', reason };
}

/** Whether private servers can be started, whatever `REDIS_URL` says. */
export function canSpawnRedis(env: NodeJS.ProcessEnv = process.env): boolean {
  return spawnSync('redis-server', ['--version'], { env, stdio: 'ignore' }).status === 0;
}
