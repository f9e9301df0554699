/** Events in structured mode, single and batched (CloudEvents JSON format §3, §4; HTTP binding §3.2, §3.3). */
import type { Event } from '@gridpost/model';
import { expectObject, readElements, readSome } from './elements.js';
import * as json from './json.js';
import { EventReader } from './reader.js';
import type { RequestRules } from './rules.js';
import { expectUtf8 } from './utf8.js';

/** Decodes a body that is one event. Throws `InvalidUtf8`, `InvalidJson`, `TooDeep`, `TooLarge` or `InvalidEvent`. */
export function decodeSingle(body: Buffer, rules: RequestRules): Event {
  expectUtf8(body);
  const reader = new EventReader(body, json.skipSpace(body, 0), rules);
  expectObject(body, reader.at, undefined);
  const event = reader.read();
  json.expectEnd(body, reader.at);
  return event;
}

/**
 * Decodes a body that is an array of events, which may be empty (§4) where the rules allow it. One invalid event refuses
 * all. Throws what `decodeSingle` throws, with the index of the event, and `TooManyEvents`.
 */
export function decodeBatch(body: Buffer, rules: RequestRules): Event[] {
  const read = rules === 'customTopic' ? readSome : readElements;
  return read(body, new EventReader(body, 0, rules));
}
