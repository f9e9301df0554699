/**
 * Dead letters as documents (Event Grid, "Message delivery and retry", "Delivery event formats"; "Dead lettering for
 * event subscriptions to namespace topics"). A file of them is an array: `encodeBatch` joins them.
 */
import {
  type AttemptOutcome,
  type DeadLetterReason,
  type DeliverySchema,
  type Event,
  eventGridOutcomes,
  eventGridReason,
  type SubscriptionProperties,
} from '@gridpost/model';
import { encodeOne, eventGridBody } from './encode-schema.js';
import { enclose, type NamedAttribute, structuredBody } from './structured-body.js';

/** The schema of the deliveries that failed, or that of namespace topics. */
export type DeadLetterSchema = DeliverySchema | 'Namespace';

/** What is known of a delivery that was given up, as stores keep it. Instants are in milliseconds since the epoch. */
export interface DeadLetterFacts {
  readonly reason: DeadLetterReason;
  readonly acceptedAt: number;
  readonly state: {
    readonly attempts: number;
    /** These two are absent if no attempt was made. */
    readonly lastOutcome?: AttemptOutcome;
    readonly lastAttemptAt?: number;
  };
}

/** The shape of a subscription's dead letters. Only namespace topics have queues in Event Grid. */
export function deadLetterSchemaOf({ queue, eventDeliverySchema }: SubscriptionProperties): DeadLetterSchema {
  return queue ? 'Namespace' : eventDeliverySchema;
}

/**
 * Encodes a dead letter, with reasons and outcomes in Event Grid's words. Facts that are absent are left out. The data
 * keeps its bytes; in the shape of namespace topics the whole event does. Never throws for an event of ours: one whose
 * data is not JSON, which Event Grid's schema has no place for, becomes a CloudEvent.
 */
export function encodeDeadLetter(event: Event, schema: DeadLetterSchema, facts: DeadLetterFacts): Buffer {
  const { reason, acceptedAt, state } = facts;
  const { attempts, lastOutcome, lastAttemptAt } = state;
  const words = {
    deadLetterReason: eventGridReason(reason),
    deliveryAttempts: attempts,
    lastDeliveryOutcome: lastOutcome && eventGridOutcomes[lastOutcome],
    publishTime: instant(acceptedAt),
    lastDeliveryAttemptTime: instant(lastAttemptAt),
  };
  if (schema === 'Namespace') return namespaceLetter(event, words);
  if (schema === 'CloudEventSchemaV1_0' || !isJson(event)) return cloudEventLetter(event, words);
  // An event in a topic's own schema has no room for more, so that it is put into Event Grid's.
  return eventGridBody(event, `,${JSON.stringify(words).slice(1, -1)}`);
}

/** The facts under the names they have in Event Grid's schema. */
interface Words {
  readonly deadLetterReason: string;
  readonly deliveryAttempts: number;
  readonly lastDeliveryOutcome: string | undefined;
  readonly publishTime: string | undefined;
  readonly lastDeliveryAttemptTime: string | undefined;
}

/** The facts as extensions, whose names are in lower case. */
function cloudEventLetter(event: Event, words: Words): Buffer {
  const extensions: NamedAttribute[] = [];
  for (const [name, value] of Object.entries(words)) {
    if (value !== undefined) extensions.push({ name: name.toLowerCase(), value });
  }
  // A dead letter that was published again brings such extensions from its former life, perhaps more of them.
  const names = new Set(Object.keys(words).map((name) => name.toLowerCase()));
  const others = event.attributes().filter(({ name }) => !names.has(name));
  return structuredBody(event, [...others, ...extensions]);
}

function namespaceLetter(event: Event, words: Words): Buffer {
  const properties = JSON.stringify({
    deadletterreason: words.deadLetterReason,
    deliveryattempts: words.deliveryAttempts,
    deliveryresult: words.lastDeliveryOutcome,
    publishutc: words.publishTime,
    deliveryattemptutc: words.lastDeliveryAttemptTime,
  });
  return enclose(
    `{"deadLetterProperties":${properties},"event":`,
    encodeOne(event, 'CloudEventSchemaV1_0'),
    '}',
  );
}

function isJson({ dataKind }: Event): boolean {
  return dataKind === 'json' || dataKind === 'none';
}

function instant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
