/** Settling: entries leave the log, and what could not be finished of them is written in the same step. */
import { Script } from '../call.js';
import { allowedWhenFull, clock, deliveries, fence } from './parts.js';

/** Forgets the notes of \`begin\` about entries that left the log. */
const forget = `
local function forget(base, entries, first)
  if redis.call('EXISTS', base .. ':begun') == 0 then return end
  for i = first, #entries do
    local entry = entries[i]
    if redis.call('SREM', base .. ':begun', entry) == 1 then redis.call('DEL', base .. ':begun:' .. entry) end
  end
end
`;

/**
 * The settle that finds everything finished, which is nearly every one: removes entries.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  epoch
 *     ARGV[2…] ids
 *     returns  how many were removed, or -1 - that if some subscription's quota is still to be enforced (\`settle\`); nil if
 *              the epoch is over
 */
export const removeEntries = new Script(`${allowedWhenFull}${fence}${forget}
local base = KEYS[1]
local removed = 0
-- Lua can pass on some 8,000 values.
for first = 2, #ARGV, 4000 do
  removed = removed + redis.call('XDEL', base .. ':log', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
if redis.call('EXISTS', base .. ':begun', base .. ':over') == 0 then return removed end
forget(base, ARGV, 2)
if redis.call('EXISTS', base .. ':over') == 1 then return -1 - removed end
return removed
`);

/**
 * \`conclude\` ends a lease, if its token is the stored one and it ends after \`ends\`; returns whether it did. An outcome is
 * [member, subscription, token, kind, ms, tag, state], as \`settle\` has them. After \`deliveries\`.
 */
const outcomes = `
local function tagged(kind, tag, at)
  return kind == 'x' and at .. ' ' .. tag or tag
end

local function conclude(outcome, at, ends)
  local member, subscription, token, kind, ms, tag, state = unpack(outcome)
  local record = redis.call('HGET', held(member), subscription)
  if not record then return false end
  local was, charge, stored = parse(record)
  if was ~= 'l' or stored ~= token then return false end
  if ends and tonumber(redis.call('ZSCORE', queue('due', subscription), member)) <= ends then return false end
  if kind == 'f' then
    drop(member, subscription, was, charge)
  else
    write(member, subscription, was, kind, charge, tagged(kind, tag, at), state, at + ms)
  end
  return true
end

-- Tells the processes that listen for it that something is due for these subscriptions.
local function announce(subscriptions)
  if not subscriptions[1] then return end
  local prefix, partition = string.match(base, '^{(.*):p(%d+)}$')
  redis.call('PUBLISH', prefix .. ':deferred', partition .. ' ' .. table.concat(subscriptions, ' '))
end
`;

/**
 * Settles a batch. Payloads are not sent: they are cut from the log entry that is being removed.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  epoch
 *     ARGV[2]  JSON:
 *              entries   [id, deferrals], a deferral being [index, member, subscription, charge, kind, ms, tag, state]
 *              outcomes  [member, subscription, token, kind, ms, tag, state]
 *              announced subscriptions whose consumers are to be told
 *              quota     {deferred, all, steps}: charged bytes, and the most deliveries one quota moves in one settle
 *              where kind is d, l or x, or f for finished; ms a delay or a lease; tag a token or a reason
 *     returns  how many entries were removed, and a list of subscription, turned into dead letters, dropped, for each quota
 *              that did something; nil if the epoch is over
 */
export const settle = new Script(`${allowedWhenFull}${fence}${clock}${forget}${deliveries}${outcomes}
local log = base .. ':log'
local batch = cjson.decode(ARGV[2])
local at = now()
local removed = {}

-- Where each event of a packed entry begins and ends: topic, length and frame together.
local function spans(packed)
  local found, from = {}, 4
  for i = 0, struct.unpack('<I2', packed, 2) - 1 do
    local length = from + 1 + string.byte(packed, from)
    local upTo = length + 4 + struct.unpack('<I4', packed, length)
    found[i] = { from, upTo - 1 }
    from = upTo
  end
  return found
end

for _, entry in ipairs(batch.entries) do
  local id, deferrals = entry[1], entry[2]
  local packed = #deferrals > 0 and redis.call('XRANGE', log, id, id)[1]
  if redis.call('XDEL', log, id) == 1 then
    removed[#removed + 1] = id
    local where = packed and spans(packed[2][2])
    local holds = {}
    for _, deferral in ipairs(deferrals) do
      local i, member, subscription, charge, kind, ms, tag, state = unpack(deferral)
      if where[i] then
        if not holds[i] then
          redis.call('HSET', held(member), ':payload', string.sub(packed[2][2], where[i][1], where[i][2]))
          holds[i] = true
        end
        write(member, subscription, nil, kind, charge, tagged(kind, tag, at), state, at + ms)
      end
    end
  end
end
forget(base, removed, 1)

for _, outcome in ipairs(batch.outcomes) do conclude(outcome, at) end
announce(batch.announced)

-- Left over a quota by an earlier step.
for _, subscription in ipairs(redis.call('SPOP', base .. ':over', 64)) do touch(subscription) end
return { #removed, finish(at, batch.quota) }
`);

/**
 * Ends leases of consumers: those that have not ended by themselves.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  JSON: outcomes and quota as \`settle\` has them; released: subscriptions for which something is due at once
 *     returns  a list of 1 or 0, whether each was applied, and what quotas did as in \`settle\`
 */
export const conclude = new Script(`${allowedWhenFull}${clock}${deliveries}${outcomes}
local batch = cjson.decode(ARGV[1])
local at = now()
local applied = {}
for i, outcome in ipairs(batch.outcomes) do applied[i] = conclude(outcome, at, at) and 1 or 0 end
announce(batch.released)
return { applied, finish(at, batch.quota) }
`);
