/** Permits that go round among the workers. */
import { Script } from '../call.js';
import { allowedWhenFull, clock } from './parts.js';

/**
 * Shares out permits as the port says. Of each subscription with places the line stands in a key of its own, as JSON: an
 * array of `[worker, held, until]` in the order in which the workers came. It goes with the last of its places.
 *
 *     KEYS[1]  the configuration
 *     ARGV     worker, for how many ms, then of each ask: subscription, limit, wanted
 *     returns  of each ask: held, waiting
 */
export const permits = new Script(`${allowedWhenFull}${clock}
local worker, at = ARGV[1], now()
local untilAt = at + tonumber(ARGV[2])
local answers = {}
for i = 3, #ARGV, 3 do
  local key = KEYS[1] .. ':permits:' .. ARGV[i]
  local limit, wanted = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local line, own, last = {}, nil, untilAt
  for _, place in ipairs(cjson.decode(redis.call('GET', key) or '[]')) do
    local isOwn = place[1] == worker
    if place[3] > at and (wanted > 0 or not isOwn) then
      line[#line + 1] = place
      last = math.max(last, place[3])
      if isOwn then own = place end
    end
  end
  if not own and wanted > 0 then
    own = { worker, 0, 0 }
    line[#line + 1] = own
  end
  local free, waiting, before = limit, 0, 0
  for _, place in ipairs(line) do
    if place == own then before = waiting
    elseif place[2] == 0 then waiting = waiting + 1
    else free = free - place[2] end
  end
  local held = 0
  if own then
    local more = free - (own[2] > 0 and waiting or before)
    held = math.max(0, math.min(wanted, math.max(more, math.min(own[2], free))))
    own[2], own[3] = held, untilAt
  end
  if #line == 0 then redis.call('DEL', key)
  else redis.call('SET', key, cjson.encode(line), 'PX', math.max(1, last - at)) end
  answers[#answers + 1] = held
  answers[#answers + 1] = waiting
end
return answers
`);
