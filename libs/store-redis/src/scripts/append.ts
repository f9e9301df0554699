import { Script } from '../call.js';
import { refusedWhenFull } from './parts.js';

/**
 * `add` appends an entry, and the events of retained topics (`ARGV[1]`) to their histories under the same places. `wake`
 * wakes the owner if it had read to the end and something was added, and returns the configuration version this partition
 * knows.
 */
export const appending = `
local base = KEYS[1]
local log = base .. ':log'

-- A history's ids are the log's, with the event's index as the last digits (base 1024) of the sequence.
local function retain(id, packed, topics)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  local at = 4
  for i = 0, struct.unpack('<I2', packed, 2) - 1 do
    local length = string.byte(packed, at)
    local topic = string.sub(packed, at + 1, at + length)
    local from = at + 5 + length
    local upTo = from + struct.unpack('<I4', packed, from - 4)
    if topics[topic] then
      local place = string.format('%s-%.0f', ms, sequence * 1024 + i)
      local before = redis.call('HINCRBY', base .. ':histories', topic, upTo - from) - (upTo - from)
      local frame = string.sub(packed, from, upTo - 1)
      redis.call('XADD', base .. ':history:' .. topic, place, 'e', frame, 'o', string.format('%.0f', before))
    end
    at = upTo
  end
end

local topics
if ARGV[1] ~= '' then
  topics = {}
  for topic in string.gmatch(ARGV[1], '[^,]+') do topics[topic] = true end
end

local added = false
local function add(packed)
  local id = redis.call('XADD', log, '*', 'e', packed)
  if topics then retain(id, packed, topics) end
  added = true
end

local function wake()
  local state = redis.call('HMGET', base, 'version', 'idle')
  if state[2] and added then
    redis.call('HDEL', base, 'idle')
    local prefix, partition = string.match(base, '^{(.*):p(%d+)}$')
    redis.call('PUBLISH', prefix .. ':wake', partition)
  end
  return state[1]
end
`;

/**
 * Appends entries to a partition's log, all or none, and to the histories of retained topics under the same places. Wakes
 * the owner if it had read to the end. Refused when memory is full.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  topics to retain of those in these entries, separated by commas; empty for none
 *     ARGV[2…] entries, packed as `@gridpost/store` does
 *     returns  the configuration version this partition knows, or nil
 *
 * Keys: `:log`; for retained topics `:history:<topic>` and `:histories`, which has how many bytes each has ever got. An
 * event of a history knows how many there were before it (`o`), so that what the history holds is one subtraction.
 */
export const append = new Script(`${refusedWhenFull}${appending}
for i = 2, #ARGV do add(ARGV[i]) end
return wake()
`);
