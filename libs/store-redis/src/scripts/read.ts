import { Script } from '../call.js';
import { allowedWhenFull, clock } from './parts.js';

/**
 * Reads a partition's log after an entry, within limits, and at least one entry if there is any. Where that is to its
 * end, it leaves a mark that turns the next append into a hint.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  epoch
 *     ARGV[2]  where to begin: `-`, or `(` and the id after which
 *     ARGV[3]  most entries
 *     ARGV[4]  most bytes
 *     returns  version or empty, the server's clock in ms, 1 if that was all and else 0, then id and packed entry of each;
 *              nil if the epoch is over
 */
export const read = new Script(`${allowedWhenFull}${clock}
local base = KEYS[1]
local state = redis.call('HMGET', base, 'epoch', 'version', 'idle')
if state[1] ~= ARGV[1] then return nil end
local answer = { state[2] or '', now(), 0 }
local size = 3
local from, left, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
while left > 0 do
  -- In steps, since how many entries make up the bytes is not known before they are read.
  local step = math.min(left, 16)
  local page = redis.call('XRANGE', base .. ':log', from, '+', 'COUNT', step)
  for i = 1, #page do
    local packed = page[i][2][2]
    room = room - #packed
    if room < 0 and size > 3 then return answer end
    answer[size + 1] = page[i][1]
    answer[size + 2] = packed
    size = size + 2
  end
  if #page < step then
    answer[3] = 1
    if not state[3] then redis.call('HSET', base, 'idle', 1) end
    return answer
  end
  left = left - step
  from = '(' .. page[step][1]
end
return answer
`);
