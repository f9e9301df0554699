/** Reads arrays of events: where one ends and the next begins, whatever schema they are in. */
import { GridpostError, limits } from '@gridpost/model';
import * as json from './json.js';
import { refuseEvent } from './refusal.js';
import { shownBytes } from './text.js';
import { expectUtf8 } from './utf8.js';

export interface ElementReader<T> {
  /** Offset of the next byte: `read` begins there, at an object, and leaves it behind that object. */
  at: number;
  read(index: number): T;
}

/**
 * Reads the body, an array of events, which may be empty. One invalid event refuses all. Throws `InvalidUtf8`,
 * `InvalidJson`, `TooDeep`, `InvalidEvent`, `TooManyEvents`, and what the reader throws.
 */
export function readElements<T>(body: Buffer, reader: ElementReader<T>): T[] {
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
  const elements: T[] = [];
  at = json.skipSpace(body, at + 1);
  if (json.byteAt(body, at) === json.closeBracket) {
    json.expectEnd(body, at + 1);
    return elements;
  }
  for (;;) {
    if (elements.length === limits.requestEventsMax) {
      throw new GridpostError(
        'TooManyEvents',
        `a request may carry at most ${limits.requestEventsMax} events`,
      );
    }
    expectObject(body, at, elements.length);
    reader.at = at;
    elements.push(reader.read(elements.length));
    at = json.skipSpace(body, reader.at);
    const next = json.byteAt(body, at);
    if (next !== json.comma) {
      if (next !== json.closeBracket) throw json.syntaxError(body, at, "',' or ']'");
      json.expectEnd(body, at + 1);
      return elements;
    }
    at = json.skipSpace(body, at + 1);
  }
}

/** The same where an array may not be empty, as in Event Grid. */
export function readSome<T>(body: Buffer, reader: ElementReader<T>): T[] {
  const elements = readElements(body, reader);
  if (elements.length > 0) return elements;
  throw new GridpostError('InvalidEvent', 'the array is empty; a request carries at least one event', {
    errors: [{ pointer: '', message: 'the array is empty' }],
  });
}

/** Throws unless an object begins here: `InvalidJson` if nothing valid does, else `InvalidEvent`. */
export function expectObject(body: Buffer, at: number, index: number | undefined): void {
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
