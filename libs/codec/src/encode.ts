/**
 * Encodes an event for a delivery, in the mode the subscription wants, whatever mode it was published in. An event
 * keeps its meaning in both directions; a structured event delivered in structured mode keeps its bytes.
 */
import { isUtf8 } from 'node:buffer';
import type { AttributeValue, Event } from '@gridpost/model';
import { encodeHeaderValue } from './header-value.js';
import { isUtf8Type, parseMediaType, withUtf8 } from './media-type.js';
import { unescapeJson } from './text.js';

export interface EncodedDelivery {
  /** Names in lower case and values in turn, as `undici` takes them. May be shared and frozen: copy to add. */
  readonly headers: readonly string[];
  /** Undefined for an event without data in binary mode. May be a view of the event's frame: do not write to it. */
  readonly body: Buffer | undefined;
}

const structuredHeaders: readonly string[] = Object.freeze([
  'content-type',
  'application/cloudevents+json; charset=utf-8',
]);

/** Encodes an event that came out of this codec. Never throws. */
export function encodeDelivery(event: Event, mode: 'structured' | 'binary'): EncodedDelivery {
  if (mode === 'binary') return encodeBinary(event);
  return {
    headers: structuredHeaders,
    body: event.form === 'structured' ? event.body : structuredBody(event),
  };
}

/** HTTP binding §3.1: attributes as `ce-` headers, `datacontenttype` as content type, the data as body. */
function encodeBinary(event: Event): EncodedDelivery {
  const headers: string[] = [];
  let contentType: string | undefined;
  for (const { name, value } of event.attributes()) {
    if (name === 'datacontenttype') contentType = String(value);
    else headers.push(`ce-${name}`, encodeHeaderValue(String(value)));
  }
  let body = event.data;
  if (event.dataKind === 'json') {
    // In the JSON format data without a content type is JSON, and other formats are told so (JSON format §3.1.2).
    contentType ??= 'application/json';
    const mediaType = parseMediaType(contentType);
    if (mediaType && !mediaType.json) {
      // Other data stands in JSON as a string, and is itself sent here.
      body = Buffer.from(unescapeJson(body!.toString('utf8', 1, body!.length - 1)));
      if (!isUtf8Type(mediaType)) contentType = withUtf8(contentType);
    }
  }
  if (contentType !== undefined) headers.push('content-type', contentType);
  return { headers, body };
}

/** JSON format §3: attributes as members, JSON data as it was sent, text as a string, anything else as base64. */
function structuredBody(event: Event): Buffer {
  const attributes = event.attributes();
  let members = '';
  for (const { name, value } of attributes) members += `,"${name}":${JSON.stringify(value)}`;
  const object = `{${members.slice(1)}`;
  const { data } = event;
  if (data === undefined) return Buffer.from(`${object}}`);
  if (event.dataKind === 'json') return enclose(`${object},"data":`, data, '}');
  return Buffer.from(
    isText(attributes) && isUtf8(data)
      ? `${object},"data":${JSON.stringify(data.toString())}}`
      : `${object},"data_base64":"${data.toString('base64')}"}`,
  );
}

/**
 * Whether the data is declared to be text that a JSON string can carry and give back byte by byte. For those who read
 * events, XML and plain text as strings are worth more than the uniformity of base64.
 */
function isText(attributes: readonly { name: string; value: AttributeValue }[]): boolean {
  const contentType = attributes.find(({ name }) => name === 'datacontenttype')?.value;
  const mediaType = contentType === undefined ? undefined : parseMediaType(String(contentType));
  return mediaType !== undefined && isUtf8Type(mediaType) && /^text\/|[/+]xml$/.test(mediaType.essence);
}

function enclose(before: string, bytes: Buffer, after: string): Buffer {
  const beforeBytes = Buffer.byteLength(before);
  const whole = Buffer.allocUnsafe(beforeBytes + bytes.length + after.length);
  whole.write(before, 0);
  whole.set(bytes, beforeBytes);
  whole.write(after, beforeBytes + bytes.length, 'latin1');
  return whole;
}
