/** The `data` and `data_base64` members of an event in the JSON format (§3.1): which one counts, and what it may be. */
import type { DataKind } from '@gridpost/model';
import { quote } from './json.js';
import type { MediaType } from './media-type.js';
import type { Problems } from './refusal.js';
import { isWellFormed, shown, shownBytes, unescapeJson } from './text.js';

/** A member's value in the body. `from` is 0 where there is none: no value stands at the very beginning. */
export interface Slice {
  from: number;
  to: number;
}

/** The members that carry data, as found in one event. */
export interface DataMembers {
  readonly data: Slice;
  readonly base64: Slice;
}

const letterN = 0x6e;

const alphabet = new Uint8Array(256);
for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
  alphabet[letter.charCodeAt(0)] = 1;
}

/**
 * Decides what the event's data is, and notes what is wrong with it. A `data` of null is a payload; a `data_base64` of
 * null is an absent one. `mediaType` is that of `datacontenttype`, if the event has a valid one.
 */
export function dataKindOf(
  bytes: Buffer,
  { data, base64 }: DataMembers,
  mediaType: MediaType | undefined,
  problems: Problems,
): DataKind {
  if (base64.from !== 0 && bytes[base64.from] !== letterN) {
    if (data.from !== 0) {
      problems.add('data_base64', 'data and data_base64 are both given; an event has at most one of them');
    }
    if (!isBase64String(bytes, base64)) {
      const seen = shownBytes(bytes, base64.from, base64.to);
      problems.add(
        'data_base64',
        `data_base64 is ${seen}; it must be a string of padded base64 in the standard alphabet (RFC 4648 §4)`,
      );
    }
    return 'base64';
  }
  if (data.from === 0) return 'none';
  // Without a content type the data is JSON (§3.1.2).
  if (mediaType && !mediaType.json) checkText(bytes, data, mediaType, problems);
  return 'json';
}

/** Data that is not JSON stands in `data` as a string (§3.1.2), which binary mode must be able to send as UTF-8. */
function checkText(bytes: Buffer, { from, to }: Slice, mediaType: MediaType, problems: Problems): void {
  if (bytes[from] !== quote) {
    const seen = shownBytes(bytes, from, to);
    const type = shown(mediaType.essence);
    problems.add('data', `data is ${seen}; with datacontenttype ${type} it must be a string, or data_base64`);
  } else if (!isWellFormed(unescapeJson(bytes.toString('utf8', from + 1, to - 1)))) {
    problems.add('data', `data is ${shownBytes(bytes, from, to)}; text must be free of unpaired surrogates`);
  }
}

function isBase64String(bytes: Buffer, { from, to }: Slice): boolean {
  if (bytes[from] !== quote) return false;
  if (isBase64(bytes, from + 1, to - 1)) return true;
  // Some serialisers escape the slash or the plus sign.
  if (!bytes.subarray(from, to).includes('\\')) return false;
  const text = Buffer.from(unescapeJson(bytes.toString('utf8', from + 1, to - 1)));
  return isBase64(text, 0, text.length);
}

/** Whether the slice is padded base64 without line breaks (RFC 4648 §4). Empty is valid: it is data of no bytes. */
function isBase64(bytes: Buffer, from: number, to: number): boolean {
  if ((to - from) % 4 !== 0) return false;
  let end = to;
  if (end > from && bytes[end - 1] === 0x3d) end--;
  if (end > from && bytes[end - 1] === 0x3d) end--;
  for (let at = from; at < end; at++) if (alphabet[bytes[at]!] === 0) return false;
  return true;
}
