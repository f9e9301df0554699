/** Settling: entries leave the log, and what could not be finished of them is written in the same step. */
import { Script } from '../call.js';
import { attempts } from './attempts.js';
import { holding } from './held.js';
import { allowedWhenFull, clock, fence } from './parts.js';
import { deliveries } from './quotas.js';

/** Forgets the notes of `begin` about entries that left the log. */
const forgetNotes = `
local function forgetNotes(base, entries, first)
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
 *     ARGV[2]  charged bytes that the attempt log may hold
 *     ARGV[3]  where in ARGV the ids begin; between are blocks of attempts, kind and block in turn
 *     returns  how many were removed, or -1 - that if some subscription's quota is still to be enforced (`settle`); nil if
 *              the epoch is over
 */
export const removeEntries = new Script(`${allowedWhenFull}${fence}${forgetNotes}${attempts}
local base = KEYS[1]
local quota, ids = tonumber(ARGV[2]), tonumber(ARGV[3])
local removed = 0
-- Lua can pass on some 8,000 values.
for first = ids, #ARGV, 4000 do
  removed = removed + redis.call('XDEL', base .. ':log', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
local fresh = removed > 0 or ids > #ARGV
if (fresh and ids > 4) or quota == 0 then record(base, quota, 4, fresh and ids - 1 or 3) end
if redis.call('EXISTS', base .. ':begun', base .. ':over') == 0 then return removed end
forgetNotes(base, ARGV, ids)
if redis.call('EXISTS', base .. ':over') == 1 then return -1 - removed end
return removed
`);

/**
 * `conclude` ends leases of one entry and one subscription under one token, those that are stored under it and end after
 * `ends`; adds to `applied` for each whether it did, as 1 or 0, and counts in `endedCount` those that did. An outcome is
 * [entry, subscription, token, indexes, kind, ms, tag, state], as `settle` has them. After `deliveries`.
 */
const outcomes = `
local function tagged(kind, tag, at)
  return kind == 'x' and at .. ' ' .. tag or tag
end

local endedCount = 0

local function conclude(outcome, at, ends, applied)
  local entry, subscription, token, indexes, kind, ms, tag, state = unpack(outcome)
  local open = openOf(entry, subscription, indexes[1])
  local ended = {}
  for _, i in ipairs(indexes) do
    local run, name = nil, nil
    if open then run, name = runAt(open, i) end
    local applies = run and run.kind == 'l' and run.tag == token
    if applies and ends then
      run.at = run.at or tonumber(redis.call('ZSCORE', queue('due', subscription), memberOf(entry, name)))
      applies = run.at > ends
    end
    if applies then ended[#ended + 1] = i end
    if applied then applied[#applied + 1] = applies and '1' or '0' end
  end
  endedCount = endedCount + #ended
  if not ended[1] then return end
  if kind == 'f' then
    forget(open, ended)
  elseif kind == 'x' then
    close(open, ended)
    for _, i in ipairs(ended) do bury(open.entry, subscription, i, tagged(kind, tag, at), state) end
  else
    move(open, ended, kind, tag, state, at + ms)
  end
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
 *              entries   [id, entry, deferrals], a deferral being [subscription, indexes, kind, ms, tag, state]
 *              outcomes  [entry, subscription, token, indexes, kind, ms, tag, state]
 *              overhead  what a delivery is charged beyond its event's frame
 *              announced subscriptions whose consumers are to be told
 *              quota     {deferred, all, steps}: charged bytes, and the most deliveries one quota moves in one settle
 *              where kind is d, l or x, or f for finished; ms a delay or a lease; tag a token or a reason
 *     ARGV[3]  charged bytes that the attempt log may hold
 *     ARGV[4…] blocks of attempts, kind and block in turn
 *     returns  how many entries were removed, and a list of subscription, turned into dead letters, dropped, for each quota
 *              that did something; nil if the epoch is over
 */
export const settle =
  new Script(`${allowedWhenFull}${fence}${clock}${forgetNotes}${deliveries}${holding}${outcomes}${attempts}
local log = base .. ':log'
local batch = cjson.decode(ARGV[2])
local at = now()
local removed = {}

local function defer(entry, packed, deferrals)
  local count = struct.unpack('<I2', packed, 2)
  local uses = {}
  for _, deferral in ipairs(deferrals) do
    for _, i in ipairs(deferral[2]) do
      if i < count then uses[i] = (uses[i] or 0) + 1 end
    end
  end
  local new = hold(entry, packed, uses, batch.overhead)
  for _, deferral in ipairs(deferrals) do
    local subscription, indexes, kind, ms, tag, state = unpack(deferral)
    local there = {}
    for _, i in ipairs(indexes) do
      if i < count then there[#there + 1] = i end
    end
    if kind == 'x' then
      for _, i in ipairs(there) do bury(new, subscription, i, tagged(kind, tag, at), state) end
    elseif there[1] then
      begin(new, subscription, there, kind, tag, state, at + ms)
    end
  end
end

for _, settled in ipairs(batch.entries) do
  local id, entry, deferrals = unpack(settled)
  local logged = #deferrals > 0 and redis.call('XRANGE', log, id, id)[1]
  if redis.call('XDEL', log, id) == 1 then
    removed[#removed + 1] = id
    if logged then defer(entry, logged[2][2], deferrals) end
  end
end
forgetNotes(base, removed, 1)

for _, outcome in ipairs(batch.outcomes) do conclude(outcome, at) end
announce(batch.announced)
if removed[1] or endedCount > 0 or #batch.entries + #batch.outcomes == 0 then
  record(base, tonumber(ARGV[3]), 4, #ARGV)
end

-- Left over a quota by an earlier step.
for _, subscription in ipairs(redis.call('SPOP', base .. ':over', 64)) do touch(subscription) end
return { #removed, finish(at, batch.quota) }
`);

/**
 * Ends leases of consumers: those that have not ended by themselves.
 *
 *     KEYS[1]  the partition
 *     ARGV[1]  JSON: outcomes and quota as `settle` has them; released: subscriptions for which something is due at once
 *     ARGV[2]  charged bytes that the attempt log may hold
 *     ARGV[3…] blocks of attempts, kind and block in turn
 *     returns  a string of 1 and 0, whether each was applied, and what quotas did as in `settle`
 */
export const conclude = new Script(`${allowedWhenFull}${clock}${deliveries}${outcomes}${attempts}
local batch = cjson.decode(ARGV[1])
local at = now()
local applied = {}
for _, outcome in ipairs(batch.outcomes) do conclude(outcome, at, at, applied) end
announce(batch.released)
if endedCount > 0 or not batch.outcomes[1] then record(base, tonumber(ARGV[2]), 3, #ARGV) end
return { table.concat(applied), finish(at, batch.quota) }
`);
