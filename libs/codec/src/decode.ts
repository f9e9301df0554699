/**
 * Decodes a publish request to a CloudEvents topic: chooses the content mode by the headers (CloudEvents HTTP binding
 * §3; Event Grid's rules for what the binding leaves open) and hands the body to that mode's decoder.
 */
import { type Event, GridpostError } from '@gridpost/model';
import { decodeBinary } from './binary.js';
import { isUtf8Type, type MediaType, parseMediaType } from './media-type.js';
import { decodeBatch, decodeSingle } from './structured.js';
import type { RequestRules } from './rules.js';
import { shown } from './text.js';

export type ContentMode = 'structured' | 'batch' | 'binary';

export interface DecodedRequest {
  readonly mode: ContentMode;
  /** In the order they were sent. Empty only for an empty batch. */
  readonly events: Event[];
}

const cloudEvents = 'application/cloudevents';

/**
 * Decodes all events of a request, or none. `rawHeaders` are names and values in turn, as node's `IncomingMessage` has
 * them; `body` is the whole body, not compressed, which the events copy. Throws `InvalidUtf8`, `InvalidJson`,
 * `TooDeep`, `InvalidEvent`, `InvalidEventHeader`, `TooManyEvents`, `TooLarge` or `UnsupportedContentType`.
 *
 * - `application/cloudevents+json`: one event in structured mode; `application/cloudevents-batch+json`: a batch, which
 *   may be empty. Other formats are refused, and so are `ce-` headers beside them.
 * - Any other content type, or none, with a `ce-` header: binary mode.
 * - `application/json` without one: one event in structured mode. Anything else without one is refused.
 *
 * `customTopic` narrows this: a batch may not be empty, and binary mode takes JSON only, of at least one byte.
 */
export function decodeRequest(
  rawHeaders: readonly string[],
  body: Buffer,
  rules: RequestRules = 'namespaceTopic',
): DecodedRequest {
  let text: string | undefined;
  let ceHeaders: string[] | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (isCeHeader(name)) {
      ceHeaders ??= [];
      ceHeaders.push(name, rawHeaders[i + 1]!);
    } else if (name.length === 12 && name.toLowerCase() === 'content-type') {
      if (text !== undefined) throw invalidHeader('content-type', 'content-type is sent twice');
      text = rawHeaders[i + 1]!;
    }
  }
  if (text === undefined) {
    if (!ceHeaders) throw unsupported('no content type and no ce- headers were sent', rules);
    if (rules === 'customTopic') throw unsupported('no content type was sent', rules);
    return { mode: 'binary', events: [decodeBinary(ceHeaders, undefined, body, rules)] };
  }

  const mediaType = parseMediaType(text);
  if (!mediaType) throw unsupported(`content type ${shown(text)} is not valid`, rules);
  if (mediaType.essence.startsWith(cloudEvents)) {
    expectUtf8Type(text, mediaType, rules);
    const batch = mediaType.essence === `${cloudEvents}-batch+json`;
    if (!batch && mediaType.essence !== `${cloudEvents}+json`) {
      throw unsupported(`content type ${shown(text)} is a CloudEvents format Gridpost does not speak`, rules);
    }
    if (ceHeaders) {
      const name = ceHeaders[0]!.toLowerCase();
      throw invalidHeader(
        name,
        `${shown(name)} was sent with content type ${shown(text)}, whose attributes are in the body`,
      );
    }
    return batch
      ? { mode: 'batch', events: decodeBatch(body, rules) }
      : { mode: 'structured', events: [decodeSingle(body, rules)] };
  }

  // JSON is UTF-8 (RFC 8259 §8.1); of other data the charset is the receiver's business.
  if (mediaType.json) expectUtf8Type(text, mediaType, rules);
  if (ceHeaders) {
    if (rules === 'customTopic' && !mediaType.json) {
      throw unsupported(`content type ${shown(text)} is not JSON`, rules);
    }
    return { mode: 'binary', events: [decodeBinary(ceHeaders, { text, mediaType }, body, rules)] };
  }
  if (mediaType.essence === 'application/json') {
    return { mode: 'structured', events: [decodeSingle(body, rules)] };
  }
  throw unsupported(`content type ${shown(text)} was sent without ce- headers`, rules);
}

function isCeHeader(name: string): boolean {
  return (
    name.length > 2 &&
    name.charCodeAt(2) === 0x2d &&
    (name.charCodeAt(0) | 0x20) === 0x63 &&
    (name.charCodeAt(1) | 0x20) === 0x65
  );
}

function expectUtf8Type(text: string, mediaType: MediaType, rules: RequestRules): void {
  if (!isUtf8Type(mediaType))
    throw unsupported(`content type ${shown(text)} names a charset other than utf-8`, rules);
}

function unsupported(seen: string, rules: RequestRules): GridpostError {
  const data = rules === 'customTopic' ? 'JSON as content type' : 'any content type';
  return new GridpostError(
    'UnsupportedContentType',
    `${seen}; send application/cloudevents+json, application/cloudevents-batch+json, application/json, or ce- headers with ${data}`,
    { errors: [{ pointer: 'header/content-type', message: seen }] },
  );
}

function invalidHeader(name: string, message: string): GridpostError {
  return new GridpostError('InvalidEventHeader', message, {
    errors: [{ pointer: `header/${name}`, message }],
  });
}
