/**
 * Encodes events in the schema that a subscription wants (Event Grid, `eventDeliverySchema`), one by one, so that their
 * sizes are known before they are put into a batch, and then as the batch. Content modes of CloudEvents are `encode.ts`'s.
 */
import type { DeliverySchema, Event } from '@gridpost/model';
import type { EncodedDelivery } from './encode.js';
import { enclose, structuredBody } from './structured-body.js';

const jsonHeaders: readonly string[] = Object.freeze(['content-type', 'application/json; charset=utf-8']);
const batchHeaders: readonly string[] = Object.freeze([
  'content-type',
  'application/cloudevents-batch+json; charset=utf-8',
]);

/**
 * Encodes an event as an element of a batch. May be a view of the event's frame: do not write to it. Every event can be
 * encoded as a CloudEvent. The other schemas are for events that came out of `decodeEventGrid` or `decodeCustom`; data
 * that is not JSON throws `TypeError`.
 */
export function encodeOne(event: Event, schema: DeliverySchema): Buffer {
  if (schema === 'EventGridSchema') return eventGridBody(event);
  if (schema === 'CustomInputSchema') return jsonData(event) ?? Buffer.from('null');
  return event.form === 'structured' ? event.body : structuredBody(event);
}

/** Joins at least one element of a schema. The body has the bytes of all, and one more than there are elements. */
export function encodeBatch(elements: readonly Buffer[], schema: DeliverySchema): EncodedDelivery {
  let length = elements.length + 1;
  for (const element of elements) length += element.length;
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const element of elements) {
    body[at] = at === 0 ? 0x5b : 0x2c;
    body.set(element, at + 1);
    at += 1 + element.length;
  }
  body[at] = 0x5d;
  return { headers: schema === 'CloudEventSchemaV1_0' ? batchHeaders : jsonHeaders, body };
}

/**
 * An event in Event Grid's schema, with more members behind its own, each begun with a comma. Event Grid's SDK refuses
 * events that lack one of these, so that all are there: a subject and a data version that are missing are empty, as
 * Event Grid writes them, and data that is missing is null.
 */
export function eventGridBody(event: Event, more = ''): Buffer {
  let time = event.attribute('time');
  // Only a CloudEvent has none.
  time = time === undefined ? '' : `,"eventTime":${JSON.stringify(time)}`;
  const members =
    `{"id":${JSON.stringify(event.id)},"topic":${JSON.stringify(event.source)}` +
    `,"subject":${JSON.stringify(event.subject ?? '')},"eventType":${JSON.stringify(event.type)}${time}` +
    `,"dataVersion":${JSON.stringify(event.attribute('dataversion') ?? '')},"metadataVersion":"1"${more},"data":`;
  const data = jsonData(event);
  return data ? enclose(members, data, '}') : Buffer.from(`${members}null}`);
}

function jsonData(event: Event): Buffer | undefined {
  if (event.dataKind === 'json' || event.dataKind === 'none') return event.data;
  throw new TypeError(`data of kind ${event.dataKind} cannot be delivered in a schema of Event Grid`);
}
