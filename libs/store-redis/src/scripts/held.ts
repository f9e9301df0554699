/** Lua about what is held of an entry that has left the log: the payloads that a delivery or a dead letter still needs. */

/**
 * A held entry is one hash, `:held:<entry>`. Its payloads are chunks: neighbouring events, cut from the packed log entry as
 * they stood there, of 4 KiB or one event. A chunk goes when no delivery and no dead letter uses any of its events, so what
 * is kept without being needed is bounded. Fields:
 *
 *     :                       facts: u8 events; by event u8 chunk (255: not held); by event u32 charge; by chunk u32 uses
 *     @<chunk>                a chunk
 *     <subscription>          its open deliveries (`runs.ts`), and
 *     <subscription>:<run>    one of their runs
 *     <subscription>.<index>  one of its dead letters (`letters.ts`)
 *
 * A script reads an entry once, changes it in hand, and writes it once (`flush` of `runs.ts`). Strings stay strings where
 * one delivery of many is looked at, since a table for each would cost more than the rest of the script.
 */
export const held = `
local base = KEYS[1]
local call, byte, sub = redis.call, string.byte, string.sub
-- Entries read so far, by name; false once nothing is held any more.
local inHand = {}

local function queue(name, subscription) return base .. ':' .. name .. ':' .. subscription end
local function memberOf(entry, number) return string.format('%s%03d', entry, number) end

-- The entry and the number, of a run or an event, in a queue's member.
local function placeOf(member) return sub(member, 1, 23), tonumber(sub(member, 24)) end

local function take(name, facts)
  local count = byte(facts)
  local entry = {
    name = name, key = base .. ':held:' .. name, facts = facts, count = count, uses = sub(facts, 2 + 5 * count), over = false,
  }
  inHand[name] = entry
  return entry
end

-- A held entry, and two fields of it; nil if nothing is held of the entry.
local function read(name, first, second)
  local entry = inHand[name]
  if entry == false then return nil end
  if entry then
    if entry.new then return entry end
    local fields = call('HMGET', entry.key, first, second)
    return entry, fields[1], fields[2]
  end
  local fields = call('HMGET', base .. ':held:' .. name, ':', first, second)
  if not fields[1] then return nil end
  return take(name, fields[1]), fields[2], fields[3]
end

-- The chunk of an event, and the charge.
local function chunkOf(entry, index) return byte(entry.facts, 2 + index) end
local function chargeOf(entry, index) return (struct.unpack('<I4', entry.facts, 2 + entry.count + 4 * index)) end

-- To be written: a field, or its end.
local function set(entry, field, value)
  local fields = entry.set
  if not fields then
    fields = {}
    entry.set = fields
  end
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end
local function unset(entry, field)
  local fields = entry.unset
  if not fields then
    fields = {}
    entry.unset = fields
  end
  fields[#fields + 1] = field
end

-- These events, in their order, are used once less each; \`over\` says that none is used any more.
local function release(entry, indexes)
  local uses, at, last = entry.uses, 1, #indexes
  while at <= last do
    local chunk, fewer = chunkOf(entry, indexes[at]), 0
    repeat
      fewer, at = fewer + 1, at + 1
    until at > last or chunkOf(entry, indexes[at]) ~= chunk
    local left = struct.unpack('<I4', uses, 1 + 4 * chunk) - fewer
    uses = sub(uses, 1, 4 * chunk) .. struct.pack('<I4', left) .. sub(uses, 5 + 4 * chunk)
    if left == 0 then
      entry.over = not string.find(uses, '[^%z]')
      if not entry.over then unset(entry, '@' .. chunk) end
    end
  end
  entry.uses, entry.released = uses, true
end

-- Lua can pass on some 8,000 values.
local function inParts(command, key, values)
  for first = 1, #values, 4000 do
    call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
end

-- Writes what was changed of an entry in hand, or forgets it with its last use.
local function write(entry)
  if entry.over then
    call('DEL', entry.key)
    inHand[entry.name] = false
    return
  end
  if entry.released then
    entry.released = false
    set(entry, ':', sub(entry.facts, 1, 1 + 5 * entry.count) .. entry.uses)
  end
  if entry.set then inParts('HSET', entry.key, entry.set) end
  if entry.unset then inParts('HDEL', entry.key, entry.unset) end
  entry.set, entry.unset, entry.new = nil, nil, nil
end
`;

/** Holding what an entry that leaves the log is still needed for. After `held`. */
export const holding = `
local chunkBytes = 4096

-- \`uses\`: how often each event is used, by index; the others are not held.
local function hold(name, packed, uses, overhead)
  local count = struct.unpack('<I2', packed, 2)
  local chunks, charges, used, fields = {}, {}, {}, {}
  local at, first, last = 4, nil, nil
  local function cut()
    if not first then return end
    fields[#fields + 1] = '@' .. #used - 1
    fields[#fields + 1] = sub(packed, first, last)
    first = nil
  end
  for i = 1, count do
    local length = at + 1 + byte(packed, at)
    local frame = struct.unpack('<I4', packed, length)
    local upTo = length + 4 + frame
    local more = uses[i - 1]
    if first and (not more or upTo - first > chunkBytes) then cut() end
    if more then
      if not first then
        first = at
        used[#used + 1] = 0
      end
      last = upTo - 1
      used[#used] = used[#used] + more
      chunks[i], charges[i] = #used - 1, frame + overhead
    else
      chunks[i], charges[i] = 255, 0
    end
    at = upTo
  end
  cut()
  local facts = string.char(count, unpack(chunks))
    .. struct.pack('<' .. string.rep('I4', count), unpack(charges))
    .. struct.pack('<' .. string.rep('I4', #used), unpack(used))
  local entry = take(name, facts)
  entry.new, entry.set = true, fields
  set(entry, ':', facts)
  return entry
end
`;

/** Reading payloads. After `held`. */
export const payloads = `
-- Of a chunk that begins with the event \`first\`, the events from one to another.
local function cut(chunk, first, from, to)
  local at, start = 1, 1
  for index = first, to do
    if index == from then start = at end
    local length = at + 1 + byte(chunk, at)
    at = length + 4 + struct.unpack('<I4', chunk, length)
  end
  return sub(chunk, start, at - 1)
end

-- The events of these indexes, which are in order, as they stood in their log entry: pieces of chunks, and the index of the
-- first event in each. A script that wants several events of a chunk one by one reads it once.
local function piecesOf(entry, indexes)
  local known = entry.chunks or {}
  entry.chunks = known
  local spans, missing = {}, {}
  for _, index in ipairs(indexes) do
    local chunk, span = chunkOf(entry, index), spans[#spans]
    if span and span.chunk == chunk then
      span.to = index
    else
      spans[#spans + 1] = { chunk = chunk, from = index, to = index }
      if not known[chunk] then missing[#missing + 1] = '@' .. chunk end
    end
  end
  if missing[1] then
    for i, text in ipairs(call('HMGET', entry.key, unpack(missing))) do known[tonumber(sub(missing[i], 2))] = text end
  end
  local firsts, pieces = {}, {}
  for i, span in ipairs(spans) do
    local chunk, first = span.chunk, span.from
    while first > 0 and chunkOf(entry, first - 1) == chunk do first = first - 1 end
    local whole = first == span.from and (span.to + 1 == entry.count or chunkOf(entry, span.to + 1) ~= chunk)
    firsts[i] = span.from
    pieces[i] = whole and known[chunk] or cut(known[chunk], first, span.from, span.to)
  end
  return pieces, firsts
end

-- One event: topic, length and frame.
local function payloadOf(entry, index) return piecesOf(entry, { index })[1] end
`;
