/** What the codec's own tests look at when something is refused. */
import { type Event, GridpostError } from '@gridpost/model';
import { decodeRequest } from '../decode.js';

export const structuredHeaders = ['content-type', 'application/cloudevents+json'];
export const batchHeaders = ['content-type', 'application/cloudevents-batch+json'];
/** The least an event must have, as members and as headers. */
export const minimal = { specversion: '1.0', id: '1', source: '/s', type: 't' };
export const minimalHeaders = Object.entries(minimal).flatMap(([name, value]) => [`ce-${name}`, value]);

/** Decodes one event from its JSON text. */
export function decodeText(text: string): Event {
  return decodeRequest(structuredHeaders, Buffer.from(text)).events[0]!;
}

/** Decodes the minimal event with members added or replaced. */
export function decodeMembers(members: object): Event {
  return decodeText(JSON.stringify({ ...minimal, ...members }));
}

/** The refusal that the call throws. Any other error, and none, fails the test. */
export function refusalOf(call: () => unknown): GridpostError {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    if (error instanceof GridpostError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${JSON.stringify(result)}`);
}

/** The pointers of a call refused with `InvalidEvent`, in order. */
export function pointersOf(call: () => unknown): string[] {
  const error = refusalOf(call);
  if (error.code !== 'InvalidEvent') throw error;
  return error.errors.map(({ pointer }) => pointer);
}
