/** Events in structured mode, single and batched (CloudEvents JSON format §3, §4; HTTP binding §3.2, §3.3). */
import { type Event, GridpostError, limits } from '@gridpost/model';
import * as json from './json.js';
import { EventReader } from './reader.js';
import { refuseEvent } from './refusal.js';
import { shownBytes } from './text.js';
import { expectUtf8 } from './utf8.js';

/** Decodes a body that is one event. Throws `InvalidUtf8`, `InvalidJson`, `TooDeep`, `TooLarge` or `InvalidEvent`. */
export function decodeSingle(body: Buffer): Event {
  expectUtf8(body);
  const reader = new EventReader(body, json.skipSpace(body, 0));
  expectObject(body, reader.at, undefined);
  const event = reader.read();
  json.expectEnd(body, reader.at);
  return event;
}

/**
 * Decodes a body that is an array of events, which may be empty (§4). One invalid event refuses all. Throws what
 * `decodeSingle` throws, with the index of the event, and `TooManyEvents`.
 */
export function decodeBatch(body: Buffer): Event[] {
  expectUtf8(body);
  let at = json.skipSpace(body, 0);
  if (json.byteAt(body, at) !== json.openBracket) {
    json.expectEnd(body, json.valueEnd(body, at, limits.jsonDepthMax));
    throw refuseEvent(
      'InvalidEvent',
      undefined,
      `a batch is a JSON array of events, but the body is ${shownBytes(body, at, body.length)}`,
    );
  }
  const events: Event[] = [];
  at = json.skipSpace(body, at + 1);
  if (json.byteAt(body, at) === json.closeBracket) {
    json.expectEnd(body, at + 1);
    return events;
  }
  const reader = new EventReader(body, at);
  for (;;) {
    if (events.length === limits.requestEventsMax) {
      throw new GridpostError(
        'TooManyEvents',
        `a request may carry at most ${limits.requestEventsMax} events`,
      );
    }
    expectObject(body, reader.at, events.length);
    events.push(reader.read(events.length));
    at = json.skipSpace(body, reader.at);
    const next = json.byteAt(body, at);
    if (next !== json.comma) {
      if (next !== json.closeBracket) throw json.syntaxError(body, at, "',' or ']'");
      json.expectEnd(body, at + 1);
      return events;
    }
    reader.at = json.skipSpace(body, at + 1);
  }
}

/** Throws unless an object begins here: `InvalidJson` if nothing valid does, else `InvalidEvent`. */
function expectObject(body: Buffer, at: number, index: number | undefined): void {
  if (json.byteAt(body, at) === json.openBrace) return;
  const end = json.valueEnd(body, at, limits.jsonDepthMax);
  if (index === undefined) json.expectEnd(body, end);
  const batch =
    index === undefined && body[at] === json.openBracket
      ? '; send an array as application/cloudevents-batch+json'
      : '';
  throw refuseEvent(
    'InvalidEvent',
    index,
    `an event is a JSON object, but here is ${shownBytes(body, at, end)}${batch}`,
  );
}
