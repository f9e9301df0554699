/** Lua about dead letters: one record each, since few events become one. After `runs` of `runs.ts`. */

/** A subscription's queue `dead`: events in the order of dead-lettering. */
export const letters = `
-- Keeps an event as a dead letter; it is used as before.
local function bury(entry, subscription, index, tag, state)
  local order = call('HINCRBY', base, 'deaths', 1)
  call('ZADD', queue('dead', subscription), order, memberOf(entry.name, index))
  set(entry, subscription .. '.' .. index, pack('x', tag, state))
  local counts = touch(subscription)
  counts.dead = counts.dead + chargeOf(entry, index)
end

-- Takes a dead letter away; its event is used as before.
local function unbury(entry, subscription, index)
  call('ZREM', queue('dead', subscription), memberOf(entry.name, index))
  unset(entry, subscription .. '.' .. index)
  local counts = touch(subscription)
  counts.dead = counts.dead - chargeOf(entry, index)
end

-- A dead letter: its entry, index, tag and state; nil if there is none, and then nothing in the queue either.
local function letterOf(member, subscription)
  local name, index = placeOf(member)
  local field = subscription .. '.' .. index
  local entry, record = read(name, field, field)
  if record then
    local letter = parse(record)
    return entry, index, letter.tag, letter.state
  end
  call('ZREM', queue('dead', subscription), member)
end
`;
