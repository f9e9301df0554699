/** Timestamps of RFC 3339, checked on the bytes, because every event with a `time` passes here. */

const utc = Buffer.from('Z');
const daysOfMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Whether the slice is an RFC 3339 §5.6 `date-time` of a day that exists. The offset is required, and so are the
 * seconds; `T` and `Z` may be in lower case. A leap second is accepted where one can be, at 23:59:60 UTC, on any day:
 * which days have one is announced only months ahead.
 */
export function isTimestamp(bytes: Buffer, from: number, to: number): boolean {
  // The shortest form is 2018-04-05T17:31:00Z.
  if (to - from < 20) return false;
  if (bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d) return false;
  if ((bytes[from + 10]! | 0x20) !== 0x74 || bytes[from + 13] !== 0x3a || bytes[from + 16] !== 0x3a)
    return false;
  const century = pair(bytes, from);
  const year = century * 100 + pair(bytes, from + 2);
  const month = pair(bytes, from + 5);
  const day = pair(bytes, from + 8);
  const hour = pair(bytes, from + 11);
  const minute = pair(bytes, from + 14);
  const second = pair(bytes, from + 17);
  // A pair that is no number is NaN, and fails the comparison it is in.
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= lastDay(year, month))) return false;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return false;

  let at = from + 19;
  if (bytes[at] === 0x2e) {
    at++;
    const fraction = at;
    while (at < to && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (at === fraction || at === to) return false;
  }
  const sign = bytes[at]!;
  let offset = 0;
  if ((sign | 0x20) === 0x7a) {
    if (at + 1 !== to) return false;
  } else {
    if ((sign !== 0x2b && sign !== 0x2d) || at + 6 !== to || bytes[at + 3] !== 0x3a) return false;
    const offsetHour = pair(bytes, at + 1);
    const offsetMinute = pair(bytes, at + 4);
    if (!(offsetHour <= 23 && offsetMinute <= 59)) return false;
    offset = (offsetHour * 60 + offsetMinute) * (sign === 0x2d ? -1 : 1);
  }
  return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 === 1439;
}

/** Whether the slice is a `date-time` but for its offset: `2018-04-05T17:31:00`. */
export function isLocalTimestamp(bytes: Buffer, from: number, to: number): boolean {
  return isTimestamp(Buffer.concat([bytes.subarray(from, to), utc]), 0, to - from + 1);
}

function lastDay(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : daysOfMonth[month - 1]!;
}

/** Two digits as a number, or NaN. */
function pair(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - 0x30;
  const ones = bytes[at + 1]! - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
