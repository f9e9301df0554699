/** A subscription's destination as it is written and shown (Event Grid, EventSubscriptionDestination). */
import { type Destination, type FieldError, type FunctionApps, functionOf } from '@gridpost/model';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';
import { pushFaults, pushProperties, pushView, type WrittenPushProperties } from './push-properties.js';
import { type Optional, shown } from './validation.js';

/** What says where the endpoint is. */
interface Address {
  readonly endpointUrl: string;
  readonly functionName: string;
  readonly key: string;
  readonly resourceId: string;
}

/** As `schemas/eventsubscription.json` has it. */
export interface WrittenDestination {
  readonly endpointType: Destination['endpointType'];
  readonly properties: WrittenPushProperties & Optional<Address>;
}

/** What a deployment says of destinations. */
export interface DestinationRules {
  /** Whether endpoints may go unasked. */
  readonly noneAllowed: boolean;
  readonly functionApps: FunctionApps;
}

/** Azure's defaults for functions: one event a request (Event Grid, AzureFunctionEventSubscriptionDestination). */
const functionBatches = { maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 };

/** What is written, without faults, defaults filled in. */
export function destinationOf({ endpointType, properties }: WrittenDestination): Destination {
  const { endpointUrl, functionName, key, resourceId } = properties;
  if (endpointType === 'WebHook')
    return { endpointType, properties: { endpointUrl: endpointUrl!, ...pushProperties(properties) } };
  const pushed = { ...functionBatches, ...pushProperties(properties) };
  if (resourceId != null) return { endpointType, properties: { resourceId, ...pushed } };
  return {
    endpointType,
    properties: {
      ...{ endpointUrl: endpointUrl!, functionName: functionName! },
      ...(key == null ? {} : { key }),
      ...pushed,
    },
  };
}

/** What a schema cannot say. `at` is the pointer to the destination. */
export function destinationFaults(
  { endpointType, properties }: WrittenDestination,
  at: string,
  rules: DestinationRules,
): FieldError[] {
  const messages = endpointType === 'WebHook' ? webHookFaults(properties) : functionFaults(properties, rules);
  if (properties.validation === 'none' && !rules.noneAllowed) {
    messages.validation =
      'saw "none", which this deployment does not allow (GRIDPOST_ALLOW_UNVALIDATED_ENDPOINTS)';
  }
  const faults = Object.entries(messages).flatMap(([name, message]) =>
    message === undefined ? [] : [{ pointer: `${at}/properties/${name}`, message }],
  );
  const { endpointUrl, resourceId } = properties;
  const named = resourceId == null ? undefined : functionOf(resourceId);
  const url = endpointUrl ?? (named && rules.functionApps.get(named.app)?.url);
  return [...faults, ...pushFaults(properties, `${at}/properties`, url)];
}

/** What is wrong, by the name of the member. */
type Messages = { -readonly [K in keyof WrittenDestination['properties']]?: string | undefined };

function webHookFaults({ endpointUrl, ...others }: WrittenDestination['properties']): Messages {
  return {
    endpointUrl: endpointUrl == null ? 'is missing' : endpointUrlFault(endpointUrl),
    ...notExpected(others, ['functionName', 'key', 'resourceId'], 'is of functions'),
  };
}

function functionFaults(
  properties: WrittenDestination['properties'],
  { functionApps }: DestinationRules,
): Messages {
  const { resourceId, endpointUrl, functionName, key, contentMode } = properties;
  return {
    ...(contentMode === 'binary'
      ? { contentMode: 'saw "binary", expected "structured": a function\'s host reads bodies only' }
      : {}),
    ...(resourceId == null
      ? {
          endpointUrl: endpointUrl == null ? 'is missing, and so is resourceId' : hostUrlFault(endpointUrl),
          functionName: functionName == null ? 'is missing' : functionNameFault(functionName),
          key: key == null || isKey(key) ? undefined : 'expected printable ASCII characters without spaces',
        }
      : {
          resourceId: resourceIdFault(resourceId, functionApps),
          ...notExpected(properties, ['endpointUrl', 'functionName', 'key'], 'is said by resourceId'),
        }),
  };
}

function notExpected(
  properties: Optional<Address>,
  names: readonly (keyof Address)[],
  reason: string,
): Messages {
  return Object.fromEntries(
    names.flatMap((name) => (properties[name] == null ? [] : [[name, `expected none: it ${reason}`]])),
  );
}

function hostUrlFault(text: string): string | undefined {
  const fault = endpointUrlFault(text);
  if (fault !== undefined) return fault;
  return text.includes('?')
    ? "saw a query, expected the address of the host's root: functionName and key have members of their own"
    : undefined;
}

/** Azure Functions' rule for names. */
function functionNameFault(name: string): string | undefined {
  if (/^[A-Za-z][\w-]{0,127}$/.test(name)) return undefined;
  return `saw ${shown(name)}, expected a letter, then at most 127 letters, digits, hyphens or underscores`;
}

function resourceIdFault(resourceId: string, apps: FunctionApps): string | undefined {
  const named = functionOf(resourceId);
  if (!named) {
    return `saw ${shown(resourceId)}, expected /subscriptions/…/resourceGroups/…/providers/Microsoft.Web/sites/{app}/functions/{function}`;
  }
  if (!apps.has(named.app))
    return `saw the function app ${shown(named.app)}, which GRIDPOST_FUNCTION_APPS does not name`;
  return functionNameFault(named.functionName);
}

const isKey = (text: string): boolean => /^[!-~]+$/.test(text);

/** As it is shown: without secrets, of which the query of the endpoint's URL often is one. */
export function destinationView({ endpointType, properties }: Destination): object {
  if (endpointType === 'WebHook') {
    const { endpointUrl, ...pushed } = properties;
    const endpoint = { endpointBaseUrl: endpointBaseUrl(endpointUrl) };
    return { endpointType, properties: { ...endpoint, ...pushView(pushed) } };
  }
  if (properties.resourceId !== undefined) {
    const { resourceId, ...pushed } = properties;
    return { endpointType, properties: { resourceId, ...pushView(pushed) } };
  }
  const { endpointUrl, functionName, key: _, ...pushed } = properties;
  const endpoint = { endpointBaseUrl: endpointBaseUrl(endpointUrl), functionName };
  return { endpointType, properties: { ...endpoint, ...pushView(pushed) } };
}
