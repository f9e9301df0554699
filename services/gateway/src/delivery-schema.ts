/** Which schemas events can be delivered in, by the schema in which their topic takes them. */
import type { DeliverySchema, InputSchema, SubscriptionProperties } from '@gridpost/model';
import { invalidResource, shown } from './validation.js';

/** Event Grid, "Event schemas": what it converts. From CloudEvents there was a way to Event Grid's schema, until 2024. */
const conversions: Readonly<Record<InputSchema, readonly DeliverySchema[]>> = {
  EventGridSchema: ['EventGridSchema', 'CloudEventSchemaV1_0'],
  CloudEventSchemaV1_0: ['CloudEventSchemaV1_0'],
  CustomEventSchema: ['CustomInputSchema', 'EventGridSchema', 'CloudEventSchemaV1_0'],
};

/** `at` is the pointer to the subscription's properties. Throws `InvalidResource`. */
export function checkDeliverySchema(
  { eventDeliverySchema }: SubscriptionProperties,
  at: string,
  inputSchema: InputSchema,
): void {
  const possible = conversions[inputSchema];
  if (possible.includes(eventDeliverySchema)) return;
  const message = `saw ${shown(eventDeliverySchema)}, expected ${possible.map(shown).join(' or ')}: the topic's inputSchema is ${inputSchema}`;
  throw invalidResource([{ pointer: `${at}/eventDeliverySchema`, message }]);
}
