/**
 * Resources as Azure's clients write them, turned into Gridpost's own shape, whose schemas then say what is wrong with
 * the rest. What Azure assumes where nothing is written is written here: on these routes topics take Event Grid's schema,
 * and subscriptions get what their topic takes (Azure CLI, `az eventgrid event-subscription create`).
 */
import { type DeliverySchema, type InputSchema, isObject, pointerTo } from '@gridpost/model';
import { invalidResource } from '../validation.js';
import {
  foreignToSubscriptionProperties,
  foreignToSubscriptions,
  foreignToTopics,
  memberOf,
  settleEndpointType,
  withoutForeign,
} from './foreign.js';

type Members = Readonly<Record<string, unknown>>;

const delivered: Readonly<Record<InputSchema, DeliverySchema>> = {
  EventGridSchema: 'EventGridSchema',
  CloudEventSchemaV1_0: 'CloudEventSchemaV1_0',
  CustomEventSchema: 'CustomInputSchema',
};

/** A topic or a domain. Throws `InvalidResource` for what cannot be honoured; anything else is left to the schema. */
export function topicBody(body: unknown = {}): unknown {
  const rest = withoutForeign(body, foreignToTopics);
  if (!isObject(rest)) return rest;
  const properties = rest.properties ?? {};
  if (!isObject(properties)) return rest;
  return { ...rest, properties: { ...properties, inputSchema: properties.inputSchema ?? 'EventGridSchema' } };
}

/** What an update of a topic or a domain says, `properties` included if it has any. Throws `InvalidResource`. */
export function topicPatch(body: unknown): Members & { readonly properties?: Members } {
  const rest = withoutForeign(objectOf(body), foreignToTopics) as Members;
  const { properties, ...others } = rest;
  return properties == null ? others : { ...others, properties: objectOf(properties, '/properties') };
}

/** An event subscription on a topic that takes this; undefined if the topic is not known. As `topicBody`. */
export function subscriptionBody(body: unknown, inputSchema: InputSchema | undefined): unknown {
  const rest = withoutForeign(body, foreignToSubscriptions);
  const properties = memberOf(rest, 'properties');
  if (!isObject(rest) || !isObject(properties)) return rest;
  settleEndpointType(properties, '/properties');
  return { ...rest, properties: withDeliverySchema(properties, inputSchema) };
}

/** The properties of a subscription after an update, whose members replace those before as wholes. As `topicPatch`. */
export function patchedSubscription(
  before: object,
  body: unknown,
  inputSchema: InputSchema | undefined,
): unknown {
  const patch = withoutForeign(objectOf(body), foreignToSubscriptionProperties) as Members;
  if (Object.hasOwn(patch, 'properties')) {
    throw invalidResource([
      { pointer: '/properties', message: 'is not expected: an update has its members at the top' },
    ]);
  }
  settleEndpointType(patch, '');
  return withDeliverySchema({ ...before, ...patch }, inputSchema);
}

function withDeliverySchema(properties: Members, inputSchema: InputSchema | undefined): Members {
  if (properties.eventDeliverySchema != null || inputSchema === undefined) return properties;
  // Events that are received are CloudEvents.
  if (properties.deliveryConfiguration != null) return properties;
  return { ...properties, eventDeliverySchema: delivered[inputSchema] };
}

/** Refuses whatever a domain topic is written with, since it has nothing that could be. */
export function checkDomainTopicBody(body: unknown = {}): void {
  const known = {
    '': ['id', 'name', 'type', 'systemData', 'properties'],
    '/properties': ['provisioningState'],
  };
  const whole = objectOf(body);
  const parts = { '': whole, '/properties': objectOf(whole.properties ?? {}, '/properties') };
  const faults = (['', '/properties'] as const).flatMap((at) =>
    Object.keys(parts[at])
      .filter((name) => !known[at].includes(name))
      .map((name) => ({
        pointer: pointerTo(at, name),
        message: 'is not a property of a domain topic, which has none to write',
      })),
  );
  if (faults.length) throw invalidResource(faults);
}

function objectOf(value: unknown, pointer = ''): Members {
  if (isObject(value)) return value;
  throw invalidResource([{ pointer, message: 'expected an object' }]);
}
