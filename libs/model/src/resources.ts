/**
 * Topics and subscriptions as they are stored: the properties users wrote, in the shapes of Event Grid's resources, and
 * what Gridpost adds around them. What Event Grid lacks stands beside its properties, never in place of one.
 */
import type { Credentials, TlsTrust } from './credentials.js';
import type { DeadLetterDestination } from './dead-letter-destination.js';
import type { FilterEntry, SubscriptionFilter } from './filters.js';
import type { InputSchemaMapping } from './input-schema.js';
import * as limits from './limits.js';
import type { Incarnation } from './names.js';
import type { Provisioning } from './provisioning.js';
import type { Signing } from './signing.js';

/** What publishers send. */
export type InputSchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomEventSchema';
/** What subscribers get. */
export type DeliverySchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomInputSchema';

/**
 * Where subscriptions are: a topic's name, `domains/{domain}`, or `domains/{domain}/topics/{topic}`. Names hold no
 * slash, so that none is mistaken for another, and each is its own label in logs and metrics.
 */
export type Scope = string;

/** The two access keys. */
export type KeyName = 'key1' | 'key2';

export interface TopicProperties {
  readonly inputSchema: InputSchema;
  /** Of `CustomEventSchema`; without one the whole object is the event's data. */
  readonly inputSchemaMapping?: InputSchemaMapping;
  /** True refuses both access keys and what is signed with them; other credentials remain. */
  readonly disableLocalAuth: boolean;
  /** Days for which settled events are kept in the topic's history, 0 for none. */
  readonly eventRetentionInDays: number;
  /**
   * Bytes of events that the history keeps at most, over all partitions; the oldest go first, looked at every ten seconds.
   * Absent: no bound but age.
   */
  readonly eventRetentionInBytes?: number;
  /** Present: within the window the same `source` and `id` is stored once, and the topic has one partition. */
  readonly duplicateDetection?: { readonly windowInMinutes: number };
  /** Its own; of what is not given, the deployment's defaults count. */
  readonly publishQuota?: PublishQuota;
}

/** Over any of these, publish requests are refused. What is absent is not limited. */
export interface PublishQuota {
  /** Over the whole deployment, however many gateways there are. */
  readonly eventsPerSecond?: number;
  /** Of request bodies, over the whole deployment. */
  readonly bytesPerSecond?: number;
  /** Deferred and leased deliveries of all its subscriptions together, as they are charged to those. */
  readonly deferredBytesMax?: number;
}

/** What a domain adds to a topic. */
export interface DomainProperties {
  /** Whether a subscription on a domain topic that does not exist makes it, and the last to go takes it along. */
  readonly autoCreateTopicWithFirstSubscription: boolean;
  readonly autoDeleteTopicWithLastSubscription: boolean;
}

/**
 * A topic, or a domain: to the router a domain is one topic, whose events name the domain topic that they are for, and
 * a domain topic's subscriptions are those of the domain that want this name.
 */
export interface Topic {
  /** Of a domain: its scope. */
  readonly name: Scope;
  readonly incarnation: Incarnation;
  readonly properties: TopicProperties;
  /** Of a domain only. */
  readonly domain?: DomainProperties;
  /** Azure's region and tags, kept for those who wrote them; they mean nothing here. */
  readonly location?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * Generation of each access key. A key is derived from the deployment's root key, the incarnation, the key's name
   * and this number, so that no key is stored and regenerating one is an increment.
   */
  readonly keys: Readonly<Record<KeyName, number>>;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A domain topic, made with its first subscription or before. Each new subscription writes it again. */
export interface DomainTopic {
  readonly name: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/**
 * A header for each delivery: a value of its own, or one found in the event (Event Grid, "Custom delivery properties").
 */
export type DeliveryAttributeMapping =
  | {
      readonly name: string;
      readonly type: 'Static';
      readonly properties: { readonly value: string; readonly isSecret: boolean };
    }
  | {
      readonly name: string;
      readonly type: 'Dynamic';
      readonly properties: { readonly sourceField: string };
    };

/** How events are pushed, to whatever kind of endpoint. */
export interface PushProperties {
  /** Content mode of CloudEvents; structured by default, since several SDKs mishandle binary mode's encoding. */
  readonly contentMode: 'structured' | 'binary';
  /** Total deadline of one attempt in seconds. */
  readonly attemptTimeoutInSeconds: number;
  /** Attempts at once over the whole deployment; absent: the deployment's setting. */
  readonly maxConcurrency?: number;
  /** Attempts a second over the whole deployment, fractions included; absent: no bound. */
  readonly maxRatePerSecond?: number;
  /** Either of these turns batches on (Event Grid, "Message delivery and retry"): `eventsPerBatch`. */
  readonly maxEventsPerBatch?: number;
  /** Aimed at, in units of 1,024 bytes: a single event that is larger goes alone. */
  readonly preferredBatchSizeInKilobytes?: number;
  readonly deliveryAttributeMappings?: readonly DeliveryAttributeMapping[];
  /** `none`: the endpoint is not asked whether it wants events, if the deployment allows that. */
  readonly validation?: 'none';
  readonly credentials?: Credentials;
  /** Absent: the system's authorities are trusted. */
  readonly tls?: TlsTrust;
}

/**
 * Events of one request at most; more than one means batches. The number counts if it is written; Event Grid's exports
 * have both, with 1 where there are no batches.
 */
export function eventsPerBatch({
  maxEventsPerBatch,
  preferredBatchSizeInKilobytes,
}: {
  readonly [K in 'maxEventsPerBatch' | 'preferredBatchSizeInKilobytes']?: number | null;
}): number {
  const { default: none, max } = limits.batchEvents;
  return maxEventsPerBatch ?? (preferredBatchSizeInKilobytes == null ? none : max);
}

export interface WebHookDestination {
  readonly endpointType: 'WebHook';
  readonly properties: PushProperties & { readonly endpointUrl: string };
}

/** A function behind the Event Grid webhook of a host of Azure Functions. */
export interface FunctionDestination {
  readonly endpointType: 'AzureFunction';
  readonly properties: PushProperties &
    (
      | {
          /** Of the host's root. */
          readonly endpointUrl: string;
          readonly functionName: string;
          readonly key?: string;
          readonly resourceId?: undefined;
        }
      /** Azure's id of the function, whose app the deployment knows (`FunctionApps`). */
      | { readonly resourceId: string; readonly endpointUrl?: undefined }
    );
}

/** Events are pushed to its endpoint (`endpointOf`). */
export type Destination = WebHookDestination | FunctionDestination;

/** Events wait to be received (Event Grid namespaces, `QueueInfo`). */
export interface QueueProperties {
  readonly receiveLockDurationInSeconds: number;
  readonly maxDeliveryCount: number;
  /** ISO 8601 duration from acceptance. */
  readonly eventTimeToLive: string;
}

/** Delays that grow: the first, then each the one before times `factor`, up to the longest. */
export interface ExponentialBackoff {
  readonly firstDelayInSeconds: number;
  readonly factor: number;
  readonly maxDelayInSeconds: number;
  /** Share of a delay by which it may be shorter or longer, 0 to 0.5. */
  readonly jitter: number;
}

/** At most one of `delaysInSeconds` and `exponentialBackoff`; with neither the schedule is Event Grid's. */
export interface RetryPolicy {
  readonly maxDeliveryAttempts: number;
  readonly eventTimeToLiveInMinutes: number;
  /** Before the second attempt, the third, and so on; the last one repeats. */
  readonly delaysInSeconds?: readonly number[];
  readonly exponentialBackoff?: ExponentialBackoff;
}

/** When an endpoint is held back; what is absent is as the deployment has it. */
export interface ProbationPolicy {
  /** So many failures in a row lead into probation; 0: never. */
  readonly maxFailures?: number;
  /** Longest time between two probes. */
  readonly maxProbeIntervalInSeconds?: number;
}

/** Exactly one of `destination` and `queue`. */
export type SubscriptionProperties = CommonProperties &
  (
    | { readonly destination: Destination; readonly queue?: undefined }
    | { readonly queue: QueueProperties; readonly destination?: undefined }
  );

interface CommonProperties {
  /** Event Grid's filters. */
  readonly filter: SubscriptionFilter;
  /** Those of the CloudEvents Subscriptions API, which must pass as well. Absent: none. */
  readonly filters?: readonly FilterEntry[];
  /** Of pushing. */
  readonly retryPolicy: RetryPolicy;
  /** Of pushing. */
  readonly probation?: ProbationPolicy;
  readonly eventDeliverySchema: DeliverySchema;
  readonly labels: readonly string[];
  /** ISO 8601 instant after which the subscription removes itself. */
  readonly expirationTimeUtc?: string;
  /**
   * ISO 8601 instant in the past from which on a new subscription got what its topic's history had for it. Of no meaning
   * later.
   */
  readonly startFrom?: string;
  /** `false` drops exhausted deliveries (counted) instead of keeping them. Default true. */
  readonly deadLettering: boolean;
  /** Where dead letters are written, after which they are not kept here any longer. Absent: they are kept. */
  readonly deadLetterDestination?: DeadLetterDestination;
  /** How pushed events are signed. Absent: they are not. */
  readonly signing?: Signing;
}

/**
 * `Active`; `Paused`, until it is resumed; or `Disabled` with its reason: an endpoint that answered 410 wants no more.
 * Matching events of a paused or disabled subscription are deferred, not attempted and not lost; writing a disabled
 * subscription again makes it active, and leaves a paused one as it is.
 */
export type SubscriptionState =
  | { readonly state: 'Active' }
  | { readonly state: 'Paused'; readonly at: number }
  | { readonly state: 'Disabled'; readonly reason: string; readonly at: number };

export interface Subscription {
  readonly topic: Scope;
  /** Of the topic or the domain. */
  readonly topicIncarnation: Incarnation;
  readonly name: string;
  readonly incarnation: Incarnation;
  readonly properties: SubscriptionProperties;
  readonly status: SubscriptionState;
  /** Of its own access keys, with which its events are received, as a topic's are. Absent: the first of each. */
  readonly keys?: Readonly<Record<KeyName, number>>;
  /** Absent where events are received, and from what was written before endpoints were asked. */
  readonly provisioning?: Provisioning;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const domains = 'domains/';

/** Path of the resource document of a topic, a domain or a domain topic; its subscriptions lie below it. */
export const topicPath = (topic: Scope): string => (topic.startsWith(domains) ? topic : `topics/${topic}`);
export const subscriptionPath = (topic: Scope, name: string): string =>
  `${topicPath(topic)}/eventsubscriptions/${name}`;

export const domainScope = (domain: string): Scope => domains + domain;
export const domainTopicScope = (domain: string, topic: string): Scope =>
  `${domains}${domain}/topics/${topic}`;

/** The topic or domain that holds the subscriptions of a scope, and the domain topic if it is one's. */
export function holderOf(scope: Scope): { readonly holder: Scope; readonly domainTopic?: string } {
  const [, domain, , domainTopic] = scope.startsWith(domains) ? scope.split('/') : [];
  return domainTopic === undefined ? { holder: scope } : { holder: domainScope(domain!), domainTopic };
}
