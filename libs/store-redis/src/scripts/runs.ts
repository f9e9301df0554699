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
local char, find = string.char, string.find
local touched = {}
-- What is open, by subscription and entry, as far as it was looked at.
local opened = {}
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
  return kind .. char(#tag) .. tag .. state
end

local function parse(record)
  local length = byte(record, 2)
  return { kind = sub(record, 1, 1), tag = sub(record, 3, 2 + length), state = sub(record, 3 + length) }
end

-- What is open of an entry for a subscription; nil if nothing is, unless something is about to be (\`begins\`). \`likely\`:
-- the run that is wanted of it, to be read at the same time.
local function openOf(name, subscription, likely, begins)
  local key = subscription .. name
  local open = opened[key]
  if open then return open end
  local entry, names, record = read(name, subscription, subscription .. ':' .. likely)
  if not entry or not (names or begins) then return nil end
  open = {
    entry = entry, subscription = subscription, queued = names,
    names = names or string.rep(none, entry.count), runs = {}, changed = false, moved = false,
  }
  if record then open.runs[likely] = parse(record) end
  opened[key] = open
  return open
end

local function exists(open, run) return find(open.names, char(run), 1, true) end

-- A run by name: kind, tag and state; nil where a hand from outside has removed it.
local function runOf(open, name)
  local run = open.runs[name]
  if run then return run end
  local record = call('HGET', open.entry.key, open.subscription .. ':' .. name)
  if not record then return nil end
  run = parse(record)
  open.runs[name] = run
  return run
end

-- The run an event is in, and its name.
local function runAt(open, index)
  local name = byte(open.names, index + 1)
  if name and name ~= 255 then return runOf(open, name), name end
end

-- A member of \`due\` as the run it stands for; where a hand from outside has removed that, its traces go as well.
local function queued(member, subscription)
  local entry, name = placeOf(member)
  local open = openOf(entry, subscription, name)
  local run = open and runOf(open, name)
  if run then return open, run, name end
  call('ZREM', queue('due', subscription), member)
  if not open then call('ZREM', queue('age', subscription), entry) end
end

-- The events of a run, at most so many; of all runs if none is named.
local function indexesOf(open, name, most)
  local indexes = {}
  for index = 0, #open.names - 1 do
    if #indexes == most then break end
    local run = byte(open.names, index + 1)
    if run == name or (not name and run ~= 255) then indexes[#indexes + 1] = index end
  end
  return indexes
end

-- Takes deliveries out of their runs, and puts them into a named one if \`run\` is not \`none\`.
local function assign(open, indexes, run)
  local names, changed = open.names, open.changed or {}
  open.changed, open.moved = changed, true
  if #indexes == 1 then
    local index = indexes[1]
    changed[byte(names, index + 1)] = true
    open.names = sub(names, 1, index) .. run .. sub(names, index + 2)
    return
  end
  local each = { byte(names, 1, -1) }
  for _, index in ipairs(indexes) do
    changed[each[index + 1]] = true
    each[index + 1] = byte(run)
  end
  open.names = char(unpack(each))
end

-- The run that these events are all of; nil if there is none.
local function runOfAll(open, indexes)
  local names = open.names
  local run = sub(names, indexes[1] + 1, indexes[1] + 1)
  if run == none then return nil end
  local at, left = 0, #indexes
  repeat
    at = find(names, run, at + 1, true)
    if at then left = left - 1 end
  until not at or left < 0
  if left ~= 0 then return nil end
  for _, index in ipairs(indexes) do
    if sub(names, index + 1, index + 1) ~= run then return nil end
  end
  return byte(run)
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
  local name = runOfAll(open, indexes)
  if not name then
    -- Their own names become free, if they have any.
    if byte(open.names, indexes[1] + 1) ~= 255 then assign(open, indexes, none) end
    name = nameFor(open, indexes)
    assign(open, indexes, char(name))
  end
  if not open.changed then open.changed = {} end
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
  local open = openOf(entry.name, subscription, indexes[1], true)
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
  release(open.entry, indexes)
end

-- Writes the runs that were changed: their places in the queues at once, their records with the entry.
local function requeue(open)
  local entry, subscription = open.entry, open.subscription
  open.changed[255] = nil
  for name in pairs(open.changed) do
    local run = open.runs[name]
    if not exists(open, name) then
      open.runs[name] = nil
      if not entry.over then unset(entry, subscription .. ':' .. name) end
      call('ZREM', queue('due', subscription), memberOf(entry.name, name))
    elseif run and run.new then
      run.new = nil
      set(entry, subscription .. ':' .. name, pack(run.kind, run.tag, run.state))
      call('ZADD', queue('due', subscription), run.at, memberOf(entry.name, name))
    end
  end
  open.changed = false
  if not open.moved then return end
  open.moved = false
  if find(open.names, '[^' .. none .. ']') then
    set(entry, subscription, open.names)
    if not open.queued then call('ZADD', queue('age', subscription), 0, entry.name) end
    open.queued = true
  else
    if not entry.over then unset(entry, subscription) end
    call('ZREM', queue('age', subscription), entry.name)
    opened[subscription .. entry.name] = nil
  end
end

-- Writes everything in hand that was changed.
local function flush()
  for _, open in pairs(opened) do
    if open.changed then requeue(open) end
  end
  for _, entry in pairs(inHand) do
    if entry and (entry.released or entry.set or entry.unset) then write(entry) end
  end
end

-- Where the subscription stands in the index: its earliest delivery, or the end of its parking.
local function index(subscription, at)
  local first = call('ZRANGE', queue('due', subscription), 0, 0, 'WITHSCORES')
  if not first[1] then
    call('ZREM', base .. ':due', subscription)
    return
  end
  local due = tonumber(first[2])
  local parked = tonumber(call('ZSCORE', base .. ':parked', subscription) or 0)
  if parked > at and parked > due then due = parked end
  call('ZADD', base .. ':due', due, subscription)
end
`;
