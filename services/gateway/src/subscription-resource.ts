/** A subscription as it is written by users and shown to them, in Event Grid's shape (Event Grid, EventSubscription resource). */
import {
  type FieldError,
  limits,
  type Subscription,
  type SubscriptionFilter,
  type SubscriptionProperties,
} from '@gridpost/model';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';
import { entityTag } from './preconditions.js';
import type { Stored } from './stored.js';
import { invalidResource, schemaCheck, shown } from './validation.js';

type Optional<T> = { readonly [K in keyof T]?: T[K] | null };

/** As `schemas/eventsubscription.json` has it; what Event Grid exports as null means the default. */
interface Written {
  readonly destination: {
    readonly properties: { readonly endpointUrl: string } & Optional<
      SubscriptionProperties['destination']['properties']
    >;
  };
  readonly filter?: Optional<SubscriptionFilter> | null;
  readonly retryPolicy?: Optional<SubscriptionProperties['retryPolicy']> | null;
  readonly labels?: readonly string[] | null;
  readonly expirationTimeUtc?: string | null;
  readonly deadLettering?: boolean | null;
}

const checkWhole = schemaCheck<{ readonly properties: Written }>('eventsubscription.json');
const checkProperties = schemaCheck<Written>('eventsubscription.json#/$defs/SubscriptionProperties');

/**
 * The properties of a body with or without the outer `properties`, defaults filled in. Read-only properties of an
 * exported subscription are dropped; any other that is not known is refused. Throws `InvalidResource`.
 */
export function propertiesOf(body: unknown = {}, now: number): SubscriptionProperties {
  const outer = typeof body === 'object' && body !== null && Object.hasOwn(body, 'properties');
  const written = outer ? checkWhole(body).properties : checkProperties(body);
  const faults = faultsOf(written, outer ? '/properties' : '', now);
  if (faults.length) throw invalidResource(faults);
  const { destination, retryPolicy, expirationTimeUtc } = written;
  const { endpointUrl, contentMode, attemptTimeoutInSeconds } = destination.properties;
  return {
    destination: {
      endpointType: 'WebHook',
      properties: {
        endpointUrl,
        // Several SDKs mishandle the percent-encoding that binary mode requires (docs/architecture.md).
        contentMode: contentMode ?? 'structured',
        attemptTimeoutInSeconds: attemptTimeoutInSeconds ?? limits.attemptTimeoutSeconds.default,
      },
    },
    filter: filterOf(written.filter ?? {}),
    retryPolicy: {
      maxDeliveryAttempts: retryPolicy?.maxDeliveryAttempts ?? limits.deliveryAttempts.default,
      eventTimeToLiveInMinutes: retryPolicy?.eventTimeToLiveInMinutes ?? limits.timeToLiveMinutes.default,
    },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    labels: written.labels ?? [],
    ...(expirationTimeUtc == null ? {} : { expirationTimeUtc }),
    deadLettering: written.deadLettering ?? true,
  };
}

/** What a schema cannot say. */
function faultsOf(written: Written, at: string, now: number): FieldError[] {
  const faults: FieldError[] = [];
  const url = endpointUrlFault(written.destination.properties.endpointUrl);
  if (url) faults.push({ pointer: `${at}/destination/properties/endpointUrl`, message: url });
  const { expirationTimeUtc } = written;
  // The comparison also fails for what is no instant, such as a leap second that Date does not know.
  if (expirationTimeUtc != null && !(Date.parse(expirationTimeUtc) > now)) {
    faults.push({
      pointer: `${at}/expirationTimeUtc`,
      message: `saw ${shown(expirationTimeUtc)}, expected an instant in the future`,
    });
  }
  return faults;
}

function filterOf(written: Optional<SubscriptionFilter>): SubscriptionFilter {
  const { includedEventTypes, subjectBeginsWith, subjectEndsWith, isSubjectCaseSensitive } = written;
  return {
    ...(includedEventTypes == null ? {} : { includedEventTypes }),
    ...(subjectBeginsWith == null ? {} : { subjectBeginsWith }),
    ...(subjectEndsWith == null ? {} : { subjectEndsWith }),
    ...(isSubjectCaseSensitive == null ? {} : { isSubjectCaseSensitive }),
  };
}

/**
 * The subscription as it is shown: with what was written, except that of the endpoint's URL only the part before the
 * query appears, since the query often holds a secret. What Gridpost adds can be put back and is ignored.
 */
export function subscriptionView({ etag, value }: Stored<Subscription>): object {
  const { topic, name, properties, status, createdAt, updatedAt } = value;
  const { endpointUrl, contentMode, attemptTimeoutInSeconds } = properties.destination.properties;
  return {
    id: `/topics/${topic}/eventsubscriptions/${name}`,
    name,
    type: 'Gridpost/topics/eventSubscriptions',
    etag: entityTag(etag),
    properties: {
      topic: `/topics/${topic}`,
      provisioningState: 'Succeeded',
      status:
        status.state === 'Active'
          ? { state: status.state }
          : { state: status.state, reason: status.reason, at: new Date(status.at).toISOString() },
      ...properties,
      destination: {
        endpointType: properties.destination.endpointType,
        properties: { endpointBaseUrl: endpointBaseUrl(endpointUrl), contentMode, attemptTimeoutInSeconds },
      },
    },
    systemData: {
      createdAt: new Date(createdAt).toISOString(),
      lastModifiedAt: new Date(updatedAt).toISOString(),
    },
  };
}
