/** Lua about dead letters: one record each, since few events become one. After `runs` of `runs.ts`. */

/** A subscription's queue `dead`: events in the order of dead-lettering. */
export const letters = `
-- Keeps an event as a dead letter; it is used as before.
local function bury(entry, subscription, index, tag, state)
  local order = redis.call('HINCRBY', base, 'deaths', 1)
  redis.call('ZADD', queue('dead', subscription), order, memberOf(entry.name, index))
  set(entry, subscription .. '.' .. index, pack('x', tag, state))
  local counts = touch(subscription)
  counts.dead = counts.dead + chargeOf(entry, index)
end

-- Takes a dead letter away; its event is used as before.
local function unbury(entry, subscription, index)
  redis.call('ZREM', queue('dead', subscription), memberOf(entry.name, index))
  unset(entry, subscription .. '.' .. index)
  local counts = touch(subscription)
  counts.dead = counts.dead - chargeOf(entry, index)
end

-- A dead letter: its entry, index, tag and state; nil if there is none, and then nothing in the queue either.
local function letterOf(member, subscription)
  local name, index = placeOf(member)
  local entry, record = read(name, subscription .. '.' .. index)
  if record then
    local _, tag, state = parse(record)
    return entry, index, tag, state
  end
  redis.call('ZREM', queue('dead', subscription), member)
end
`;
