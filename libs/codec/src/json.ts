/**
 * A strict JSON scanner over bytes (RFC 8259): it finds where values end and refuses what is not JSON, and builds
 * nothing. Data can so be kept and delivered as the bytes that were sent, with its number spellings, key order and
 * duplicate keys, at a fraction of the cost of parsing it.
 *
 * It does not recurse, so nesting costs no stack. UTF-8 is checked beforehand, by whoever holds the body. What members
 * mean is `reader.ts`'s business.
 *
 * Every function takes the whole body and an offset in it, and returns the offset behind what it scanned. Reads are
 * kept inside the buffer: a read past its end would slow down every later one.
 */
import { GridpostError, limits } from '@gridpost/model';

export const quote = 0x22;
export const comma = 0x2c;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
const colon = 0x3a;
const backslash = 0x5c;
const minus = 0x2d;
/** What `byteAt` returns behind the last byte. */
const nothing = -1;

/** 1 for the bytes that stand for themselves in a string: all but the quote, the backslash and control characters. */
const unescaped = new Uint8Array(256).fill(1, 0x20);
unescaped[quote] = 0;
unescaped[backslash] = 0;

const hexDigit = new Uint8Array(256).fill(1, 0x30, 0x3a).fill(1, 0x41, 0x47).fill(1, 0x61, 0x67);
const shortEscape = new Uint8Array(256);
for (const letter of '"\\/bfnrt') shortEscape[letter.charCodeAt(0)] = 1;

/** The brackets open around the current position. One array serves all calls, since none of them yields. */
const open = new Uint8Array(limits.jsonDepthMax);

export function byteAt(bytes: Buffer, at: number): number {
  return at < bytes.length ? bytes[at]! : nothing;
}

export function skipSpace(bytes: Buffer, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at++;
  }
  return at;
}

/** Throws `InvalidJson` unless nothing but white space follows. */
export function expectEnd(bytes: Buffer, at: number): void {
  const end = skipSpace(bytes, at);
  if (end < bytes.length) throw syntaxError(bytes, end, 'the end of the body');
}

/** Scans a whole document of at most `levels` levels of nesting. Throws `InvalidJson` or `TooDeep`. */
export function expectJson(bytes: Buffer, levels: number): void {
  expectEnd(bytes, valueEnd(bytes, skipSpace(bytes, 0), levels));
}

/**
 * Scans the value at `at`, which may hold at most `levels` (up to `limits.jsonDepthMax`) levels of objects and arrays.
 * Throws `InvalidJson` or `TooDeep`.
 */
export function valueEnd(bytes: Buffer, at: number, levels: number): number {
  let depth = 0;
  for (;;) {
    const first = byteAt(bytes, at);
    if (first === quote) at = stringEnd(bytes, at);
    else if (first === openBrace || first === openBracket) {
      if (depth === levels) throw tooDeep(at);
      open[depth++] = first;
      at = skipSpace(bytes, at + 1);
      // In ASCII each closing bracket is two above its opening one.
      if (byteAt(bytes, at) !== first + 2) {
        if (first === openBrace) at = nameEnd(bytes, at);
        continue;
      }
      depth--;
      at++;
    } else at = scalarEnd(bytes, at);

    for (;;) {
      if (depth === 0) return at;
      const bracket = open[depth - 1]!;
      at = skipSpace(bytes, at);
      const next = byteAt(bytes, at);
      if (next === comma) {
        at = skipSpace(bytes, at + 1);
        if (bracket === openBrace) at = nameEnd(bytes, at);
        break;
      }
      if (next !== bracket + 2) {
        throw syntaxError(bytes, at, bracket === openBrace ? "',' or '}'" : "',' or ']'");
      }
      depth--;
      at++;
    }
  }
}

/** Scans the string whose opening quote is at `at`. */
export function stringEnd(bytes: Buffer, at: number): number {
  const { length } = bytes;
  at++;
  for (;;) {
    while (at < length && unescaped[bytes[at]!] === 1) at++;
    const byte = byteAt(bytes, at);
    if (byte === quote) return at + 1;
    if (byte === nothing) throw syntaxError(bytes, at, 'the end of the string');
    if (byte !== backslash) throw syntaxError(bytes, at, 'control characters in strings to be escaped');
    at = escapeEnd(bytes, at + 1);
  }
}

/** Scans a member's name with its colon, and the space around it, to where the value begins. */
function nameEnd(bytes: Buffer, at: number): number {
  if (byteAt(bytes, at) !== quote) throw syntaxError(bytes, at, 'a member name in double quotes');
  return colonEnd(bytes, stringEnd(bytes, at));
}

/** Scans the colon behind a member's name, and the space around it, to where the value begins. */
export function colonEnd(bytes: Buffer, at: number): number {
  at = skipSpace(bytes, at);
  if (byteAt(bytes, at) !== colon) throw syntaxError(bytes, at, "':' after a member name");
  return skipSpace(bytes, at + 1);
}

/** Scans the rest of an escape sequence, from behind its backslash. */
function escapeEnd(bytes: Buffer, at: number): number {
  const letter = byteAt(bytes, at);
  if (letter !== nothing && shortEscape[letter] === 1) return at + 1;
  if (letter !== 0x75 /* u */) throw syntaxError(bytes, at, 'an escape sequence (one of "\\/bfnrtu)');
  for (let digit = at + 1; digit < at + 5; digit++) {
    const byte = byteAt(bytes, digit);
    if (byte === nothing || hexDigit[byte] === 0) throw syntaxError(bytes, digit, 'four hexadecimal digits');
  }
  return at + 5;
}

function scalarEnd(bytes: Buffer, at: number): number {
  switch (byteAt(bytes, at)) {
    case 0x74:
      return wordEnd(bytes, at, 'true');
    case 0x66:
      return wordEnd(bytes, at, 'false');
    case 0x6e:
      return wordEnd(bytes, at, 'null');
    default:
      return numberEnd(bytes, at);
  }
}

function wordEnd(bytes: Buffer, at: number, word: string): number {
  for (let i = 1; i < word.length; i++) {
    if (byteAt(bytes, at + i) !== word.charCodeAt(i)) throw syntaxError(bytes, at + i, `'${word}'`);
  }
  return at + word.length;
}

function numberEnd(bytes: Buffer, at: number): number {
  const negative = byteAt(bytes, at) === minus;
  if (negative) at++;
  const first = byteAt(bytes, at);
  if (!isDigit(first)) throw syntaxError(bytes, at, negative ? 'a digit' : 'a JSON value');
  at = first === 0x30 ? at + 1 : digitsEnd(bytes, at);
  if (byteAt(bytes, at) === 0x2e) at = digitsEnd(bytes, at + 1);
  const exponent = byteAt(bytes, at);
  if (exponent === 0x65 || exponent === 0x45) {
    const sign = byteAt(bytes, at + 1);
    at = digitsEnd(bytes, sign === 0x2b || sign === minus ? at + 2 : at + 1);
  }
  return at;
}

/** Scans one or more digits. */
function digitsEnd(bytes: Buffer, at: number): number {
  if (!isDigit(byteAt(bytes, at))) throw syntaxError(bytes, at, 'a digit');
  do at++;
  while (isDigit(byteAt(bytes, at)));
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function tooDeep(at: number): GridpostError {
  return new GridpostError(
    'TooDeep',
    `byte ${at}: an event's objects and arrays may be nested ${limits.jsonDepthMax} levels deep, its own object included`,
  );
}

/** What to throw where the grammar expects something else. */
export function syntaxError(bytes: Buffer, at: number, expected: string): GridpostError {
  return new GridpostError('InvalidJson', `byte ${at}: expected ${expected}, found ${found(bytes, at)}`);
}

function found(bytes: Buffer, at: number): string {
  const byte = byteAt(bytes, at);
  if (byte === nothing) return 'the end of the body';
  if (byte === 0xef && byteAt(bytes, at + 1) === 0xbb && byteAt(bytes, at + 2) === 0xbf) {
    return 'a byte order mark';
  }
  if (byte > 0x20 && byte < 0x7f) return `'${String.fromCharCode(byte)}'`;
  return `byte 0x${byte.toString(16).padStart(2, '0')}`;
}
