/** A subscription as it is written by users and shown to them, in Event Grid's shape (Event Grid, EventSubscription resource). */
import {
  type Clock,
  type AdvancedFilter,
  type DeliverySchema,
  durationMs,
  type FieldError,
  type FilterEntry,
  type Health,
  limits,
  type ProbationPolicy,
  type QueueProperties,
  retryAfterOf,
  type Scope,
  type Subscription,
  type SubscriptionFilter,
  type SubscriptionProperties,
  subscriptionPath,
  topicPath,
} from '@gridpost/model';
import type { Registry } from '@gridpost/registry';
import {
  type DeadLetterPlaces,
  deadLetterDestinationFaults,
  deadLetterDestinationOf,
  deadLetterDestinationView,
  type WrittenDeadLetterDestination,
} from './dead-letter-destination.js';
import {
  destinationFaults,
  type DestinationRules,
  destinationOf,
  destinationView,
  type WrittenDestination,
} from './destination-resource.js';
import { handshakeView } from './endpoints/handshake-view.js';
import { entityTag } from './preconditions.js';
import { signingFaults, signingOf, signingView, type WrittenSigning } from './signing-resource.js';
import { retryPolicyFaults, retryPolicyOf, type WrittenRetryPolicy } from './retry-policy.js';
import { type Stored, systemDataOf } from './stored.js';
import { invalidResource, type Optional, resourceCheck, shown } from './validation.js';

const dayMs = 86_400_000;
/** What every topic's events can be delivered in. */
const defaultSchema: DeliverySchema = 'CloudEventSchemaV1_0';

/** What filters are written as, in a subscription and elsewhere. */
export interface WrittenFilters {
  readonly filter?:
    | (Optional<Omit<SubscriptionFilter, 'advancedFilters'>> & {
        readonly advancedFilters?:
          | readonly (Pick<AdvancedFilter, 'operatorType' | 'key'> & Optional<AdvancedFilter>)[]
          | null;
      })
    | null;
  readonly filters?: readonly FilterEntry[] | null;
}

/** As `schemas/eventsubscription.json` has it; what Event Grid exports as null means the default. */
interface Written extends WrittenFilters {
  readonly destination?: WrittenDestination;
  readonly deliveryConfiguration?: { readonly queue?: Optional<QueueProperties> | null } | null;
  readonly retryPolicy?: WrittenRetryPolicy | null;
  readonly probation?: Optional<ProbationPolicy> | null;
  readonly eventDeliverySchema?: DeliverySchema | null;
  readonly labels?: readonly string[] | null;
  readonly expirationTimeUtc?: string | null;
  readonly startFrom?: string | null;
  readonly deadLettering?: boolean | null;
  readonly deadLetterDestination?: WrittenDeadLetterDestination | null;
  readonly signing?: WrittenSigning | null;
}

const check = resourceCheck<{ readonly properties: Written }>(
  'eventsubscription.json',
  'SubscriptionProperties',
);

/** What a deployment allows of what can be written. */
export interface Allowed {
  readonly destinations: DestinationRules;
  readonly deadLetters: DeadLetterPlaces;
}

export interface WrittenProperties {
  /** Where it leaves out a secret that may be stored, `completed` has yet to put it in. */
  readonly properties: SubscriptionProperties;
  /** The pointer to where they stand in the body. */
  readonly at: string;
}

/**
 * The properties of a body with or without the outer `properties`, defaults filled in. Read-only properties of an exported
 * subscription are dropped; any other that is not known is refused. What filters mean is not looked at. Throws `InvalidResource`.
 */
export function propertiesOf(body: unknown, now: number, allowed: Allowed): WrittenProperties {
  const { written: whole, at } = check(body);
  const written = whole.properties;
  const faults = [
    ...faultsOf(written, at, now, allowed.destinations),
    ...deadLetterDestinationFaults(written, at, allowed.deadLetters),
  ];
  if (faults.length) throw invalidResource(faults);
  const { destination, deliveryConfiguration, retryPolicy, probation, expirationTimeUtc, startFrom } =
    written;
  const properties: SubscriptionProperties = {
    ...(destination
      ? { destination: destinationOf(destination) }
      : { queue: queueOf(deliveryConfiguration?.queue ?? {}) }),
    ...filtersOf(written),
    retryPolicy: retryPolicyOf(retryPolicy),
    ...(probation == null ? {} : { probation: present(probation) }),
    eventDeliverySchema: written.eventDeliverySchema ?? defaultSchema,
    labels: written.labels ?? [],
    ...(expirationTimeUtc == null ? {} : { expirationTimeUtc }),
    ...(startFrom == null ? {} : { startFrom }),
    deadLettering: written.deadLettering ?? true,
    ...deadLetterDestinationOf(written),
    ...(written.signing == null ? {} : { signing: signingOf(written.signing) }),
  };
  return { properties, at };
}

function queueOf(written: Optional<QueueProperties>): QueueProperties {
  const { receiveLockDurationInSeconds, maxDeliveryCount, eventTimeToLive } = written;
  return {
    receiveLockDurationInSeconds: receiveLockDurationInSeconds ?? limits.receiveLockSeconds.default,
    maxDeliveryCount: maxDeliveryCount ?? limits.receptions.default,
    eventTimeToLive: eventTimeToLive ?? `P${limits.queueTimeToLiveMs.default / dayMs}D`,
  };
}

/** What a schema cannot say. */
function faultsOf(written: Written, at: string, now: number, rules: DestinationRules): FieldError[] {
  const faults: FieldError[] = [];
  const { destination, deliveryConfiguration, retryPolicy, expirationTimeUtc, startFrom, signing } = written;
  const eventDeliverySchema = written.eventDeliverySchema ?? defaultSchema;
  if ((destination == null) === (deliveryConfiguration == null)) {
    faults.push({ pointer: at, message: 'expected either destination or deliveryConfiguration' });
  } else if (destination) {
    faults.push(...destinationFaults(destination, `${at}/destination`, rules));
    if (signing != null) faults.push(...signingFaults(signing, `${at}/signing`));
    faults.push(...retryPolicyFaults(retryPolicy, `${at}/retryPolicy`));
    if (destination.properties.contentMode === 'binary' && eventDeliverySchema !== defaultSchema) {
      const message = `saw "binary", expected "structured": content modes are of CloudEvents, and eventDeliverySchema is ${eventDeliverySchema}`;
      faults.push({ pointer: `${at}/destination/properties/contentMode`, message });
    }
  } else {
    faults.push(...queueFaults(deliveryConfiguration?.queue ?? {}, `${at}/deliveryConfiguration/queue`));
    if (signing != null) {
      const message =
        'is for events that are pushed: those that are received come in the answer to a request';
      faults.push({ pointer: `${at}/signing`, message });
    }
    if (retryPolicy != null) {
      const message = 'is for events that are pushed; maxDeliveryCount and eventTimeToLive say it of a queue';
      faults.push({ pointer: `${at}/retryPolicy`, message });
    }
    if (written.probation != null) {
      faults.push({ pointer: `${at}/probation`, message: 'is for events that are pushed' });
    }
    if (eventDeliverySchema !== defaultSchema) {
      const message = `saw ${shown(eventDeliverySchema)}, expected ${shown(defaultSchema)}: events that are received are CloudEvents`;
      faults.push({ pointer: `${at}/eventDeliverySchema`, message });
    }
  }
  // The comparison also fails for what is no instant, such as a leap second that Date does not know.
  if (expirationTimeUtc != null && !(Date.parse(expirationTimeUtc) > now)) {
    faults.push({
      pointer: `${at}/expirationTimeUtc`,
      message: `saw ${shown(expirationTimeUtc)}, expected an instant in the future`,
    });
  }
  if (startFrom != null && !(Date.parse(startFrom) <= now)) {
    const message = `saw ${shown(startFrom)}, expected an instant in the past`;
    faults.push({ pointer: `${at}/startFrom`, message });
  }
  return faults;
}

function queueFaults({ eventTimeToLive }: Optional<QueueProperties>, at: string): FieldError[] {
  if (eventTimeToLive == null) return [];
  const { min, max } = limits.queueTimeToLiveMs;
  const ms = durationMs(eventTimeToLive);
  if (ms !== undefined && ms >= min && ms <= max) return [];
  const message = `saw ${shown(eventTimeToLive)}, expected an ISO 8601 duration from PT1M to P${max / dayMs}D`;
  return [{ pointer: `${at}/eventTimeToLive`, message }];
}

/** Filters as they are kept: without what is null. */
export function filtersOf({
  filter,
  filters,
}: WrittenFilters): Pick<SubscriptionProperties, 'filter' | 'filters'> {
  const { advancedFilters, ...others } = filter ?? {};
  return {
    filter: {
      ...present(others),
      ...(advancedFilters == null ? {} : { advancedFilters: advancedFilters.map(present) }),
    },
    ...(filters == null ? {} : { filters }),
  };
}

/** An object's members that are not null. */
function present<T extends object>(members: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value != null)) as never;
}

/** Properties as they can be written again, secrets included but those that sign: they are kept if none is written. */
export function asWritten({ queue, retryPolicy, signing, ...others }: SubscriptionProperties): object {
  return others.destination
    ? { ...others, retryPolicy, ...(signing ? { signing: { scheme: signing.scheme } } : {}) }
    : { ...others, deliveryConfiguration: { deliveryMode: 'Queue', queue } };
}

/** How the endpoint does. What was never noted has been healthy all along; what is over is not shown. */
function healthView(health: Health | undefined, now: number): object {
  if (!health) return { state: 'Healthy' };
  const { state, since, failures, lastFailure, lastSuccessAt, nextProbeAt } = health;
  const retryAfter = retryAfterOf(health, now);
  return {
    ...{ state, since: instant(since) },
    ...(nextProbeAt === undefined ? {} : { heldBackUntil: instant(nextProbeAt) }),
    ...(retryAfter
      ? { retryAfter: { ...retryAfter, at: instant(retryAfter.at), until: instant(retryAfter.until) } }
      : {}),
    failures,
    ...(lastFailure ? { lastFailure: { ...lastFailure, at: instant(lastFailure.at) } } : {}),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt: instant(lastSuccessAt) }),
  };
}

const instant = (ms: number): string => new Date(ms).toISOString();

/**
 * The subscription as it is shown: with what was written, except that of the endpoint's URL only the part before the
 * query appears, since the query often holds a secret. What Gridpost adds can be put back and is ignored.
 * `signed`: what is shown of its signing in this answer only.
 */
export function subscriptionView(
  { etag, value }: Stored<Subscription>,
  { registry, clock }: { readonly registry: Registry; readonly clock: Clock },
  signed: object = {},
): object {
  const { topic, name, properties, status, provisioning, incarnation } = value;
  const { destination, deadLetterDestination, signing } = properties;
  return {
    id: `/${subscriptionPath(topic, name)}`,
    name,
    type: `Gridpost/${kindOf(topic)}/eventSubscriptions`,
    etag: entityTag(etag),
    properties: {
      topic: `/${topicPath(topic)}`,
      provisioningState: provisioning?.state ?? 'Succeeded',
      ...(provisioning ? handshakeView(provisioning) : {}),
      status: 'at' in status ? { ...status, at: instant(status.at) } : status,
      ...(destination ? { health: healthView(registry.healthOf(incarnation)?.health, clock.now()) } : {}),
      ...asWritten(properties),
      ...(destination ? { destination: destinationView(destination) } : {}),
      ...deadLetterDestinationView(deadLetterDestination),
      ...(signing ? { signing: { ...signingView(signing, clock.now()), ...signed } } : {}),
    },
    systemData: systemDataOf(value),
  };
}

/** `topics`, `domains` or `domains/topics`. */
function kindOf(scope: Scope): string {
  const segments = topicPath(scope).split('/');
  return segments.filter((_, index) => index % 2 === 0).join('/');
}
