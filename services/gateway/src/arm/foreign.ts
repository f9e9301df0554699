/**
 * What Azure's resources have and Gridpost's cannot honour. Each is refused by its name and its place, unless it has the
 * value with which it asks for nothing, as exported resources carry it: that is dropped. What stands in neither list, nor
 * in Gridpost's own schema, the schema refuses.
 */
import { type FieldError, pointerTo } from '@gridpost/model';
import { invalidResource, shown } from '../validation.js';

interface Foreign {
  /** Names of the members that lead to it. */
  readonly at: readonly string[];
  /** What asks for nothing, beside null. */
  readonly harmless: (value: unknown) => boolean;
  /** What is expected in its place, and why. */
  readonly expected: string;
}

const nothing = (value: unknown): boolean => value === '';
const only =
  (...values: string[]) =>
  (value: unknown): boolean =>
    values.includes(value as string);
const anEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const withMember =
  (member: string, expected: string) =>
  (value: unknown): boolean =>
    (value as Record<string, unknown>)[member] === expected;
const aText = (value: unknown): boolean => typeof value === 'string';
const anEmptyObject = (value: unknown): boolean =>
  typeof value === 'object' && Object.keys(value as object).length === 0;

/** On topics and domains. */
export const foreignToTopics: readonly Foreign[] = [
  { at: ['sku'], harmless: withMember('name', 'Basic'), expected: 'the name Basic: there are no tiers' },
  { at: ['kind'], harmless: only('Azure'), expected: '"Azure": there is one kind' },
  {
    at: ['identity'],
    harmless: withMember('type', 'None'),
    expected: 'the type None: Gridpost has no managed identities',
  },
  {
    at: ['extendedLocation'],
    harmless: () => false,
    expected: 'none: resources are where this Gridpost is',
  },
  {
    at: ['properties', 'publicNetworkAccess'],
    harmless: only('Enabled'),
    expected: '"Enabled": who reaches the port is decided in front of Gridpost',
  },
  {
    at: ['properties', 'inboundIpRules'],
    harmless: anEmptyArray,
    expected: 'none: addresses are not filtered',
  },
  {
    at: ['properties', 'privateEndpointConnections'],
    harmless: anEmptyArray,
    expected: 'none: Gridpost has no private endpoints',
  },
  {
    at: ['properties', 'dataResidencyBoundary'],
    harmless: only('WithinGeopair'),
    expected: '"WithinGeopair", Azure\'s default: where data is, is where the store is',
  },
  {
    at: ['properties', 'minimumTlsVersionAllowed'],
    harmless: only('1.0', '1.1', '1.2'),
    expected: '"1.2" or less: the port takes TLS 1.2 and newer',
  },
  {
    at: ['properties', 'encryption'],
    harmless: () => false,
    expected: 'none: encryption at rest is the business of the store',
  },
  {
    at: ['properties', 'eventTypeInfo'],
    harmless: () => false,
    expected: 'none: event types are not declared',
  },
  { at: ['properties', 'metricResourceId'], harmless: aText, expected: 'a text, which is ignored' },
];

/** Among the properties of event subscriptions. */
export const foreignToSubscriptionProperties: readonly Foreign[] = [
  {
    at: ['deadLetterWithResourceIdentity'],
    harmless: () => false,
    expected: 'none: Gridpost has no managed identities; name a deadLetterDestination',
  },
  {
    at: ['deliveryWithResourceIdentity'],
    harmless: () => false,
    expected: 'none: Gridpost has no managed identities; name a destination',
  },
  {
    at: ['destination', 'properties', 'azureActiveDirectoryTenantId'],
    harmless: nothing,
    expected: 'none: name credentials of the type oauth2',
  },
  {
    at: ['destination', 'properties', 'azureActiveDirectoryApplicationIdOrUri'],
    harmless: nothing,
    expected: 'none: name credentials of the type oauth2',
  },
  {
    at: ['destination', 'properties', 'minimumTlsVersionAllowed'],
    harmless: only('1.0', '1.1', '1.2'),
    expected: '"1.2" or less: endpoints are called with TLS 1.2 or newer',
  },
];

/** On whole event subscriptions. */
export const foreignToSubscriptions: readonly Foreign[] = [
  { at: ['location'], harmless: aText, expected: 'a text, which is ignored' },
  { at: ['tags'], harmless: anEmptyObject, expected: 'none: event subscriptions have labels' },
  ...foreignToSubscriptionProperties.map((foreign) => ({ ...foreign, at: ['properties', ...foreign.at] })),
];

/** Endpoint types of Azure that have no counterpart. */
const foreignEndpoints = [
  'EventHub',
  'HybridConnection',
  'MonitorAlert',
  'NamespaceTopic',
  'PartnerDestination',
  'ServiceBusQueue',
  'ServiceBusTopic',
  'StorageQueue',
];

/** Azure compares these without regard to case, and templates make use of it. */
const endpointTypes = new Map(
  ['WebHook', 'AzureFunction', ...foreignEndpoints].map((type) => [type.toLowerCase(), type]),
);

/**
 * The body without what is foreign. What is no object is given back as it is: what is wrong with it is the schema's
 * business. `base` is the JSON Pointer to the body in what the client sent. Throws `InvalidResource`.
 */
export function withoutForeign(body: unknown, foreign: readonly Foreign[], base = ''): unknown {
  const rest = structuredClone(body);
  const faults: FieldError[] = [];
  for (const { at, harmless, expected } of foreign) {
    const parent = at.slice(0, -1).reduce<unknown>(memberOf, rest);
    const name = at.at(-1)!;
    const value = memberOf(parent, name);
    if (value === undefined) continue;
    if (value === null || harmless(value)) {
      delete (parent as Record<string, unknown>)[name];
    } else {
      faults.push({
        pointer: at.reduce(pointerTo, base),
        message: `saw ${shown(value)}, expected ${expected}`,
      });
    }
  }
  if (faults.length) throw invalidResource(faults);
  return rest;
}

/**
 * Writes the kind of the destination's endpoint as Event Grid spells it. Throws `InvalidResource` if it is one that only
 * Azure has.
 */
export function settleEndpointType(properties: unknown, base: string): void {
  const destination = memberOf(properties, 'destination');
  const type = memberOf(destination, 'endpointType');
  const known = typeof type === 'string' ? endpointTypes.get(type.toLowerCase()) : undefined;
  if (known === undefined) return;
  (destination as Record<string, unknown>).endpointType = known;
  if (!foreignEndpoints.includes(known)) return;
  throw invalidResource([
    {
      pointer: `${base}/destination/endpointType`,
      message: `saw ${shown(type)}, a service of Azure; expected a kind of endpoint that Gridpost pushes to, such as "WebHook"`,
    },
  ]);
}

/** The object's own member; undefined if it has none, or is no object. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
