/** Histories of retained topics; \`append.ts\` writes them. */
import { Script } from '../call.js';
import { allowedWhenFull, clock } from './parts.js';

/**
 * Reads a page of a topic's history.
 *
 *     KEYS[1]  the partition
 *     ARGV     topic; most events; most bytes; XRANGE or XREVRANGE; its two ends, of which the first may be open: `(` and
 *              the position after which to begin
 *     returns  1 if there are more; then position and frame of each
 */
export const readHistory = new Script(`${allowedWhenFull}
local history = KEYS[1] .. ':history:' .. ARGV[1]
local left, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local range, from, to = ARGV[4], ARGV[5], ARGV[6]
local answer, size = { 0 }, 1
while true do
  local page = redis.call(range, history, from, to, 'COUNT', 16)
  for _, entry in ipairs(page) do
    room = room - #entry[2][2]
    if left == 0 or (room < 0 and size > 1) then
      answer[1] = 1
      return answer
    end
    answer[size + 1] = entry[1]
    answer[size + 2] = entry[2][2]
    size = size + 2
    left = left - 1
  end
  if #page < 16 then return answer end
  from = '(' .. page[16][1]
end
`);

/**
 * Removes the oldest events of a history. Of those that are too old whole nodes of the stream go first, unread; what is
 * left of a node, and what is over the bytes, is read in small steps, since the command that counts exactly cannot be
 * bounded.
 *
 *     KEYS[1]  the partition
 *     ARGV     topic, age in ms from which on events go, most events, most bytes that stay or nothing
 *     returns  how many
 */
export const trimHistory = new Script(`${allowedWhenFull}${clock}
local history = KEYS[1] .. ':history:' .. ARGV[1]
local most = tonumber(ARGV[3])
local young = string.format('%.0f-0', math.max(0, now() - tonumber(ARGV[2])) + 1)
local count = most > 0 and redis.call('XTRIM', history, 'MINID', '~', young, 'LIMIT', most) or 0
while count < most do
  local step = math.min(most - count, 8)
  local page = redis.call('XRANGE', history, '-', '(' .. young, 'COUNT', step)
  for _, entry in ipairs(page) do redis.call('XDEL', history, entry[1]) end
  count = count + #page
  if #page < step then break end
end
if ARGV[4] ~= '' then
  local ever = tonumber(redis.call('HGET', KEYS[1] .. ':histories', ARGV[1]) or 0)
  local spare = ever - tonumber(ARGV[4])
  while count < most do
    local step = math.min(most - count, 8)
    local removed = 0
    for _, entry in ipairs(redis.call('XRANGE', history, '-', '+', 'COUNT', step)) do
      if tonumber(entry[2][4]) >= spare then break end
      redis.call('XDEL', history, entry[1])
      removed = removed + 1
    end
    count = count + removed
    if removed < step then break end
  end
end
if redis.call('XLEN', history) == 0 then
  redis.call('DEL', history)
  redis.call('HDEL', KEYS[1] .. ':histories', ARGV[1])
end
return count
`);
