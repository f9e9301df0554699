/**
 * What a request's headers say beside its content type: which subscription it is for, what its events are as far as that can
 * be said of all of them, and what the subscription's own headers are to hold (Event Grid, "Message delivery and retry"
 * and "Custom delivery properties").
 */
import { headerText } from '@gridpost/codec';
import { type Event, limits, type Subscription } from '@gridpost/model';
import { eventGridOperand, type Operand } from '@gridpost/routing';

/** As much of a delivery as a request tells. */
export interface Told {
  readonly event: Event;
  /** The same for every attempt, so that a receiver can tell a repetition (Standard Webhooks). */
  readonly messageId: string;
  /** Attempts made before this one. */
  readonly attempts: number;
}

const none: readonly string[] = [];

/** Names and values in turn, wherever there are several. */
export class RequestHeaders {
  /** The same for each request. */
  readonly #fixed: readonly string[];
  /** The subscription's own headers whose values stand in the event, and where. */
  readonly #found: readonly (readonly [name: string, operand: Operand])[];
  readonly #hasDataVersion: boolean;
  /** The headers of the last encoding, which are nearly always the same, and the fixed ones after them. */
  #encoded: readonly string[] | undefined;
  #together: readonly string[] = none;

  /** `credentials`: what lets requests in, by name. */
  constructor(
    { name, properties, provisioning }: Subscription,
    userAgent: string,
    credentials: Readonly<Record<string, string>>,
  ) {
    const { destination, eventDeliverySchema } = properties;
    const mappings = destination?.properties.deliveryAttributeMappings ?? [];
    // The version of the envelope; a topic's own schema has none.
    const metadataVersion = { CloudEventSchemaV1_0: ['1.0'], EventGridSchema: ['1'], CustomInputSchema: [] };
    this.#fixed = [
      ...['aeg-event-type', 'Notification', 'aeg-subscription-name', name, 'user-agent', userAgent],
      ...metadataVersion[eventDeliverySchema].flatMap((version) => ['aeg-metadata-version', version]),
      ...Object.entries(credentials).flat(),
      ...originHeaders(provisioning),
      ...mappings.flatMap((each) => (each.type === 'Static' ? [each.name, each.properties.value] : [])),
    ];
    this.#found = mappings.flatMap((each) =>
      each.type === 'Dynamic' ? [[each.name, operandOf(each.properties.sourceField)] as const] : [],
    );
    this.#hasDataVersion = eventDeliverySchema === 'EventGridSchema';
  }

  /**
   * What the event adds: the subscription's own headers whose values stand in it, of which there is none without a value or
   * with a long one; and the job that sends it again.
   */
  foundIn(event: Event): readonly string[] {
    const { direction } = event;
    if (this.#found.length === 0 && direction?.job === undefined) return none;
    const headers = direction?.job === undefined ? [] : ['gridpost-replay', direction.job];
    for (const [name, operand] of this.#found) {
      const value = operand.read(event);
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
        add(headers, name, String(value));
    }
    return headers;
  }

  /**
   * The headers of a request with these events, of which there is at least one: those of their encoding, the fixed ones,
   * those that `foundIn` gives for each of them, and what else is true of all of them.
   */
  of(encoded: readonly string[], deliveries: readonly Told[], found: readonly string[]): string[] {
    if (encoded !== this.#encoded) {
      this.#encoded = encoded;
      this.#together = [...encoded, ...this.#fixed];
    }
    const headers = this.#together.slice();
    const first = deliveries[0]!;
    const count = first.attempts;
    if (deliveries.length === 1) {
      headers.push('webhook-id', first.messageId, 'aeg-delivery-count', String(count));
      add(headers, 'aeg-output-event-id', first.event.id);
    } else if (deliveries.every(({ attempts }) => attempts === count)) {
      headers.push('aeg-delivery-count', String(count));
    }
    if (this.#hasDataVersion) {
      const version = dataVersionOf(first);
      if (deliveries.every((each) => dataVersionOf(each) === version))
        add(headers, 'aeg-data-version', version);
    }
    for (const each of found) headers.push(each);
    return headers;
  }
}

/**
 * The origin that the endpoint has allowed, with every delivery (CloudEvents HTTP WebHook §4.1): `Origin` in its version
 * 1.0.1, `WebHook-Request-Origin` in 1.0.2.
 */
function originHeaders(provisioning: Subscription['provisioning']): string[] {
  if (provisioning?.state !== 'Succeeded' || provisioning.origin === undefined) return [];
  return ['webhook-request-origin', provisioning.origin, 'origin', provisioning.origin];
}

function operandOf(sourceField: string): Operand {
  return eventGridOperand(sourceField.replace(/^\$\./, ''));
}

/** Servers take requests with long headers for attacks. */
function add(headers: string[], name: string, text: string): void {
  if (text === '' || text.length > limits.deliveryAttributeBytesMax) return;
  const value = headerText(text);
  if (value.length <= limits.deliveryAttributeBytesMax) headers.push(name, value);
}

function dataVersionOf({ event }: Told): string {
  return String(event.attribute('dataversion') ?? '');
}
