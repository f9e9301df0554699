/** What subscriptions hold in a partition, and forgetting it. */
import { Script } from '../call.js';
import { allowedWhenFull, clock } from './parts.js';
import { deliveries } from './quotas.js';

/**
 * Reads a page of usage, by subscription.
 *
 *     KEYS[1]  the partition
 *     ARGV     where to begin: \`-\`, or \`(\` and the subscription after which; most subscriptions
 *     returns  entries in the log, the server's clock in ms; then subscription, deferred, their bytes, dead letters, their
 *              bytes, and the oldest entry of which anything is open or nil, of each
 */
export const readUsage = new Script(`${allowedWhenFull}${clock}
local base = KEYS[1]
local answer, size = { redis.call('XLEN', base .. ':log'), now() }, 2
local page = redis.call('ZRANGEBYLEX', base .. ':subscriptions', ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for _, subscription in ipairs(page) do
  local usage = redis.call('HMGET', base .. ':usage', subscription, subscription .. ':dead', subscription .. ':open')
  answer[size + 1] = subscription
  answer[size + 2] = usage[3] or 0
  answer[size + 3] = usage[1] or 0
  answer[size + 4] = redis.call('ZCARD', base .. ':dead:' .. subscription)
  answer[size + 5] = usage[2] or 0
  answer[size + 6] = redis.call('ZRANGE', base .. ':age:' .. subscription, 0, 0)[1] or false
  size = size + 6
end
return answer
`);

/**
 * Forgets deliveries and dead letters of a subscription.
 *
 *     KEYS[1]  the partition
 *     ARGV     subscription, most
 *     returns  how many
 */
export const purge = new Script(`${allowedWhenFull}${clock}${deliveries}
local subscription, most = ARGV[1], tonumber(ARGV[2])
local left = most
for _, entry in ipairs(redis.call('ZRANGE', queue('age', subscription), 0, left - 1)) do
  local open = openOf(entry, subscription, 0)
  if open then
    local indexes = indexesOf(open, nil, left)
    forget(open, indexes)
    left = left - #indexes
  else
    redis.call('ZREM', queue('age', subscription), entry)
    left = left - 1
  end
  if left == 0 then break end
end
for _, member in ipairs(left > 0 and redis.call('ZRANGE', queue('dead', subscription), 0, left - 1) or {}) do
  local entry, i = letterOf(member, subscription)
  if entry then
    unbury(entry, subscription, i)
    release(entry, { i })
  end
  left = left - 1
end
finish(now())
if redis.call('EXISTS', queue('age', subscription), queue('dead', subscription)) == 0 then
  redis.call('ZREM', base .. ':subscriptions', subscription)
  redis.call('HDEL', base .. ':usage', subscription, subscription .. ':dead', subscription .. ':open')
end
return most - left
`);
