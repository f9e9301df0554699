/**
 * Shared access signatures as Event Grid's SDKs make them: `r={resource}&e={expiry}&s={signature}`, the first two
 * percent-encoded, signed as they are written (Event Grid, "Authenticate clients using access keys or shared access
 * signatures"). Reading one says nothing about whether it is right.
 */

export interface SharedAccessSignature {
  /** What is signed, as it was sent: to encode it again would be to guess how the client encodes. */
  readonly signed: string;
  /** HMAC-SHA256 of it, as claimed. */
  readonly mac: Buffer;
  /** What it is for; its query is the client's business (`?apiVersion=2018-01-01`). */
  readonly resource: URL;
  /** Milliseconds since the epoch; from this instant on it is good for nothing. */
  readonly expiresAt: number;
}

const shape = /^(r=([^&]*)&e=([^&]*))&s=([^&]*)$/;
const macBytes = 32;

/** Undefined for a text that is none. Takes any text. */
export function parseSignature(token: string): SharedAccessSignature | undefined {
  const [, signed, r, e, s] = shape.exec(token) ?? [];
  if (signed === undefined) return undefined;
  const resource = unescaped(r!);
  const expiresAt = expiryOf(unescaped(e!));
  // Of base64 a plus sign is part, also where a client did not encode it.
  const mac = Buffer.from(unescaped(s!.replaceAll('+', '%2B')), 'base64');
  if (!URL.canParse(resource) || expiresAt === undefined || mac.length !== macBytes) return undefined;
  return { signed, mac, resource: new URL(resource), expiresAt };
}

/** Empty, which is no part of any signature, where an escape is broken. .NET and Python write a space as a plus sign. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return '';
  }
}

/** `6/5/2030 12:09:03 PM`: .NET's en-US, which has a narrow space in newer versions; JavaScript and Java imitate it. */
const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})\s(\d{1,2}):(\d{1,2}):(\d{1,2})\s([AP])M$/;
/** `2030-06-05T12:09:03.123456`: Python's `isoformat` and `str`, with an offset or without. */
const iso = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))?$/;

/** Milliseconds since the epoch of an expiry in any of its spellings, all of them in UTC unless they say otherwise. */
export function expiryOf(text: string): number | undefined {
  let match = american.exec(text);
  if (match) {
    const [month, day, year, hour, minute, second] = numbersOf(match);
    if (hour < 1 || hour > 12) return undefined;
    return instant([year, month, day, (hour % 12) + (match[7] === 'P' ? 12 : 0), minute, second]);
  }
  match = iso.exec(text);
  const local = match && instant(numbersOf(match));
  if (local == null) return undefined;
  const [fraction, sign, hours, minutes] = match!.slice(7);
  const offsetMs = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
  return local + Math.trunc(Number(`0.${fraction ?? 0}`) * 1_000) - (sign === '-' ? -offsetMs : offsetMs);
}

type SixNumbers = [number, number, number, number, number, number];

function numbersOf(match: RegExpExecArray): SixNumbers {
  return match.slice(1, 7).map(Number) as SixNumbers;
}

/** Undefined where there is no such moment: `Date` would take 30 February for the 2nd of March. */
function instant(parts: SixNumbers): number | undefined {
  const [year, month, ...others] = parts;
  const at = Date.UTC(year, month - 1, ...others);
  const found = new Date(at).toISOString().slice(0, 19).split(/[-T:]/).map(Number);
  return found.every((part, index) => part === parts[index]) ? at : undefined;
}
