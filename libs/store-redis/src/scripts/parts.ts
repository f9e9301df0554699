/**
 * Pieces of Lua that several scripts begin with. Redis has no `require`: they are put in front of a script's text.
 *
 * All of them expect `KEYS[1]`, the key that names the slot. A script may write below any key that begins with it.
 */

/** `flags=allow-oom`: may write when memory is full, since it makes room or keeps work going. */
export const allowedWhenFull = '#!lua flags=allow-oom\n';

/** Refused by Redis, before it begins, when memory is full. */
export const refusedWhenFull = '#!lua\n';

/** `now()`: the server's clock in milliseconds. */
export const clock = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** Ends the script with nil, which callers take for \`Fenced\`, unless \`ARGV[1]\` is the partition's epoch. */
export const fence = `
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return nil end
`;
