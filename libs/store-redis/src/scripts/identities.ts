/**
 * Identities of stored events, for duplicate detection: per topic a sorted set `:identities:<topic>` by the instant of
 * acceptance, and the set `:identities` of the topics that have one.
 */
import { Script } from '../call.js';
import { allowedWhenFull, clock, refusedWhenFull } from './parts.js';
import { appending } from './append.js';

/**
 * As `append.ts`, but of topics with duplicate detection only what is new is stored, and entries are put together here.
 * A confirmation that follows on this connection covers what a duplicate was found to repeat, whoever wrote that: `WAIT`
 * and `WAITAOF` wait for all that the server had written when the connection's last command ended, be it one that writes.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  topics to retain, as in `append.ts`
 *     ARGV[2]  topics with duplicate detection, separated by spaces: incarnation, window in ms, most identities of each
 *     ARGV[3]  outlived identities to forget beyond twice as many as are added; most events and bytes of an entry
 *     ARGV[4…] two for each event: its identity, or empty if it has none; and the event as `packEvent` has it
 *     returns  the configuration version or nil; for each topic in order how many were forgotten within the window; then
 *              the indexes of duplicates
 */
export const appendUnique = new Script(`${refusedWhenFull}${clock}${appending}
local at = now()
local answer = { false }
local unique, order = {}, {}
for topic, window, most in string.gmatch(ARGV[2], '(%w+) (%d+) (%d+)') do
  unique[topic] = { before = at - window, most = tonumber(most), asked = {}, added = {}, seen = {} }
  order[#order + 1] = topic
end
local spare, eventsMax, bytesMax = string.match(ARGV[3], '^(%d+) (%d+) (%d+)$')
spare, eventsMax, bytesMax = tonumber(spare), tonumber(eventsMax), tonumber(bytesMax)

-- Lua's stack holds some thousands of arguments.
local step = 1000
local function inSteps(list, run)
  for from = 1, #list, step do run(unpack(list, from, math.min(from + step - 1, #list))) end
end

local function setOf(event)
  return unique[string.sub(event, 2, 1 + string.byte(event))]
end
for i = 4, #ARGV, 2 do
  local of = ARGV[i] ~= '' and setOf(ARGV[i + 1])
  if of then of.asked[#of.asked + 1] = ARGV[i] end
end
for topic, of in pairs(unique) do
  local key = base .. ':identities:' .. topic
  local asked = 0
  inSteps(of.asked, function(...)
    for _, score in ipairs(redis.call('ZMSCORE', key, ...)) do
      asked = asked + 1
      if score and tonumber(score) > of.before then of.seen[of.asked[asked]] = true end
    end
  end)
end

local duplicates = {}
local entry, bytes = {}, 0
local function write()
  if #entry == 0 then return end
  add(string.char(1) .. struct.pack('<I2', #entry) .. table.concat(entry))
  entry, bytes = {}, 0
end
for i = 4, #ARGV, 2 do
  local identity, event = ARGV[i], ARGV[i + 1]
  local of = identity ~= '' and setOf(event)
  if of and of.seen[identity] then
    duplicates[#duplicates + 1] = (i - 4) / 2
  else
    if of then
      of.seen[identity] = true
      of.added[#of.added + 1] = at
      of.added[#of.added + 1] = identity
    end
    -- As \`entriesOf\` does; what stands before the frame is not counted.
    local size = #event - 5 - string.byte(event)
    if #entry > 0 and (#entry >= eventsMax or bytes + size > bytesMax) then write() end
    entry[#entry + 1] = event
    bytes = bytes + size
  end
end
write()

for place, topic in ipairs(order) do
  local of = unique[topic]
  local key = base .. ':identities:' .. topic
  local early = 0
  if #of.added > 0 then
    inSteps(of.added, function(...) redis.call('ZADD', key, ...) end)
    redis.call('SADD', base .. ':identities', topic)
    local most = #of.added + spare
    local outlived = redis.call('ZCOUNT', key, '-inf', of.before)
    local removed = math.min(outlived, most)
    if removed > 0 then redis.call('ZREMRANGEBYRANK', key, 0, removed - 1) end
    local excess = math.min(redis.call('ZCARD', key) - of.most, most)
    if excess > 0 then
      redis.call('ZREMRANGEBYRANK', key, 0, excess - 1)
      early = math.max(0, excess - (outlived - removed))
    end
  end
  answer[1 + place] = early
end
for _, index in ipairs(duplicates) do answer[#answer + 1] = index end
answer[1] = wake() or false
return answer
`);

/**
 * Forgets the oldest identities of a topic.
 *
 *     KEYS[1]  the partition
 *     ARGV     topic, age in ms from which on identities go, most
 *     returns  how many
 */
export const forgetIdentities = new Script(`${allowedWhenFull}${clock}
local key = KEYS[1] .. ':identities:' .. ARGV[1]
local old = redis.call('ZCOUNT', key, '-inf', now() - ARGV[2])
local count = math.min(old, tonumber(ARGV[3]))
if count > 0 then redis.call('ZREMRANGEBYRANK', key, 0, count - 1) end
if redis.call('EXISTS', key) == 0 then redis.call('SREM', KEYS[1] .. ':identities', ARGV[1]) end
return count
`);
