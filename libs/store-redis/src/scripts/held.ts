/**
 * Lua that scripts about deliveries begin with, first part: what is held of an entry, that is, the payloads that somebody
 * still needs. After it come `runs.ts`, the open deliveries, and `quotas.ts`, which ends a script.
 */

/**
 * A held entry is one hash, `:held:<entry>`. Its payloads are chunks: neighbouring events, cut from the packed log entry as
 * they stood there, of 4 KiB or one event. A chunk goes when no delivery and no dead letter uses any of its events, so what
 * is kept without being needed is bounded. Fields:
 *
 *     :                     facts: u8 events; by event u8 chunk (255: not held); by event u32 charge; by chunk u32 users
 *     @<chunk>              a chunk
 *     <subscription>        its open deliveries (`runs.ts`), and
 *     <subscription>:<run>  one of their runs
 *     <subscription>.<index>  one of its dead letters
 *
 * A script reads an entry once, changes it in hand, and writes it once (`flush`).
 */
export const held = `
local base = KEYS[1]
-- Entries read so far, by name; false once one is gone.
local inHand = {}
local none = 255
local chunkBytes = 4096

local function queue(name, subscription) return base .. ':' .. name .. ':' .. subscription end
local function memberOf(entry, number) return string.format('%s%03d', entry, number) end

-- The entry and the number, of a run or an event, in a queue's member.
local function placeOf(member) return string.sub(member, 1, 23), tonumber(string.sub(member, 24)) end

-- So many values at a time: Lua can pass on some 8,000.
local function inParts(command, key, values)
  for first = 1, #values, 4000 do
    redis.call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
end

-- A held entry, and the field of a subscription in it; nil if nothing is held of the entry.
local function read(entry, subscription)
  local known = inHand[entry]
  if known == false then return nil end
  local key = base .. ':held:' .. entry
  if known then return known, not known.new and redis.call('HGET', key, subscription) end
  local fields = redis.call('HMGET', key, ':', subscription)
  local facts = fields[1]
  if not facts then return nil end
  local count = string.byte(facts)
  local users = string.sub(facts, 2 + 5 * count)
  known = {
    name = entry, key = key, count = count, set = {}, gone = {}, open = {},
    chunks = { string.byte(facts, 2, 1 + count) },
    charges = { struct.unpack('<' .. string.rep('I4', count), facts, 2 + count) },
    users = { struct.unpack('<' .. string.rep('I4', #users / 4), users) },
  }
  known.users[#known.users] = nil
  known.charges[count + 1] = nil
  inHand[entry] = known
  return known, fields[2]
end

-- Holds the wanted events (a set of indexes) of an entry that leaves the log; nobody uses them yet.
local function hold(entry, packed, wanted, overhead)
  local count = struct.unpack('<I2', packed, 2)
  local new = {
    name = entry, key = base .. ':held:' .. entry, count = count, set = {}, gone = {}, open = {},
    chunks = {}, charges = {}, users = {}, new = true, changed = true,
  }
  local at, first, last = 4, nil, nil
  local function cut()
    if not first then return end
    new.set[#new.set + 1] = '@' .. #new.users - 1
    new.set[#new.set + 1] = string.sub(packed, first, last)
    first = nil
  end
  for i = 1, count do
    local length = at + 1 + string.byte(packed, at)
    local frame = struct.unpack('<I4', packed, length)
    local upTo = length + 4 + frame
    if first and (not wanted[i - 1] or upTo - first > chunkBytes) then cut() end
    if wanted[i - 1] then
      if not first then
        first = at
        new.users[#new.users + 1] = 0
      end
      last = upTo - 1
      new.chunks[i], new.charges[i] = #new.users - 1, frame + overhead
    else
      new.chunks[i], new.charges[i] = none, 0
    end
    at = upTo
  end
  cut()
  inHand[entry] = new
  return new
end

-- One more use of an event, or one fewer.
local function use(entry, index, change)
  local chunk = entry.chunks[index + 1]
  entry.users[chunk + 1] = entry.users[chunk + 1] + change
  if entry.users[chunk + 1] == 0 then entry.gone[#entry.gone + 1] = '@' .. chunk end
  entry.changed = true
end

-- Writes what was changed of an entry in hand, or forgets it with its last use.
local function write(entry)
  local total = 0
  for _, users in ipairs(entry.users) do total = total + users end
  if total == 0 then
    redis.call('DEL', entry.key)
    inHand[entry.name] = false
    return
  end
  if entry.changed then
    entry.set[#entry.set + 1] = ':'
    entry.set[#entry.set + 1] = string.char(entry.count, unpack(entry.chunks))
      .. struct.pack('<' .. string.rep('I4', entry.count), unpack(entry.charges))
      .. struct.pack('<' .. string.rep('I4', #entry.users), unpack(entry.users))
  end
  inParts('HSET', entry.key, entry.set)
  inParts('HDEL', entry.key, entry.gone)
  entry.set, entry.gone, entry.new, entry.changed = {}, {}, false, false
end

-- The chunks that hold these events, in order: the index of the first event in each, as bytes, and the chunks.
local function chunksOf(entry, indexes)
  local firsts, fields, last = {}, {}, nil
  for _, index in ipairs(indexes) do
    local chunk = entry.chunks[index + 1]
    if chunk ~= last then
      local first = index
      while entry.chunks[first] == chunk do first = first - 1 end
      firsts[#firsts + 1] = first
      fields[#fields + 1] = '@' .. chunk
      last = chunk
    end
  end
  return string.char(unpack(firsts)), redis.call('HMGET', entry.key, unpack(fields))
end

-- One event as it stood in its log entry: topic, length and frame.
local function payloadOf(entry, index)
  local firsts, chunks = chunksOf(entry, { index })
  local at, upTo = 1, 1
  for _ = string.byte(firsts), index do
    at = upTo
    local length = at + 1 + string.byte(chunks[1], at)
    upTo = length + 4 + struct.unpack('<I4', chunks[1], length)
  end
  return string.sub(chunks[1], at, upTo - 1)
end
`;
