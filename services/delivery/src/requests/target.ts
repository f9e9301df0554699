/** Where and how the deliveries of one subscription are sent: everything about their requests that stays the same. */
import { type EncodedDelivery, encodeBatch, encodeDelivery, encodeOne } from '@gridpost/codec';
import { type OAuthTokens, Signer, type TokenSource } from '@gridpost/egress';
import {
  type Credentials,
  type DeliverySchema,
  type Destination,
  type Endpoint,
  endpointOf,
  type Event,
  eventsPerBatch,
  limits,
  type PushProperties,
  type Subscription,
} from '@gridpost/model';
import type { Connections, Origin } from './connections.js';
import { secretsInUrl } from './redaction.js';
import { RequestHeaders } from './request-headers.js';
import type { DeliverySettings } from '../settings.js';

/** Stands in for an endpoint that cannot be connected to because its URL is none: nothing listens on port 0. */
const nowhere = new URL('http://127.0.0.1:0/');

/** What is called: a webhook, a function, or a function on an app that this deployment does not know. */
export type TargetKind = 'webhook' | 'function' | 'unknownFunction';

export class Target {
  readonly kind: TargetKind;
  /** What no answer of the endpoint must bring into a log or a dead letter. */
  readonly secrets: readonly string[];
  readonly origin: Origin;
  /** Path and query, as the subscription has them. */
  readonly path: string;
  readonly schema: DeliverySchema;
  /** Deadline of one attempt. */
  readonly timeoutMs: number;
  readonly headers: RequestHeaders;
  /** Where requests are signed. */
  readonly signer: Signer | undefined;
  /** Where each request needs a token. */
  readonly tokens: TokenSource | undefined;
  /** Events of one request at most. */
  readonly eventsMax: number;
  readonly #contentMode: 'structured' | 'binary';
  #bytesMax: number;

  constructor(
    subscription: Subscription,
    connections: Connections,
    tokens: OAuthTokens,
    { userAgent, functionApps }: Pick<DeliverySettings, 'userAgent' | 'functionApps'>,
  ) {
    const { destination, eventDeliverySchema, signing } = subscription.properties;
    const endpoint = destination && endpointOf(destination, functionApps);
    this.kind = kindOf(destination, endpoint);
    // Nothing is sent for a subscription whose events are received.
    const properties: PushProperties = destination?.properties ?? {
      contentMode: 'structured',
      attemptTimeoutInSeconds: 0,
    };
    const { preferredBatchSizeInKilobytes = limits.batchKilobytes.default } = properties;
    const called = endpoint?.url ?? '';
    // Checked where subscriptions are written; here one bad document must not stop all the others.
    const url = /^https?:/i.test(called) && URL.canParse(called) ? new URL(called) : nowhere;
    this.origin = connections.join(url.origin, endpoint?.tls);
    this.secrets = secretsOf(properties, endpoint, url);
    this.path = url.pathname + url.search;
    this.schema = eventDeliverySchema;
    this.timeoutMs = properties.attemptTimeoutInSeconds * 1_000;
    this.headers = new RequestHeaders(subscription, userAgent, endpoint?.headers ?? {});
    this.signer = signing && new Signer(signing);
    this.tokens = endpoint?.oauth2 && tokens.of(endpoint.oauth2);
    this.eventsMax = eventsPerBatch(properties);
    this.#contentMode = properties.contentMode;
    this.#bytesMax = preferredBatchSizeInKilobytes * 1_024;
  }

  /** Whether several events may go into one request. */
  get batches(): boolean {
    return this.eventsMax > 1;
  }

  /** Size of a body that is aimed at where there are batches. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Encodes an event for a request of its own, where there are no batches. Throws as `encodeOne` does. */
  encodeAlone(event: Event): EncodedDelivery {
    if (this.schema === 'CloudEventSchemaV1_0') return encodeDelivery(event, this.#contentMode);
    return encodeBatch([encodeOne(event, this.schema)], this.schema);
  }

  /** The endpoint found a batch of so many bytes too large: those to come are at most half of it. */
  refuses(bytes: number): void {
    this.#bytesMax = Math.min(this.#bytesMax, bytes >> 1);
  }

  /** When the subscription has another target or none. */
  leave(): void {
    this.origin.leave();
  }
}

function kindOf(destination: Destination | undefined, endpoint: Endpoint | undefined): TargetKind {
  if (destination?.endpointType !== 'AzureFunction') return 'webhook';
  return endpoint ? 'function' : 'unknownFunction';
}

/** What a request holds that was given in confidence, in each form that an endpoint may repeat. */
function secretsOf(
  { credentials, deliveryAttributeMappings = [] }: PushProperties,
  endpoint: Endpoint | undefined,
  url: URL,
): readonly string[] {
  const own = deliveryAttributeMappings.flatMap((each) =>
    each.type === 'Static' && each.properties.isSecret ? [each.properties.value] : [],
  );
  const given = Object.values(endpoint?.headers ?? {}).flatMap((value) => [
    value,
    value.replace(/^\w+ /, ''),
  ]);
  return [...given, ...own, ...secretsIn(credentials), ...(endpoint ? secretsInUrl(url) : [])];
}

function secretsIn(credentials: Credentials | undefined): string[] {
  switch (credentials?.type) {
    case 'basic':
      return [credentials.password];
    case 'oauth2':
      return [credentials.clientSecret];
    default:
      return [];
  }
}
