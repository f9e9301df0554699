/** Lua about open deliveries, that is, deferred and leased ones. After `held` of `held.ts`. */

/**
 * A run is what is open of one entry for one subscription and alike in everything but the index: kind, due instant, token
 * and state. It is one record and one member of the queue, however many events it has. In the entry's hash, the field of a
 * subscription says by event, in a byte, which run the event is in (255: none); a run's name is a number below 128, one of
 * its own indexes wherever that is free. A run's record, and a dead letter's:
 *
 *     kind (d deferred, l leased, x dead letter), u8 tag length, tag, state
 *
 * The tag is a lease's token, or a dead letter's instant and reason. The state is opaque here. A subscription's queues:
 * `due`, its runs by when they are due or their lease ends; `age`, entries of which anything is open, in the order of
 * acceptance.
 *
 * `touched` collects what a script does to the counts of subscriptions; `quotas.ts` writes them.
 */
export const runs = `
local touched = {}
local none = '\\255'

local function touch(subscription)
  local change = touched[subscription]
  if not change then
    change = { open = 0, deferred = 0, dead = 0 }
    touched[subscription] = change
  end
  return change
end

local function pack(kind, tag, state)
  return kind .. string.char(#tag) .. tag .. state
end

local function parse(record)
  local length = string.byte(record, 2)
  return string.sub(record, 1, 1), string.sub(record, 3, 2 + length), string.sub(record, 3 + length)
end

-- What is open of an entry for a subscription; nil if nothing is, unless something is about to be (\`begins\`).
local function openOf(name, subscription, begins)
  local entry = inHand[name]
  local open = entry and entry.open[subscription]
  if open then return open end
  local names
  entry, names = read(name, subscription)
  if not entry or not (names or begins) then return nil end
  open = {
    entry = entry, subscription = subscription, queued = names,
    names = names or string.rep(none, entry.count), runs = {}, changed = false,
  }
  entry.open[subscription] = open
  return open
end

local function exists(open, run) return string.find(open.names, string.char(run), 1, true) end

-- A run by name: kind, tag and state; nil where a hand from outside has removed it.
local function runOf(open, name)
  local run = open.runs[name]
  if run then return run end
  local record = redis.call('HGET', open.entry.key, open.subscription .. ':' .. name)
  if not record then return nil end
  run = {}
  run.kind, run.tag, run.state = parse(record)
  open.runs[name] = run
  return run
end

-- The run an event is in, and its name.
local function runAt(open, index)
  local name = string.byte(open.names, index + 1)
  if name and name ~= 255 then return runOf(open, name), name end
end

-- A member of \`due\` as the run it stands for; where a hand from outside has removed that, its traces go as well.
local function queued(member, subscription)
  local entry, name = placeOf(member)
  local open = openOf(entry, subscription)
  local run = open and runOf(open, name)
  if run then return open, run, name end
  redis.call('ZREM', queue('due', subscription), member)
  if not open then redis.call('ZREM', queue('age', subscription), entry) end
end

-- The events of a run, at most so many; of all runs if none is named.
local function indexesOf(open, name, most)
  local indexes = {}
  for index = 0, #open.names - 1 do
    if #indexes == most then break end
    local run = string.byte(open.names, index + 1)
    if run == name or (not name and run ~= 255) then indexes[#indexes + 1] = index end
  end
  return indexes
end

-- Takes deliveries out of their runs, and puts them into a named one if \`byte\` is not \`none\`.
local function assign(open, indexes, byte)
  if not open.changed then open.changed = {} end
  local names = open.names
  if #indexes == 1 then
    local index = indexes[1]
    open.changed[string.byte(names, index + 1)] = true
    open.names = string.sub(names, 1, index) .. byte .. string.sub(names, index + 2)
    return
  end
  local each = { string.byte(names, 1, -1) }
  for _, index in ipairs(indexes) do
    open.changed[each[index + 1]] = true
    each[index + 1] = string.byte(byte)
  end
  open.names = string.char(unpack(each))
end

-- A name for a run of these events. Where all their own numbers are taken another is free, for there are at most as many
-- other runs as other events.
local function nameFor(open, indexes)
  for _, index in ipairs(indexes) do
    if not exists(open, index) then return index end
  end
  for number = 0, 127 do
    if not exists(open, number) then return number end
  end
end

-- Makes deliveries a run of their own, whatever they were. \`at\`: when it is due or its lease ends.
local function move(open, indexes, kind, tag, state, at)
  assign(open, indexes, none)
  local name = nameFor(open, indexes)
  assign(open, indexes, string.char(name))
  open.changed[name] = true
  open.runs[name] = { kind = kind, tag = tag, state = state, at = at, new = true }
  touch(open.subscription)
end

-- So many more open deliveries, or fewer, for what becomes of these events.
local function count(open, indexes, sign)
  local counts = touch(open.subscription)
  counts.open = counts.open + sign * #indexes
  for _, index in ipairs(indexes) do counts.deferred = counts.deferred + sign * chargeOf(open.entry, index) end
end

-- Begins deliveries; that their events are used has been counted.
local function begin(entry, subscription, indexes, kind, tag, state, at)
  local open = openOf(entry.name, subscription, true)
  count(open, indexes, 1)
  move(open, indexes, kind, tag, state, at)
end

-- Takes open deliveries away; their events are used as before.
local function close(open, indexes)
  assign(open, indexes, none)
  count(open, indexes, -1)
end

-- Forgets open deliveries.
local function forget(open, indexes)
  close(open, indexes)
  for _, index in ipairs(indexes) do release(open.entry, index) end
end

-- Writes the runs that were changed: their places in the queues at once, their records with the entry.
local function requeue(open)
  local entry, subscription = open.entry, open.subscription
  open.changed[255] = nil
  for name in pairs(open.changed) do
    local run = open.runs[name]
    if not exists(open, name) then
      open.runs[name] = nil
      unset(entry, subscription .. ':' .. name)
      redis.call('ZREM', queue('due', subscription), memberOf(entry.name, name))
    elseif run and run.new then
      run.new = nil
      set(entry, subscription .. ':' .. name, pack(run.kind, run.tag, run.state))
      redis.call('ZADD', queue('due', subscription), run.at, memberOf(entry.name, name))
    end
  end
  open.changed = false
  if string.find(open.names, '[^' .. none .. ']') then
    set(entry, subscription, open.names)
    if not open.queued then redis.call('ZADD', queue('age', subscription), 0, entry.name) end
    open.queued = true
  else
    unset(entry, subscription)
    redis.call('ZREM', queue('age', subscription), entry.name)
    entry.open[subscription] = nil
  end
end

-- Writes everything in hand that was changed.
local function flush()
  for _, entry in pairs(inHand) do
    if entry then
      for _, open in pairs(entry.open) do
        if open.changed then requeue(open) end
      end
      if entry.released or entry.set or entry.unset then write(entry) end
    end
  end
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
`;
