/** Journals: a stream each in the configuration's slot, `:journal:NAME`, one entry per record, its text under `text`. */
import { Script } from '../call.js';
import { allowedWhenFull, clock } from './parts.js';

/**
 * Writes records, and lets go of those that are one too many or too old.
 *
 *     KEYS[1]  the configuration
 *     ARGV     journal, most records, most milliseconds that a record is kept; then the records
 *     returns  nothing
 */
export const writeRecords = new Script(`${allowedWhenFull}${clock}
local journal = KEYS[1] .. ':journal:' .. ARGV[1]
for at = 4, #ARGV do redis.call('XADD', journal, '*', 'text', ARGV[at]) end
redis.call('XTRIM', journal, 'MAXLEN', '=', ARGV[2])
redis.call('XTRIM', journal, 'MINID', '=', string.format('%.0f', math.max(0, now() - tonumber(ARGV[3]) + 1)))
`);

/**
 * Reads the newest records.
 *
 *     KEYS[1]  the configuration
 *     ARGV     journal, where to begin as XREVRANGE takes it, most records
 *     returns  id and text of each
 */
export const readRecords = new Script(`${allowedWhenFull}
local answer = {}
local found = redis.call('XREVRANGE', KEYS[1] .. ':journal:' .. ARGV[1], ARGV[2], '-', 'COUNT', ARGV[3])
for _, entry in ipairs(found) do
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = entry[2][2]
end
return answer
`);
