/** Lua that scripts about deliveries begin with, second part: open deliveries and dead letters. After `held.ts`. */

/**
 * A run is what is open of one entry for one subscription and alike in everything but the index: kind, due instant, token
 * and state. It is one record and one member of the queues, however many events it has. In the entry's hash, the field
 * of a subscription says by event, in a byte, which run the event is in (255: none); a run's name is a number below 128,
 * one of its own indexes wherever that is free. A run's record, and a dead letter's:
 *
 *     kind (d deferred, l leased, x dead letter), u8 tag length, tag, state
 *
 * The tag is a lease's token, or a dead letter's instant and reason. The state is opaque here. A subscription's queues:
 * `due`, its runs by when they are due or their lease ends; `age`, entries of which anything is open, in the order of
 * acceptance; `dead`, events in the order of dead-lettering.
 *
 * `touched` collects what a script does to the counts of subscriptions; `quotas.ts` writes them.
 */
export const runs = `
local touched = {}

local function touch(subscription)
  local change = touched[subscription]
  if not change then
    change = { open = 0, deferred = 0, dead = 0 }
    touched[subscription] = change
  end
  return change
end

local function pack(kind, tag, state)
  return struct.pack('<c1B', kind, #tag) .. tag .. state
end

local function parse(record)
  local kind, length = struct.unpack('<c1B', record)
  return kind, string.sub(record, 3, 2 + length), string.sub(record, 3 + length)
end

-- What is open of an entry for a subscription; nil if nothing is, unless it is about to be (\`begins\`).
local function openOf(name, subscription, begins)
  local entry = inHand[name]
  local open = entry and entry.open[subscription]
  if open then return open end
  local entry, names = read(name, subscription)
  if not entry or not (names or begins) then return nil end
  open = {
    entry = entry, subscription = subscription, queued = names and true,
    names = names and { string.byte(names, 1, -1) } or {}, size = 0, sizes = {}, runs = {}, touched = {},
  }
  for index = 1, entry.count do
    local run = open.names[index] or none
    open.names[index] = run
    if run ~= none then
      open.size = open.size + 1
      open.sizes[run] = (open.sizes[run] or 0) + 1
    end
  end
  entry.open[subscription] = open
  return open
end

-- A run's kind, tag and state; nil where a hand from outside has removed it.
local function runOf(open, name)
  local run = open.runs[name]
  if not run then
    local record = redis.call('HGET', open.entry.key, open.subscription .. ':' .. name)
    if not record then return nil end
    run = {}
    run.kind, run.tag, run.state = parse(record)
    open.runs[name] = run
  end
  return run
end

local function runAt(open, index)
  local name = open.names[index + 1]
  if name and name ~= none then return runOf(open, name), name end
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

local function indexesOf(open, name, most)
  local indexes = {}
  for index, run in ipairs(open.names) do
    if #indexes == most then break end
    if run == name then indexes[#indexes + 1] = index - 1 end
  end
  return indexes
end

-- Takes a delivery out of its run.
local function take(open, index)
  local name = open.names[index + 1]
  open.names[index + 1] = none
  open.size = open.size - 1
  open.sizes[name] = open.sizes[name] - 1
  open.touched[name] = true
end

-- A name for a run of these events. Where all their own numbers are taken another is free, for there are at most as many
-- other runs as other events.
local function nameFor(open, indexes)
  for _, index in ipairs(indexes) do
    if (open.sizes[index] or 0) == 0 then return index end
  end
  for number = 0, 127 do
    if (open.sizes[number] or 0) == 0 then return number end
  end
end

-- Puts deliveries that are in no run into one. \`at\`: when it is due or its lease ends.
local function put(open, indexes, kind, tag, state, at)
  local name = nameFor(open, indexes)
  for _, index in ipairs(indexes) do open.names[index + 1] = name end
  open.size = open.size + #indexes
  open.sizes[name] = #indexes
  open.runs[name] = { kind = kind, tag = tag, state = state, at = at, new = true }
  open.touched[name] = true
  touch(open.subscription)
end

-- Makes deliveries of runs a run of their own.
local function move(open, indexes, kind, tag, state, at)
  for _, index in ipairs(indexes) do take(open, index) end
  put(open, indexes, kind, tag, state, at)
end

local function count(open, index, change)
  local counts = touch(open.subscription)
  counts.open = counts.open + change
  counts.deferred = counts.deferred + change * open.entry.charges[index + 1]
end

-- Writes the runs that were changed: their records with the entry, their places in the queues at once.
local function requeue(open)
  local entry, subscription = open.entry, open.subscription
  local changed = false
  for name in pairs(open.touched) do
    changed = true
    local field, member = subscription .. ':' .. name, memberOf(entry.name, name)
    local run = open.runs[name]
    if open.sizes[name] == 0 then
      open.runs[name] = nil
      entry.gone[#entry.gone + 1] = field
      redis.call('ZREM', queue('due', subscription), member)
    elseif run and run.new then
      run.new = false
      entry.set[#entry.set + 1] = field
      entry.set[#entry.set + 1] = pack(run.kind, run.tag, run.state)
      redis.call('ZADD', queue('due', subscription), run.at, member)
    end
  end
  if not changed then return end
  open.touched = {}
  if open.size == 0 then
    entry.gone[#entry.gone + 1] = subscription
    redis.call('ZREM', queue('age', subscription), entry.name)
    entry.open[subscription] = nil
  else
    entry.set[#entry.set + 1] = subscription
    entry.set[#entry.set + 1] = string.char(unpack(open.names))
    if not open.queued then redis.call('ZADD', queue('age', subscription), 0, entry.name) end
    open.queued = true
  end
end

-- Writes everything in hand that was changed.
local function flush()
  for _, entry in pairs(inHand) do
    if entry then
      for _, open in pairs(entry.open) do requeue(open) end
      if entry.changed or entry.set[1] or entry.gone[1] then write(entry) end
    end
  end
end

-- Begins deliveries; that their events are used has been counted.
local function begin(entry, subscription, indexes, kind, tag, state, at)
  local open = openOf(entry.name, subscription, true)
  for _, index in ipairs(indexes) do count(open, index, 1) end
  put(open, indexes, kind, tag, state, at)
end

-- Forgets an open delivery.
local function forget(open, index)
  take(open, index)
  count(open, index, -1)
  use(open.entry, index, -1)
end

-- Keeps an event as a dead letter; that it is used has been counted.
local function bury(entry, subscription, index, tag, state)
  local order = redis.call('HINCRBY', base, 'deaths', 1)
  redis.call('ZADD', queue('dead', subscription), order, memberOf(entry.name, index))
  entry.set[#entry.set + 1] = subscription .. '.' .. index
  entry.set[#entry.set + 1] = pack('x', tag, state)
  local counts = touch(subscription)
  counts.dead = counts.dead + entry.charges[index + 1]
end

-- Makes an open delivery a dead letter.
local function giveUp(open, index, tag, state)
  take(open, index)
  count(open, index, -1)
  bury(open.entry, open.subscription, index, tag, state)
end

-- A dead letter: its entry, index, tag and state; nil if there is none, and then nothing in the queue either.
local function deadLetterOf(member, subscription)
  local name, index = placeOf(member)
  local entry, record = read(name, subscription .. '.' .. index)
  if record then
    local _, tag, state = parse(record)
    return entry, index, tag, state
  end
  redis.call('ZREM', queue('dead', subscription), member)
end

-- Takes a dead letter away; its event is used as before.
local function unbury(entry, subscription, index)
  redis.call('ZREM', queue('dead', subscription), memberOf(entry.name, index))
  entry.gone[#entry.gone + 1] = subscription .. '.' .. index
  local counts = touch(subscription)
  counts.dead = counts.dead - entry.charges[index + 1]
end
`;
