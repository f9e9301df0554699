/** Lua about the counts of subscriptions and their quotas. After `letters` of `letters.ts`. */
import { held } from './held.js';
import { letters } from './letters.js';
import { runs } from './runs.js';

/**
 * `:usage` holds by subscription the charged bytes of its open deliveries, as `:open` their number, as `:dead` the charged
 * bytes of its dead letters. `finish` ends a change of deliveries: it writes what is in hand and those counts, enforces
 * quotas, and brings the index of subscriptions up to date.
 */
const quotas = `
-- The oldest deferred become dead letters until that makes up for the excess, at most so many; returns how many.
local function turnOldest(subscription, excess, most, at)
  local turned, left, skip = 0, most, 0
  while excess > 0 and left > 0 do
    local oldest = call('ZRANGE', queue('age', subscription), skip, skip + 63)
    if not oldest[1] then break end
    for _, name in ipairs(oldest) do
      local open = openOf(name, subscription, 0)
      for _, i in ipairs(open and indexesOf(open, nil, left) or {}) do
        if excess <= 0 then break end
        left = left - 1
        local run = runAt(open, i)
        if run and run.kind == 'd' then
          close(open, { i })
          bury(open.entry, subscription, i, at .. ' QuotaExceeded', run.state)
          excess = excess - chargeOf(open.entry, i)
          turned = turned + 1
        end
      end
      if not open then
        call('ZREM', queue('age', subscription), name)
      elseif indexesOf(open, nil, 1)[1] then
        skip = skip + 1
      end
      if excess <= 0 or left == 0 then break end
    end
    flush()
  end
  return turned
end

-- The oldest dead letters go until that makes up for the excess, at most so many; returns how many.
local function dropOldest(subscription, excess, most)
  local dropped = 0
  while excess > 0 and dropped < most do
    local oldest = call('ZRANGE', queue('dead', subscription), 0, 63)
    if not oldest[1] then break end
    for _, member in ipairs(oldest) do
      if excess <= 0 or dropped == most then break end
      local entry, i = letterOf(member, subscription)
      if entry then
        unbury(entry, subscription, i)
        release(entry, { i })
        excess = excess - chargeOf(entry, i)
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
    local ofDead, ofOpen = subscription .. ':dead', subscription .. ':open'
    local before = call('HMGET', usage, subscription, ofDead, ofOpen)
    local deferred, dead = tonumber(before[1] or 0), tonumber(before[2] or 0)
    if quota then
      local tooMany = deferred + change.deferred - quota.deferred
      local tooMuch = deferred + change.deferred + dead + change.dead - quota.all
      if tooMany > 0 or tooMuch > 0 then
        local turned = turnOldest(subscription, tooMany, quota.steps, at)
        local dropped = dropOldest(subscription, tooMuch, quota.steps)
        if turned + dropped > 0 then
          effects[#effects + 1] = subscription
          effects[#effects + 1] = turned
          effects[#effects + 1] = dropped
        end
        if turned == quota.steps or dropped == quota.steps then call('SADD', base .. ':over', subscription) end
      end
    end
    deferred, dead = deferred + change.deferred, dead + change.dead
    if deferred == 0 and dead == 0 then
      call('HDEL', usage, subscription, ofDead, ofOpen)
      call('ZREM', base .. ':subscriptions', subscription)
    else
      local open = tonumber(before[3] or 0) + change.open
      call('HSET', usage, subscription, deferred, ofDead, dead, ofOpen, open)
      if not before[1] then call('ZADD', base .. ':subscriptions', 0, subscription) end
    end
    index(subscription, at)
  end
  return effects
end
`;

/** What every script that changes deliveries begins with. `KEYS[1]` is the partition; nothing else touches these keys. */
export const deliveries = held + runs + letters + quotas;
