/**
 * Media types: the request's content type and the event's `datacontenttype` (RFC 2045 §5.1; RFC 9110 §8.3.1, which
 * also allows an empty parameter). The same few come with almost every event, so what was parsed is remembered.
 */
import { isSameText } from './text.js';

export interface MediaType {
  /** Type and subtype in lower case, without parameters. */
  readonly essence: string;
  /** The `charset` parameter in lower case. */
  readonly charset: string | undefined;
  /** Whether it declares JSON data: its subtype is `json` or ends with `+json` (JSON format §3.1.1). */
  readonly json: boolean;
}

export const mediaTypeRule = 'a media type such as application/json (RFC 2045)';

// Tokens have no spaces and no `tspecials`. Each quantifier ends where the next one cannot begin, so that matching
// takes linear time whatever the text.
const token = "[!#$%&'*+.^_`|~{}0-9A-Za-z-]+";
const parameter = `(${token})=(${token}|"(?:[ !#-\\[\\]-~]|\\\\[ -~])*")`;
const shape = new RegExp(`^(${token}/${token}) *((?:; *(?:${parameter} *)?)*)$`);
const parameters = new RegExp(`; *(?:${parameter})?`, 'g');

const rememberedMax = 256;
const rememberedLengthMax = 256;
const remembered = new Map<string, MediaType>();

/** The text that `mediaTypeAt` saw last, and what it is. */
let lastText = '';
let lastMediaType: MediaType | undefined;

/** Parses the media type in a slice. */
export function mediaTypeAt(bytes: Buffer, from: number, to: number): MediaType | undefined {
  if (!isSameText(lastText, bytes, from, to)) {
    lastText = bytes.toString('latin1', from, to);
    lastMediaType = parseMediaType(lastText);
  }
  return lastMediaType;
}

/** Parses a media type; undefined where the text is none. Takes any text; of the result only the text is kept. */
export function parseMediaType(text: string): MediaType | undefined {
  return remembered.get(text) ?? parse(text);
}

function parse(text: string): MediaType | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  const essence = match[1]!.toLowerCase();
  let charset: string | undefined;
  for (const [, name, value] of match[2]!.matchAll(parameters)) {
    if (name?.toLowerCase() !== 'charset') continue;
    const unquoted = value!.startsWith('"') ? value!.slice(1, -1).replace(/\\(.)/g, '$1') : value!;
    // Of two that differ, the one that is not UTF-8 decides: what follows from it is a refusal.
    if (charset === undefined || charset === 'utf-8') charset = unquoted.toLowerCase();
  }
  const mediaType = { essence, charset, json: /[/+]json$/.test(essence) };
  if (text.length <= rememberedLengthMax) {
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(text, mediaType);
  }
  return mediaType;
}

/** Whether bytes of this type are UTF-8 as far as the type says. */
export function isUtf8Type(mediaType: MediaType): boolean {
  return mediaType.charset === undefined || mediaType.charset === 'utf-8';
}

/** The same media type in UTF-8. */
export function withUtf8(text: string): string {
  return text.replace(parameters, (whole, name: string | undefined) =>
    name?.toLowerCase() === 'charset' ? '; charset=utf-8' : whole,
  );
}
