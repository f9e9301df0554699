/** The attempt log: written by what settles, and read by pages. */
import { attemptShedMax, attemptSlack, chargedBlockBytes } from '@gridpost/store';
import { Script } from '../call.js';
import { allowedWhenFull } from './parts.js';

/**
 * `record(base, quota, first, last)` appends the blocks that stand in `ARGV` from `first` to `last`, kind and block in turn,
 * and lets go of some where they are over the quota (`attemptBytesKept`): successes before failures, the oldest first.
 *
 * Keys: `:attempts:<kind>`, a stream of blocks; `:attempts`, the charged bytes of failures and of both kinds (`all`), and of
 * each kind how many blocks were let go of (`<kind>.shed`) and the instant from which on all are held (`<kind>.from`).
 * Successes, which nearly every settle brings, so change one number, whose new value is all that there is to compare.
 */
export const attempts = `
local function charge(accounts, kind, bytes)
  if kind == 'failures' then redis.call('HINCRBY', accounts, kind, bytes) end
  return redis.call('HINCRBY', accounts, 'all', bytes)
end

local function shed(accounts, kind, over, left)
  local log = accounts .. ':' .. kind
  local bytes, count, last, size = 0, 0, nil, over
  while bytes < over and count < left do
    -- As many as it takes if they are like the last one.
    local some = math.min(16, math.ceil((over - bytes) / size))
    local page = redis.call('XRANGE', log, last and '(' .. last or '-', '+', 'COUNT', some)
    if not page[1] then break end
    for _, entry in ipairs(page) do
      if bytes >= over or count == left then break end
      last = entry[1]
      size = #entry[2][2] + ${chargedBlockBytes(0)}
      bytes = bytes + size
      count = count + 1
    end
  end
  if count > 0 then
    local at, number = string.match(last, '^(%d+)-(%d+)$')
    redis.call('XTRIM', log, 'MINID', '=', string.format('%s-%.0f', at, number + 1))
    charge(accounts, kind, -bytes)
    redis.call('HINCRBY', accounts, kind .. '.shed', count)
    redis.call('HSET', accounts, kind .. '.from', string.format('%.0f', at + 1))
  end
  return over - bytes, left - count
end

local function record(base, quota, first, last)
  local accounts = base .. ':attempts'
  local bytes = nil
  for i = first, last, 2 do
    redis.call('XADD', accounts .. ':' .. ARGV[i], '*', 'b', ARGV[i + 1])
    bytes = charge(accounts, ARGV[i], #ARGV[i + 1] + ${chargedBlockBytes(0)})
  end
  bytes = tonumber(bytes or redis.call('HGET', accounts, 'all') or 0)
  if bytes <= quota then return end
  local over = bytes - quota + math.floor(quota * ${attemptSlack})
  local left = ${attemptShedMax}
  over, left = shed(accounts, 'successes', over, left)
  if over > 0 then shed(accounts, 'failures', over, left) end
end
`;

/**
 * Reads a page, newest first.
 *
 *     KEYS[1]  the partition
 *     ARGV     kind; where to begin as XREVRANGE has it; most bytes
 *     returns  1 if there are more; then id and block of each
 */
export const readAttempts = new Script(`${allowedWhenFull}
local log = KEYS[1] .. ':attempts:' .. ARGV[1]
local from, room = ARGV[2], tonumber(ARGV[3])
local answer, size = { 0 }, 1
while true do
  local page = redis.call('XREVRANGE', log, from, '-', 'COUNT', 8)
  for _, entry in ipairs(page) do
    room = room - #entry[2][2]
    if room < 0 and size > 1 then
      answer[1] = 1
      return answer
    end
    answer[size + 1] = entry[1]
    answer[size + 2] = entry[2][2]
    size = size + 2
  end
  if #page < 8 then return answer end
  from = '(' .. page[8][1]
end
`);
