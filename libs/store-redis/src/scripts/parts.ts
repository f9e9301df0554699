/**
 * Pieces of Lua that several scripts begin with. Redis has no `require`: they are put in front of a script's text.
 *
 * All of them expect `KEYS[1]`, the key that names the slot. A script may write below any key that begins with it.
 */

/** `flags=allow-oom`: may write when memory is full, since it makes room or keeps work going. */
export const allowedWhenFull = '#!lua flags=allow-oom\n';

/** Refused by Redis, before it begins, when memory is full. */
export const refusedWhenFull = '#!lua\n';

/** `now()`: the server's clock in milliseconds. */
export const clock = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** Ends the script with nil, which callers take for \`Fenced\`, unless \`ARGV[1]\` is the partition's epoch. */
export const fence = `
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return nil end
`;

/**
 * Deferred and leased deliveries and dead letters. A delivery is the field of its subscription in the hash of its event's
 * held payload:
 *
 *     kind (d deferred, l leased, x dead letter), u32 charge, u8 tag length, tag, state
 *
 * The tag is a leased delivery's token, or a dead letter's instant and reason. The state is opaque here. Members are named
 * as \`keys.ts\` says. A subscription's queues: \`due\` by when a delivery is due or its lease ends, \`age\` in the order of
 * acceptance, \`dead\` in the order of dead-lettering.
 *
 * \`write\` and \`drop\` change a delivery and note what that means for its subscription's bytes; \`finish\` writes those,
 * enforces the quota, and brings the index of subscriptions up to date. Nothing else touches these keys.
 */
export const deliveries = `
local base = KEYS[1]
local touched = {}

local function held(member) return base .. ':held:' .. member end
local function queue(name, subscription) return base .. ':' .. name .. ':' .. subscription end

local function pack(kind, charge, tag, state)
  return struct.pack('<c1I4B', kind, charge, #tag) .. tag .. state
end

local function parse(record)
  local kind, charge, length = struct.unpack('<c1I4B', record)
  return kind, charge, string.sub(record, 7, 6 + length), string.sub(record, 7 + length)
end

local function touch(subscription)
  local change = touched[subscription]
  if not change then
    change = { deferred = 0, dead = 0 }
    touched[subscription] = change
  end
  return change
end

-- Takes a delivery of the given kind out of the queues.
local function unqueue(member, subscription, kind, charge)
  local change = touch(subscription)
  if kind == 'x' then
    redis.call('ZREM', queue('dead', subscription), member)
    change.dead = change.dead - charge
  else
    redis.call('ZREM', queue('due', subscription), member)
    redis.call('ZREM', queue('age', subscription), member)
    change.deferred = change.deferred - charge
  end
end

-- Gives a delivery a new kind; \`was\` is the one it had, nil if it is new. \`at\`: when it is due or its lease ends.
local function write(member, subscription, was, kind, charge, tag, state, at)
  local open = was == 'd' or was == 'l'
  if was and (was == 'x') ~= (kind == 'x') then unqueue(member, subscription, was, charge) end
  redis.call('HSET', held(member), subscription, pack(kind, charge, tag, state))
  local change = touch(subscription)
  if kind == 'x' then
    local order = redis.call('HINCRBY', base, 'deaths', 1)
    redis.call('ZADD', queue('dead', subscription), order, member)
    change.dead = change.dead + charge
  else
    redis.call('ZADD', queue('due', subscription), at, member)
    if not open then
      redis.call('ZADD', queue('age', subscription), 0, member)
      change.deferred = change.deferred + charge
    end
  end
end

-- Forgets a delivery, and the payload with the last one.
local function drop(member, subscription, kind, charge)
  unqueue(member, subscription, kind, charge)
  redis.call('HDEL', held(member), subscription)
  if redis.call('HLEN', held(member)) == 1 then redis.call('DEL', held(member)) end
end

-- A delivery's kind, charge, tag and state; nil where a hand from outside has removed it, and then its traces as well.
local function find(member, subscription)
  local record = redis.call('HGET', held(member), subscription)
  if record then return parse(record) end
  unqueue(member, subscription, 'd', 0)
  unqueue(member, subscription, 'x', 0)
end

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

-- What a quota does to one subscription, at most so many deliveries at a time; returns what it left and what it did.
local function enforce(subscription, deferred, dead, quota, at)
  local turned, dropped, left = 0, 0, quota.steps
  local skip = 0
  while deferred > quota.deferred and left > 0 do
    local oldest = redis.call('ZRANGE', queue('age', subscription), skip, skip + 63)
    if not oldest[1] then break end
    for _, member in ipairs(oldest) do
      if deferred <= quota.deferred or left == 0 then break end
      left = left - 1
      local kind, charge, _, state = find(member, subscription)
      if kind == 'd' then
        write(member, subscription, kind, 'x', charge, at .. ' QuotaExceeded', state)
        deferred, dead, turned = deferred - charge, dead + charge, turned + 1
      elseif kind then
        skip = skip + 1
      end
    end
  end
  left = quota.steps
  while deferred + dead > quota.all and left > 0 do
    local oldest = redis.call('ZRANGE', queue('dead', subscription), 0, 63)
    if not oldest[1] then break end
    for _, member in ipairs(oldest) do
      if deferred + dead <= quota.all or left == 0 then break end
      left = left - 1
      local kind, charge = find(member, subscription)
      if kind then
        drop(member, subscription, kind, charge)
        dead, dropped = dead - charge, dropped + 1
      end
    end
  end
  return deferred, dead, turned, dropped
end

-- Ends a change of deliveries. Without a quota none is enforced. Returns what quotas did: subscription, turned, dropped, …
local function finish(at, quota)
  local effects = {}
  for subscription, change in pairs(touched) do
    local usage = redis.call('HMGET', base .. ':usage', subscription, subscription .. ':dead')
    local deferred = tonumber(usage[1] or 0) + change.deferred
    local dead = tonumber(usage[2] or 0) + change.dead
    if quota and (deferred > quota.deferred or deferred + dead > quota.all) then
      local turned, dropped
      deferred, dead, turned, dropped = enforce(subscription, deferred, dead, quota, at)
      if turned + dropped > 0 then
        effects[#effects + 1] = subscription
        effects[#effects + 1] = turned
        effects[#effects + 1] = dropped
      end
      if turned == quota.steps or dropped == quota.steps then redis.call('SADD', base .. ':over', subscription) end
    end
    if deferred == 0 and dead == 0 then
      redis.call('HDEL', base .. ':usage', subscription, subscription .. ':dead')
      redis.call('ZREM', base .. ':subscriptions', subscription)
    else
      redis.call('HSET', base .. ':usage', subscription, deferred, subscription .. ':dead', dead)
      if not usage[1] then redis.call('ZADD', base .. ':subscriptions', 0, subscription) end
    end
    index(subscription, at)
  end
  return effects
end
`;
