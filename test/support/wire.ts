/**
 * Reads a delivery by the CloudEvents HTTP binding (§3) without the product's own codec, so that the two can disagree.
 * It keeps the data as the bytes that arrived.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface Delivered {
  /** As JSON has them; in binary mode all are text. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The bytes of the `data` member or of the body; base64 decoded. Undefined without data. */
  readonly data: Buffer | undefined;
}

/** Reads a structured event or a binary one, told apart by the content type. Throws where it is neither. */
export function readDelivery(headers: IncomingHttpHeaders, body: Buffer): Delivered {
  if (headers['content-type']?.startsWith('application/cloudevents+json')) return readStructured(body);
  if (headers['ce-specversion'] === undefined) throw new Error('the request carries no event');
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-')) attributes[name.slice(3)] = decodeURIComponent(String(value));
  }
  const contentType = headers['content-type'];
  if (contentType !== undefined) attributes.datacontenttype = contentType;
  return { attributes, data: body.length > 0 ? body : undefined };
}

function readStructured(body: Buffer): Delivered {
  const { data, data_base64: encoded, ...members } = JSON.parse(body.toString()) as Record<string, unknown>;
  // A null attribute is an absent one (JSON format §2.2).
  const attributes = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
  if (encoded !== undefined) return { attributes, data: Buffer.from(encoded as string, 'base64') };
  return { attributes, data: data === undefined ? undefined : memberBytes(body, 'data') };
}

/**
 * The bytes of a member's value in a JSON object, without white space around them; of the last one if there are
 * several. The text must be valid JSON.
 */
export function memberBytes(object: Buffer, name: string): Buffer | undefined {
  let found: Buffer | undefined;
  let at = skipSpace(object, 0) + 1;
  for (;;) {
    at = skipSpace(object, at);
    if (object[at] === brace.close || at >= object.length) return found;
    const nameEnd = skipValue(object, at);
    const key = JSON.parse(object.toString('utf8', at, nameEnd)) as string;
    const start = skipSpace(object, skipSpace(object, nameEnd) + 1);
    const end = skipValue(object, start);
    if (key === name) found = object.subarray(start, end);
    at = skipSpace(object, end);
    if (object[at] === comma) at++;
  }
}

const comma = 0x2c;
const quote = 0x22;
const backslash = 0x5c;
const brace = { open: 0x7b, close: 0x7d };
const bracket = { open: 0x5b, close: 0x5d };

function skipSpace(text: Buffer, from: number): number {
  let at = from;
  while (text[at] === 0x20 || text[at] === 0x09 || text[at] === 0x0a || text[at] === 0x0d) at++;
  return at;
}

function skipString(text: Buffer, from: number): number {
  let at = from + 1;
  while (text[at] !== quote) at += text[at] === backslash ? 2 : 1;
  return at + 1;
}

function skipValue(text: Buffer, from: number): number {
  if (text[from] === quote) return skipString(text, from);
  if (text[from] !== brace.open && text[from] !== bracket.open) {
    let at = from;
    while (at < text.length && !',]} \t\r\n'.includes(String.fromCharCode(text[at]!))) at++;
    return at;
  }
  let depth = 0;
  let at = from;
  do {
    const byte = text[at]!;
    if (byte === quote) {
      at = skipString(text, at);
      continue;
    }
    if (byte === brace.open || byte === bracket.open) depth++;
    else if (byte === brace.close || byte === bracket.close) depth--;
    at++;
  } while (depth > 0);
  return at;
}
