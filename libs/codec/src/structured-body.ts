/** Writes events in the JSON format (CloudEvents JSON format §3) whose own bytes are in another form. */
import { isUtf8 } from 'node:buffer';
import type { AttributeValue, Event } from '@gridpost/model';
import { isUtf8Type, parseMediaType } from './media-type.js';

export interface NamedAttribute {
  readonly name: string;
  readonly value: AttributeValue;
}

/** Attributes as members, JSON data as it was sent, text as a string, anything else as base64. */
export function structuredBody(
  event: Event,
  attributes: readonly NamedAttribute[] = event.attributes(),
): Buffer {
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
function isText(attributes: readonly NamedAttribute[]): boolean {
  const contentType = attributes.find(({ name }) => name === 'datacontenttype')?.value;
  const mediaType = contentType === undefined ? undefined : parseMediaType(String(contentType));
  return mediaType !== undefined && isUtf8Type(mediaType) && /^text\/|[/+]xml$/.test(mediaType.essence);
}

/** `after` is ASCII. */
export function enclose(before: string, bytes: Buffer, after: string): Buffer {
  const beforeBytes = Buffer.byteLength(before);
  const whole = Buffer.allocUnsafe(beforeBytes + bytes.length + after.length);
  whole.write(before, 0);
  whole.set(bytes, beforeBytes);
  whole.write(after, beforeBytes + bytes.length, 'latin1');
  return whole;
}
