/** A subscription's destination as it is written and shown (Event Grid, EventSubscriptionDestination). */
import type { Destination, FieldError } from '@gridpost/model';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';
import { pushFaults, pushProperties, pushView, type WrittenPushProperties } from './push-properties.js';

/** As `schemas/eventsubscription.json` has it. */
export interface WrittenDestination {
  readonly endpointType: 'WebHook';
  readonly properties: WrittenPushProperties & { readonly endpointUrl: string };
}

/** What is written, without faults, defaults filled in. */
export function destinationOf({ endpointType, properties }: WrittenDestination): Destination {
  return {
    endpointType,
    properties: { endpointUrl: properties.endpointUrl, ...pushProperties(properties) },
  };
}

/** What a schema cannot say. `at` is the pointer to the destination. */
export function destinationFaults({ properties }: WrittenDestination, at: string): FieldError[] {
  const url = endpointUrlFault(properties.endpointUrl);
  return [
    ...(url === undefined ? [] : [{ pointer: `${at}/properties/endpointUrl`, message: url }]),
    ...pushFaults(properties, `${at}/properties`),
  ];
}

/** As it is shown: without secrets, of which the query of the endpoint's URL often is one. */
export function destinationView({ endpointType, properties }: Destination): object {
  const { endpointUrl, ...pushed } = properties;
  return {
    endpointType,
    properties: { endpointBaseUrl: endpointBaseUrl(endpointUrl), ...pushView(pushed) },
  };
}
