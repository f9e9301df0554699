/**
 * What makes a database a store: its format and its number of partitions, fixed when it is first opened, and an identity
 * by which a store that was emptied behind our back is told from the one that was there. Fields of the configuration's own
 * key: \`format\`, \`partitions\`, \`id\`, and \`version\` and \`floor\` (\`resources.ts\`).
 */
import { Script } from '../call.js';
import { allowedWhenFull } from './parts.js';

/**
 * Records the given, unless it has been recorded before.
 *
 *     KEYS[1]  the configuration
 *     ARGV     format, partitions, id
 *     returns  format, partitions, id, as they stand
 */
export const found = new Script(`${allowedWhenFull}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'partitions', ARGV[2], 'id', ARGV[3])
end
return redis.call('HMGET', KEYS[1], 'format', 'partitions', 'id')
`);

/**
 * Tells a partition a version of the configuration.
 *
 *     KEYS[1]  the partition
 *     ARGV     version
 */
export const learn = new Script(`${allowedWhenFull}
if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
end
`);

/**
 * Announces a process.
 *
 *     KEYS[1]  the configuration
 *     ARGV     its id, for how many ms, its kind
 *     returns  those of its kind alive
 */
export const announce = new Script(`${allowedWhenFull}
local alive = KEYS[1] .. ':' .. ARGV[3] .. 's'
local time = redis.call('TIME')
local at = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', alive, at + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', alive, '-inf', at)
return redis.call('ZRANGE', alive, 0, -1)
`);
