/** Dead letters: reading them, letting them go, and giving them another life. */
import { Script } from '../call.js';
import { held, payloads } from './held.js';
import { letters } from './letters.js';
import { allowedWhenFull, clock } from './parts.js';
import { deliveries } from './quotas.js';
import { runs } from './runs.js';

/**
 * Reads a page of a subscription's dead letters, in the order of dead-lettering.
 *
 *     KEYS[1]  the partition
 *     ARGV     subscription, position after which (0 for the first page), most, most bytes
 *     returns  1 if there are more; then position, member, tag (instant and reason), state, payload of each
 */
export const readDeadLetters = new Script(`${allowedWhenFull}${held}${payloads}${runs}${letters}
local subscription, most, room = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local found = redis.call('ZRANGEBYSCORE', queue('dead', subscription), '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
local answer, size = { 0 }, 1
for i = 1, #found, 2 do
  local member = found[i]
  local entry, index, tag, state = letterOf(member, subscription)
  if entry then
    local payload = payloadOf(entry, index)
    room = room - #payload
    if i > 2 * most or (room < 0 and size > 1) then
      answer[1] = 1
      break
    end
    answer[size + 1] = found[i + 1]
    answer[size + 2] = member
    answer[size + 3] = tag
    answer[size + 4] = state
    answer[size + 5] = payload
    size = size + 5
  end
end
return answer
`);

/**
 * Reads one dead letter.
 *
 *     KEYS[1]  the partition
 *     ARGV     subscription, member
 *     returns  tag (instant and reason), state, payload; nothing if there is none
 */
export const readDeadLetter = new Script(`${allowedWhenFull}${held}${payloads}${runs}${letters}
local entry, index, tag, state = letterOf(ARGV[2], ARGV[1])
if not entry then return {} end
return { tag, state, payloadOf(entry, index) }
`);

/**
 * Lets go of dead letters that are kept elsewhere.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  subscription
 *     ARGV[2…] in turn: member, the instant of its dead-lettering
 *     returns  of how many
 */
export const letGo = new Script(`${allowedWhenFull}${clock}${deliveries}
local subscription = ARGV[1]
local gone, count = {}, 0
for i = 2, #ARGV, 2 do
  local member = ARGV[i]
  local entry, index, tag = letterOf(member, subscription)
  if entry and not gone[member] and string.match(tag, '^%d+') == ARGV[i + 1] then
    gone[member] = true
    unbury(entry, subscription, index)
    release(entry, { index })
    count = count + 1
  end
end
finish(now())
return count
`);

/**
 * Turns dead letters back into deferred deliveries, due now. This is the one place where a state is written here: no
 * attempts, and a life that begins now, as \`packState\` of \`@gridpost/store\` writes it. Wakes the owner.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  subscription
 *     ARGV[2]  most of all; 0 where members follow
 *     ARGV[3]  charged bytes of deferred deliveries from which on the quota is to be enforced by the next settle
 *     ARGV[4…] members
 *     returns  how many
 */
export const redrive = new Script(`${allowedWhenFull}${clock}${deliveries}
local subscription, most = ARGV[1], tonumber(ARGV[2])
local at = now()
local chosen = most > 0 and redis.call('ZRANGE', queue('dead', subscription), 0, most - 1) or { unpack(ARGV, 4) }
local state = string.format('{"attempts":0,"liveFrom":%.0f}', at)
local redriven, count = {}, 0
for _, member in ipairs(chosen) do
  local entry, i = letterOf(member, subscription)
  local indexes = entry and (redriven[entry] or {})
  if entry and not indexes[i] then
    redriven[entry] = indexes
    indexes[i] = true
    unbury(entry, subscription, i)
    count = count + 1
  end
end
for entry, indexes in pairs(redriven) do
  local there = {}
  for i = 0, entry.count - 1 do
    if indexes[i] then there[#there + 1] = i end
  end
  begin(entry, subscription, there, 'd', '', state, at)
end
finish(at)
if tonumber(redis.call('HGET', base .. ':usage', subscription) or 0) > tonumber(ARGV[3]) then
  redis.call('SADD', base .. ':over', subscription)
end
if count > 0 then
  local prefix, partition = string.match(base, '^{(.*):p(%d+)}$')
  redis.call('PUBLISH', prefix .. ':wake', partition .. ' redriven')
end
return count
`);
