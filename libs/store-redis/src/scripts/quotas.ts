/** Lua that scripts about deliveries begin with, last part: counts of subscriptions, their quotas, and their index. */
import { held } from './held.js';
import { runs } from './runs.js';

/**
 * `:usage` holds by subscription the charged bytes of its open deliveries, as `:open` their number, as `:dead` the charged
 * bytes of its dead letters. `finish` ends a change of deliveries: it writes what is in hand and those counts, enforces
 * quotas, and brings the index of subscriptions up to date.
 */
const quotas = `
-- Where the subscription stands in the index: its earliest delivery, or the end of its parking.
local function index(subscription, at)
  local first = redis.call('ZRANGE', queue('due', subscription), 0, 0, 'WITHSCORES')
  if not first[1] then
    redis.call('ZREM', base .. ':due', subscription)
    return
  end
  local due = tonumber(first[2])
  local parked = tonumber(redis.call('ZSCORE', base .. ':parked', subscription) or 0)
  if parked > at and parked > due then due = parked end
  redis.call('ZADD', base .. ':due', due, subscription)
end

-- The oldest deferred of a subscription become dead letters while \`over\` says so, at most so many; returns how many.
local function turnOldest(subscription, over, most, at)
  local turned, left, skip = 0, most, 0
  while over() and left > 0 do
    local oldest = redis.call('ZRANGE', queue('age', subscription), skip, skip + 63)
    if not oldest[1] then break end
    for _, name in ipairs(oldest) do
      if not over() or left == 0 then break end
      local open = openOf(name, subscription)
      if open then
        for i = 0, open.entry.count - 1 do
          if not over() or left == 0 then break end
          local run = runAt(open, i)
          if run then left = left - 1 end
          if run and run.kind == 'd' then
            giveUp(open, i, at .. ' QuotaExceeded', run.state)
            turned = turned + 1
          end
        end
        if open.size > 0 then skip = skip + 1 end
      else
        redis.call('ZREM', queue('age', subscription), name)
      end
    end
    flush()
  end
  return turned
end

-- The oldest dead letters of a subscription go while \`over\` says so, at most so many; returns how many.
local function dropOldest(subscription, over, most)
  local dropped = 0
  while over() and dropped < most do
    local oldest = redis.call('ZRANGE', queue('dead', subscription), 0, 63)
    if not oldest[1] then break end
    for _, member in ipairs(oldest) do
      if not over() or dropped == most then break end
      local entry, i = deadLetterOf(member, subscription)
      if entry then
        unbury(entry, subscription, i)
        use(entry, i, -1)
        dropped = dropped + 1
      end
    end
    flush()
  end
  return dropped
end

-- Ends a change of deliveries. Without a quota none is enforced. Returns what quotas did: subscription, turned, dropped, …
local function finish(at, quota)
  flush()
  local effects = {}
  local usage = base .. ':usage'
  for subscription, change in pairs(touched) do
    local fields = { subscription, subscription .. ':dead', subscription .. ':open' }
    local before = redis.call('HMGET', usage, unpack(fields))
    local deferred, dead = tonumber(before[1] or 0), tonumber(before[2] or 0)
    local function over() return deferred + change.deferred > quota.deferred end
    local function overAll() return deferred + change.deferred + dead + change.dead > quota.all end
    if quota and (over() or overAll()) then
      local turned = turnOldest(subscription, over, quota.steps, at)
      local dropped = dropOldest(subscription, overAll, quota.steps)
      if turned + dropped > 0 then
        effects[#effects + 1] = subscription
        effects[#effects + 1] = turned
        effects[#effects + 1] = dropped
      end
      if turned == quota.steps or dropped == quota.steps then redis.call('SADD', base .. ':over', subscription) end
    end
    deferred, dead = deferred + change.deferred, dead + change.dead
    if deferred == 0 and dead == 0 then
      redis.call('HDEL', usage, unpack(fields))
      redis.call('ZREM', base .. ':subscriptions', subscription)
    else
      local open = tonumber(before[3] or 0) + change.open
      redis.call('HSET', usage, fields[1], deferred, fields[2], dead, fields[3], open)
      if not before[1] then redis.call('ZADD', base .. ':subscriptions', 0, subscription) end
    end
    index(subscription, at)
  end
  return effects
end
`;

/** All of them: `KEYS[1]` is the partition; no other script touches the keys they name. */
export const deliveries = held + runs + quotas;
