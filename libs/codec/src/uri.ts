/**
 * URIs and URI-references of RFC 3986, checked in one pass over the bytes. Only the grammar is checked: nothing is
 * resolved or normalised, and whether a scheme exists is nobody's business here.
 */
import { isIPv6 } from 'node:net';

/** Bit set: where a byte may stand. Bytes outside ASCII may stand nowhere (RFC 3986 §2). */
const inScheme = 1;
/** `pchar` without `:` and `%`, which are looked at on their own. */
const inSegment = 2;
const inHost = 4;
const hexadecimal = 8;
const classes = new Uint8Array(256);
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const digits = '0123456789';
const classify = (bytes: string, bits: number) => {
  for (const byte of bytes) classes[byte.charCodeAt(0)]! |= bits;
};
classify(`${letters}${digits}+-.`, inScheme);
classify(`${letters}${digits}-._~!$&'()*+,;=`, inSegment | inHost);
classify('@', inSegment);
classify(`${digits}abcdefABCDEF`, hexadecimal);

const colon = 0x3a;
const slash = 0x2f;
const questionMark = 0x3f;
const hash = 0x23;
const percent = 0x25;
const atSign = 0x40;

/** Whether the slice is a non-empty URI-reference (§4.1): absolute, or relative like `/orders` or `#fragment`. */
export function isUriReference(bytes: Buffer, from: number, to: number): boolean {
  if (from === to) return false;
  const scheme = schemeEnd(bytes, from, to);
  return isRemainder(bytes, scheme, to, scheme > from);
}

/** Whether the slice is a URI with its scheme (§3). A fragment is allowed, as JSON Schema documents are cited so. */
export function isUri(bytes: Buffer, from: number, to: number): boolean {
  const scheme = schemeEnd(bytes, from, to);
  return scheme > from && isRemainder(bytes, scheme, to, true);
}

/** The offset behind a scheme and its colon, or `from` where there is none. */
function schemeEnd(bytes: Buffer, from: number, to: number): number {
  let end = from;
  while (end < to && classes[bytes[end]!]! & inScheme) end++;
  if (end === from || end === to || bytes[end] !== colon) return from;
  const first = bytes[from]! | 0x20;
  return first >= 0x61 && first <= 0x7a ? end + 1 : from;
}

/** What follows the scheme: authority, path, query and fragment. */
function isRemainder(bytes: Buffer, from: number, to: number, afterScheme: boolean): boolean {
  let cursor = from;
  // Without a scheme, a colon in the first segment would be taken for the end of one (§4.2).
  let colonAllowed = afterScheme;
  if (to - from >= 2 && bytes[from] === slash && bytes[from + 1] === slash) {
    cursor = from + 2;
    while (cursor < to && !endsAuthority(bytes[cursor]!)) cursor++;
    if (!isAuthority(bytes, from + 2, cursor)) return false;
    colonAllowed = true;
  }
  let part: 'path' | 'query' | 'fragment' = 'path';
  while (cursor < to) {
    const byte = bytes[cursor]!;
    if (classes[byte]! & inSegment) cursor++;
    else if (byte === slash) {
      colonAllowed = true;
      cursor++;
    } else if (byte === colon && colonAllowed) cursor++;
    else if (byte === percent && isEncodedByte(bytes, cursor, to)) cursor += 3;
    else if (byte === questionMark) {
      if (part === 'path') part = 'query';
      colonAllowed = true;
      cursor++;
    } else if (byte === hash && part !== 'fragment') {
      part = 'fragment';
      colonAllowed = true;
      cursor++;
    } else return false;
  }
  return true;
}

function endsAuthority(byte: number): boolean {
  return byte === slash || byte === questionMark || byte === hash;
}

/** `[userinfo@]host[:port]` (§3.2). */
function isAuthority(bytes: Buffer, from: number, to: number): boolean {
  let host = from;
  for (let cursor = from; cursor < to; cursor++) if (bytes[cursor] === atSign) host = cursor + 1;
  if (host > from && !isName(bytes, from, host - 1, true)) return false;
  let hostEnd = to;
  while (hostEnd > host && bytes[hostEnd - 1]! >= 0x30 && bytes[hostEnd - 1]! <= 0x39) hostEnd--;
  if (hostEnd > host && bytes[hostEnd - 1] === colon) hostEnd--;
  else hostEnd = to;
  if (bytes[host] === 0x5b && hostEnd > host) return isAddress(bytes.toString('latin1', host, hostEnd));
  return isName(bytes, host, hostEnd, false);
}

/** `userinfo` (with colons) or `reg-name` (without). */
function isName(bytes: Buffer, from: number, to: number, colons: boolean): boolean {
  for (let cursor = from; cursor < to; cursor++) {
    const byte = bytes[cursor]!;
    if (classes[byte]! & inHost || (byte === colon && colons)) continue;
    if (byte !== percent || !isEncodedByte(bytes, cursor, to)) return false;
    cursor += 2;
  }
  return true;
}

const futureAddress = /^v[0-9a-f]+\.[a-z0-9\-._~!$&'()*+,;=:]+$/i;

/** An address in brackets (§3.2.2). */
function isAddress(text: string): boolean {
  if (!text.endsWith(']')) return false;
  const address = text.slice(1, -1);
  return futureAddress.test(address) || (!address.includes('%') && isIPv6(address));
}

function isEncodedByte(bytes: Buffer, from: number, to: number): boolean {
  return (
    from + 2 < to && (classes[bytes[from + 1]!]! & classes[bytes[from + 2]!]! & hexadecimal) === hexadecimal
  );
}
