/** What subscriptions hold in a partition, and forgetting it. */
import { Script } from '../call.js';
import { allowedWhenFull, clock, deliveries } from './parts.js';

/**
 * Reads a page of usage, by subscription.
 *
 *     KEYS[1]  the partition
 *     ARGV     where to begin: \`-\`, or \`(\` and the subscription after which; most subscriptions
 *     returns  entries in the log, the server's clock in ms; then subscription, deferred, their bytes, dead letters, their
 *              bytes, and the oldest deferred member or nil, of each
 */
export const readUsage = new Script(`${allowedWhenFull}${clock}
local base = KEYS[1]
local answer, size = { redis.call('XLEN', base .. ':log'), now() }, 2
local page = redis.call('ZRANGEBYLEX', base .. ':subscriptions', ARGV[1], '+', 'LIMIT', 0, ARGV[2])
for _, subscription in ipairs(page) do
  local bytes = redis.call('HMGET', base .. ':usage', subscription, subscription .. ':dead')
  answer[size + 1] = subscription
  answer[size + 2] = redis.call('ZCARD', base .. ':age:' .. subscription)
  answer[size + 3] = bytes[1] or 0
  answer[size + 4] = redis.call('ZCARD', base .. ':dead:' .. subscription)
  answer[size + 5] = bytes[2] or 0
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
local subscription, left = ARGV[1], tonumber(ARGV[2])
local count = 0
for _, name in ipairs({ 'age', 'dead' }) do
  for _, member in ipairs(left > count and redis.call('ZRANGE', queue(name, subscription), 0, left - count - 1) or {}) do
    local kind, charge = find(member, subscription)
    if kind then drop(member, subscription, kind, charge) end
    count = count + 1
  end
end
finish(now())
if redis.call('EXISTS', queue('age', subscription), queue('dead', subscription)) == 0 then
  redis.call('ZREM', base .. ':subscriptions', subscription)
  redis.call('HDEL', base .. ':usage', subscription, subscription .. ':dead')
end
return count
`);
