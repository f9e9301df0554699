/**
 * Dead letters as documents (Event Grid, "Message delivery and retry", "Delivery event formats"; "Dead lettering for
 * event subscriptions to namespace topics"). A file of them is an array: `encodeBatch` joins them.
 */
import type { AttemptOutcome, DeadLetterReason, DeliverySchema, Event } from '@gridpost/model';
import { encodeOne, eventGridBody } from './encode-schema.js';
import { enclose, type NamedAttribute, structuredBody } from './structured-body.js';

/** The schema of the deliveries that failed, or that of namespace topics. */
export type DeadLetterSchema = DeliverySchema | 'Namespace';

export interface DeadLetterFacts {
  readonly deadLetterReason: DeadLetterReason;
  readonly deliveryAttempts: number;
  /** Absent if no attempt was made. */
  readonly lastDeliveryOutcome?: AttemptOutcome | undefined;
  /** When the event was accepted, in milliseconds since the epoch. */
  readonly publishTime: number;
  /** Absent if no attempt was made. */
  readonly lastDeliveryAttemptTime?: number | undefined;
  /** What the namespace's document calls the result. Default: the outcome. */
  readonly deliveryResult?: string | undefined;
}

/**
 * Encodes a dead letter. Facts that are absent are left out. The data keeps its bytes; in the shape of namespace topics
 * the whole event does. Throws what `encodeOne` throws.
 */
export function encodeDeadLetter(event: Event, schema: DeadLetterSchema, facts: DeadLetterFacts): Buffer {
  if (schema === 'Namespace') return namespaceLetter(event, facts);
  const members = {
    deadLetterReason: facts.deadLetterReason,
    deliveryAttempts: facts.deliveryAttempts,
    lastDeliveryOutcome: facts.lastDeliveryOutcome,
    publishTime: instant(facts.publishTime),
    lastDeliveryAttemptTime: instant(facts.lastDeliveryAttemptTime),
  };
  if (schema === 'CloudEventSchemaV1_0') return cloudEventLetter(event, members);
  // An event in a topic's own schema has no room for more, so that it is put into Event Grid's.
  return eventGridBody(event, `,${JSON.stringify(members).slice(1, -1)}`);
}

/** The facts as extensions, whose names are in lower case. */
function cloudEventLetter(event: Event, members: Record<string, string | number | undefined>): Buffer {
  const extensions: NamedAttribute[] = [];
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) extensions.push({ name: name.toLowerCase(), value });
  }
  // A dead letter that was published again brings such extensions from its former life, perhaps more of them.
  const names = new Set(Object.keys(members).map((name) => name.toLowerCase()));
  const others = event.attributes().filter(({ name }) => !names.has(name));
  return structuredBody(event, [...others, ...extensions]);
}

function namespaceLetter(event: Event, facts: DeadLetterFacts): Buffer {
  const properties = JSON.stringify({
    deadletterreason: facts.deadLetterReason,
    deliveryattempts: facts.deliveryAttempts,
    deliveryresult: facts.deliveryResult ?? facts.lastDeliveryOutcome,
    publishutc: instant(facts.publishTime),
    deliveryattemptutc: instant(facts.lastDeliveryAttemptTime),
  });
  return enclose(
    `{"deadLetterProperties":${properties},"event":`,
    encodeOne(event, 'CloudEventSchemaV1_0'),
    '}',
  );
}

function instant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
