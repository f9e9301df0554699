/**
 * Topics and subscriptions as they are stored: the properties users wrote, in the shapes of Event Grid's resources, and
 * what Gridpost adds around them. What Event Grid lacks stands beside its properties, never in place of one.
 */
import type { FilterEntry, SubscriptionFilter } from './filters.js';
import type { Incarnation } from './names.js';

export type InputSchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomEventSchema';
export type DeliverySchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomInputSchema';

/** The two access keys. */
export type KeyName = 'key1' | 'key2';

export interface TopicProperties {
  readonly inputSchema: InputSchema;
  /** Days for which settled events are kept in the topic's history, 0 for none. */
  readonly eventRetentionInDays: number;
}

export interface Topic {
  readonly name: string;
  readonly incarnation: Incarnation;
  readonly properties: TopicProperties;
  /**
   * Generation of each access key. A key is derived from the deployment's root key, the incarnation, the key's name
   * and this number, so that no key is stored and regenerating one is an increment.
   */
  readonly keys: Readonly<Record<KeyName, number>>;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface WebHookDestination {
  readonly endpointType: 'WebHook';
  readonly properties: {
    readonly endpointUrl: string;
    /** Content mode of deliveries; structured by default, since several SDKs mishandle binary mode's encoding. */
    readonly contentMode: 'structured' | 'binary';
    /** Total deadline of one attempt in seconds. */
    readonly attemptTimeoutInSeconds: number;
  };
}

export interface RetryPolicy {
  readonly maxDeliveryAttempts: number;
  readonly eventTimeToLiveInMinutes: number;
}

export interface SubscriptionProperties {
  readonly destination: WebHookDestination;
  /** Event Grid's filters. */
  readonly filter: SubscriptionFilter;
  /** Those of the CloudEvents Subscriptions API, which must pass as well. Absent: none. */
  readonly filters?: readonly FilterEntry[];
  readonly retryPolicy: RetryPolicy;
  readonly eventDeliverySchema: DeliverySchema;
  readonly labels: readonly string[];
  /** ISO 8601 instant after which the subscription removes itself. */
  readonly expirationTimeUtc?: string;
  /** `false` drops exhausted deliveries (counted) instead of keeping them. Default true. */
  readonly deadLettering: boolean;
}

/**
 * `Active`, or `Disabled` with its reason: an endpoint that answered 410 wants no more. Matching events of a disabled
 * subscription are deferred, not attempted and not lost; writing the subscription again makes it active.
 */
export type SubscriptionState =
  | { readonly state: 'Active' }
  | { readonly state: 'Disabled'; readonly reason: string; readonly at: number };

export interface Subscription {
  readonly topic: string;
  readonly topicIncarnation: Incarnation;
  readonly name: string;
  readonly incarnation: Incarnation;
  readonly properties: SubscriptionProperties;
  readonly status: SubscriptionState;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Paths of the resource documents in the store; a topic's subscriptions lie below it. */
export const topicPath = (topic: string): string => `topics/${topic}`;
export const subscriptionPath = (topic: string, name: string): string =>
  `topics/${topic}/eventsubscriptions/${name}`;
