/** Attribute values as HTTP header values, and back (CloudEvents HTTP binding §3.1.3.2). */
import { isUtf8 } from 'node:buffer';

/** Matches what must be percent-encoded: everything but U+0021–U+007E without the quote and the percent sign. */
const encoded = /[^!#$&-~]/;

/** Each byte as it stands in a header value. */
const forms: string[] = [];
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  forms.push(encoded.test(character) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : character);
}

/** Encodes any text without unpaired surrogates. The result is printable ASCII. */
export function encodeHeaderValue(text: string): string {
  if (!encoded.test(text)) return text;
  let value = '';
  for (const byte of Buffer.from(text)) value += forms[byte];
  return value;
}

/** RFC 9110 §5.5, without what is obsolete there: printable ASCII, with spaces and tabs only within. */
const fitting = /^[!-~]([\t -~]*[!-~])?$/;

/** Whether a header can have this value as it is. No header is empty. */
export function fitsHeader(value: string): boolean {
  return fitting.test(value);
}

/** A value for a header whose encoding nothing prescribes: the text as it is if that fits, or else as a CloudEvents attribute. */
export function headerText(text: string): string {
  return fitsHeader(text) ? text : encodeHeaderValue(text);
}

/** 1 for the bytes of a header value that stand for themselves, among them the space, which senders may leave as is. */
const plain = new Uint8Array(128).fill(1, 0x20, 0x7f);
plain[0x22] = 0;
plain[0x25] = 0;

/**
 * Writes a value that needs no decoding into `into`, as the bytes it stands for. False if it does need decoding, or is
 * longer than `into`: what was written is then of no use.
 */
export function copyPlainValue(value: string, into: Buffer): boolean {
  if (value.length > into.length) return false;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit > 0x7f || plain[unit] === 0) return false;
    into[i] = unit;
  }
  return true;
}

/** Why a header value cannot be decoded. */
export interface Undecodable {
  readonly problem: string;
}

/** Decodes any header value: unescapes double-quoted parts, then decodes percent-encoded bytes, once. */
export function decodeHeaderValue(value: string): string | Undecodable {
  if (/[^ -~]/.test(value)) {
    return { problem: 'it must be printable ASCII, with other characters percent-encoded as UTF-8' };
  }
  const unquoted = unquote(value);
  if (unquoted === undefined) return { problem: 'its double quotes must be in pairs, or encoded as %22' };
  if (/%(?![0-9A-Fa-f]{2})/.test(unquoted)) {
    return { problem: 'a percent sign must be followed by two hexadecimal digits, or encoded as %25' };
  }
  const latin1 = unquoted.replace(/%(..)/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : { problem: 'its percent-encoded bytes must be UTF-8' };
}

/** Takes the quotes off quoted strings (RFC 7230 §3.2.6), wherever they stand; undefined if one does not end. */
function unquote(value: string): string | undefined {
  let text = '';
  let quoted = false;
  for (let i = 0; i < value.length; i++) {
    if (value[i] === '"') quoted = !quoted;
    else if (quoted && value[i] === '\\' && i + 1 < value.length) text += value[++i];
    else text += value[i];
  }
  return quoted ? undefined : text;
}
