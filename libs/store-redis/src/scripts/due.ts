/** Leasing what is due, to the owner or to a consumer, and making due. */
import { Script } from '../call.js';
import { held, payloads } from './held.js';
import { allowedWhenFull, clock, fence } from './parts.js';
import { runs } from './runs.js';

/**
 * `part` chooses of a run what is to be leased: at most so many, up to so many charged bytes, but `least` at all events;
 * returns the indexes, and whether the bytes cut it short. `lease` leases them and adds to an answer: entry, subscription,
 * token, the kind they had, state, indexes as bytes, index of the first event in each piece as bytes, and the pieces;
 * returns their size. After `payloads` and `runs`.
 */
const leasing = `
local function part(open, name, most, bytes, least)
  local indexes = {}
  for _, i in ipairs(indexesOf(open, name, most)) do
    bytes = bytes - chargeOf(open.entry, i)
    if bytes < 0 and #indexes >= least then return indexes, true end
    indexes[#indexes + 1] = i
  end
  return indexes, false
end

local function lease(answer, open, indexes, token, kind, state, ends)
  local pieces, firsts = piecesOf(open.entry, indexes)
  move(open, indexes, 'l', token, state, ends)
  local size, bytes = #answer, 0
  answer[size + 1] = open.entry.name
  answer[size + 2] = open.subscription
  answer[size + 3] = token
  answer[size + 4] = kind
  answer[size + 5] = state
  answer[size + 6] = string.char(unpack(indexes))
  answer[size + 7] = string.char(unpack(firsts))
  for i, piece in ipairs(pieces) do
    answer[size + 7 + i] = piece
    bytes = bytes + #piece
  end
  return bytes
end
`;

/**
 * Leases due deliveries, earliest first over all subscriptions. The index `:due` gives the subscriptions by their earliest
 * delivery; `:parked` those that are not looked at, and until when.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  epoch
 *     ARGV[2]  JSON: max, room, rooms [[subscription, room]…], parked [[subscription, ms]…], leaseMs, token, bytes
 *     returns  the server's clock in ms; ms until the next is due, or -1; 1 if it stopped for the bytes of the answer;
 *              then of each run what `lease` adds; nil if the epoch is over
 */
export const due = new Script(`${allowedWhenFull}${fence}${clock}${held}${payloads}${runs}${leasing}
local ask = cjson.decode(ARGV[2])
local at = now()
local parked = base .. ':parked'
local byDue = base .. ':due'

-- Parking that is over: back to the place in the index that the earliest delivery gives.
for _, subscription in ipairs(redis.call('ZRANGEBYSCORE', parked, '-inf', at, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', parked, subscription)
  index(subscription, at)
end
for first = 1, #ask.parked, 1000 do
  local park = {}
  for i = first, math.min(first + 999, #ask.parked) do
    park[#park + 1] = at + ask.parked[i][2]
    park[#park + 1] = ask.parked[i][1]
  end
  redis.call('ZADD', parked, unpack(park))
  redis.call('ZADD', byDue, 'XX', 'GT', unpack(park))
end

local rooms = {}
for _, pair in ipairs(ask.rooms) do rooms[pair[1]] = pair[2] end

-- Candidates: of each subscription with room, its earliest. The index is in the order of the earliest delivery, so that
-- \`max\` subscriptions hold the earliest \`max\` runs among them, and a run has at least one delivery.
local candidates, latest = {}, at
local function earlier(a, b)
  if a.due ~= b.due then return a.due < b.due end
  if a.member ~= b.member then return a.member < b.member end
  return a.subscription < b.subscription
end
local function prune()
  table.sort(candidates, earlier)
  for last = #candidates, ask.max + 1, -1 do candidates[last] = nil end
  if #candidates == ask.max and ask.max > 0 then latest = candidates[ask.max].due end
end
local skip, found = 0, 0
repeat
  local page = redis.call('ZRANGEBYSCORE', byDue, '-inf', latest, 'LIMIT', skip, 64)
  for _, subscription in ipairs(page) do
    local room = math.min(rooms[subscription] or ask.room, ask.max)
    if room > 0 and found < ask.max then
      found = found + 1
      local first = redis.call('ZRANGEBYSCORE', queue('due', subscription), '-inf', latest, 'WITHSCORES', 'LIMIT', 0, room)
      for i = 1, #first, 2 do
        candidates[#candidates + 1] = { due = tonumber(first[i + 1]), member = first[i], subscription = subscription }
      end
      if #candidates >= 2 * ask.max then prune() end
    end
  end
  skip = skip + 64
until #page < 64 or found >= ask.max or skip >= 4096
prune()

local answer = { at, -1, 0 }
local left, bytes, taken = ask.max, ask.bytes, {}
local token = #candidates > 0 and redis.call('HINCRBY', base, 'tokens', #candidates) - #candidates
for i, candidate in ipairs(candidates) do
  local subscription = candidate.subscription
  local room = math.min(rooms[subscription] or ask.room, left)
  local open, run, name = queued(candidate.member, subscription)
  taken[subscription] = true
  if run and room > 0 then
    local indexes, full = part(open, name, room, bytes, #answer > 3 and 0 or 1)
    if indexes[1] then
      local own = ask.token .. string.format('%.0f', token + i)
      bytes = bytes - lease(answer, open, indexes, own, run.kind, run.state, at + ask.leaseMs)
      left = left - #indexes
      rooms[subscription] = (rooms[subscription] or ask.room) - #indexes
    end
    if full then
      answer[3] = 1
      break
    end
  end
end
flush()
for subscription in pairs(taken) do index(subscription, at) end
local first = redis.call('ZRANGE', byDue, 0, 0, 'WITHSCORES')
if first[1] then answer[2] = math.max(0, tonumber(first[2]) - at) end
return answer
`);

/**
 * Leases due deliveries of one subscription to a consumer, earliest first, and counts that they were received.
 *
 *     KEYS[1]  the partition
 *     ARGV     subscription; most deliveries; lease in ms; token; bytes of the answer; how long ago what is given must have
 *              been accepted, in ms, and is then not counted, or -1
 *     returns  the server's clock in ms; ms until the subscription's next is due, or -1; then as `due`
 */
export const receive = new Script(`${allowedWhenFull}${clock}${held}${payloads}${runs}${leasing}
local subscription, bytes, waited = ARGV[1], tonumber(ARGV[5]), tonumber(ARGV[6])
local at = now()

local function received(state)
  if waited >= 0 then return state end
  state = cjson.decode(state)
  state.attempts = state.attempts + 1
  state.lastAttemptAt = at
  return cjson.encode(state)
end

local answer = { at, -1 }
local left = tonumber(ARGV[2])
for _, member in ipairs(redis.call('ZRANGEBYSCORE', queue('due', subscription), '-inf', at, 'LIMIT', 0, left)) do
  if left == 0 or (waited >= 0 and at - tonumber(string.sub(member, 1, 13)) < waited) then break end
  local open, run, name = queued(member, subscription)
  if run then
    local indexes, full = part(open, name, left, bytes, #answer > 2 and 0 or 1)
    if indexes[1] then
      local own = ARGV[4] .. redis.call('HINCRBY', base, 'tokens', 1)
      bytes = bytes - lease(answer, open, indexes, own, run.kind, received(run.state), at + ARGV[3])
      left = left - #indexes
    end
    if full then break end
  end
end
flush()
index(subscription, at)
local next = redis.call('ZRANGE', queue('due', subscription), 0, 0, 'WITHSCORES')
if next[1] then answer[2] = math.max(0, tonumber(next[2]) - at) end
return answer
`);

/**
 * Makes deferred deliveries due now, at most so many of them, and ends the subscription's parking.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  subscription
 *     ARGV[2]  leased runs seen so far, which stay as they are
 *     ARGV[3]  most runs to look at
 *     returns  leased runs seen so far, or -1 when all have been looked at
 */
export const hasten = new Script(`${allowedWhenFull}${clock}${held}${runs}
local subscription, skip, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local at = now()
redis.call('ZREM', base .. ':parked', subscription)
local later = redis.call('ZRANGEBYSCORE', queue('due', subscription), '(' .. at, '+inf', 'LIMIT', skip, most)
for _, member in ipairs(later) do
  local _, run = queued(member, subscription)
  if run and run.kind == 'd' then
    redis.call('ZADD', queue('due', subscription), at, member)
  elseif run then
    skip = skip + 1
  end
end
index(subscription, at)
return #later < most and -1 or skip
`);
