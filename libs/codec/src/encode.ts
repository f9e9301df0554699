/**
 * Encodes an event for a delivery, in the mode the subscription wants, whatever mode it was published in. An event
 * keeps its meaning in both directions; a structured event delivered in structured mode keeps its bytes.
 */
import type { Event } from '@gridpost/model';
import { encodeHeaderValue } from './header-value.js';
import { isUtf8Type, parseMediaType, withUtf8 } from './media-type.js';
import { structuredBody } from './structured-body.js';
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
