/**
 * Who owns a partition. The partition's own key is a hash: `epoch`; `worker` and `until` while an owner has not released;
 * `version` (the configuration's), `idle` (`read.ts`), `deaths` and `tokens` (counters).
 *
 * Epochs are instants where they can be, and greater than the one before always: an epoch granted just before a failover
 * or a crash that lost it is not granted to somebody else afterwards.
 */
import { Script } from '../call.js';
import { allowedWhenFull, clock, fence } from './parts.js';

/**
 * Becomes the owner, unless another's lease is running.
 *
 *     KEYS[1]  the partition
 *     ARGV     worker, lease in ms, events that the previous owner may have had unsettled
 *     returns  nil if refused; epoch, and the id of the last suspect entry or nil
 */
export const claim = new Script(`${allowedWhenFull}${clock}
local base = KEYS[1]
local at = now()
local state = redis.call('HMGET', base, 'worker', 'until', 'epoch')
local previous = state[1]
if previous and previous ~= ARGV[1] and tonumber(state[2]) > at then return nil end
local epoch = math.max(tonumber(state[3] or 0) + 1, at)
-- All parking is over: the next ask for what is due puts it right.
redis.call('ZUNIONSTORE', base .. ':parked', 1, base .. ':parked', 'WEIGHTS', 0)
redis.call('HSET', base, 'epoch', epoch, 'worker', ARGV[1], 'until', at + ARGV[2])
local suspect = false
if previous then
  -- Counted from the front: the last entry before which at most that many events lie.
  local before, most, from = 0, tonumber(ARGV[3]), '-'
  repeat
    local page = redis.call('XRANGE', base .. ':log', from, '+', 'COUNT', 8)
    for _, entry in ipairs(page) do
      if before > most then break end
      suspect = entry[1]
      before = before + struct.unpack('<I2', entry[2][2], 2)
    end
    if #page > 0 then from = '(' .. page[#page][1] end
  until #page < 8 or before > most
end
return { epoch, suspect }
`);

/**
 * Prolongs an ownership that nobody has taken over or released.
 *
 *     KEYS[1]  the partition
 *     ARGV     epoch, worker, lease in ms
 *     returns  1, or nil if it was lost
 */
export const renew = new Script(`${allowedWhenFull}${clock}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'worker')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then return nil end
redis.call('HSET', KEYS[1], 'until', now() + ARGV[3])
return 1
`);

/**
 * Ends an ownership cleanly. The epoch stays, so that what the owner still has to settle is let through until the next
 * claim.
 *
 *     KEYS[1]  the partition
 *     ARGV     epoch, worker
 */
export const release = new Script(`${allowedWhenFull}
local state = redis.call('HMGET', KEYS[1], 'epoch', 'worker')
if state[1] == ARGV[1] and state[2] == ARGV[2] then redis.call('HDEL', KEYS[1], 'worker', 'until') end
`);

/**
 * Notes that processing of an event begins. Notes of an entry are the hash \`:begun:<entry>\`, index to epochs counted and
 * the last of them; the set \`:begun\` names the entries that have any, so that settling can skip the search.
 *
 *     KEYS[1]  the partition
 *     ARGV     epoch, entry, index
 *     returns  under how many earlier epochs it had been noted; nil if the epoch is over
 */
export const begin = new Script(`${allowedWhenFull}${fence}
local base, entry = KEYS[1], ARGV[2]
if not redis.call('XRANGE', base .. ':log', entry, entry)[1] then return 0 end
local notes = base .. ':begun:' .. entry
local count, last = string.match(redis.call('HGET', notes, ARGV[3]) or '0 ', '^(%d+) (%d*)$')
if last == ARGV[1] then return count - 1 end
redis.call('SADD', base .. ':begun', entry)
redis.call('HSET', notes, ARGV[3], (count + 1) .. ' ' .. ARGV[1])
return tonumber(count)
`);
