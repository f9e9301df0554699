/** Where and how the deliveries of one subscription are sent: everything about their requests that stays the same. */
import type { Subscription } from '@gridpost/model';
import type { Connections, Origin } from './connections.js';

/** Stands in for an endpoint that cannot be connected to because its URL is none: nothing listens on port 0. */
const nowhere = new URL('http://127.0.0.1:0/');

/**
 * The origin that the endpoint has allowed, with every delivery (CloudEvents HTTP WebHook §4.1): `Origin` in its version
 * 1.0.1, `WebHook-Request-Origin` in 1.0.2.
 */
function originHeaders(provisioning: Subscription['provisioning']): string[] {
  if (provisioning?.state !== 'Succeeded' || provisioning.origin === undefined) return [];
  return ['webhook-request-origin', provisioning.origin, 'origin', provisioning.origin];
}

export class Target {
  readonly origin: Origin;
  /** Path and query, as the subscription has them. */
  readonly path: string;
  readonly contentMode: 'structured' | 'binary';
  /** Deadline of one attempt. */
  readonly timeoutMs: number;
  /** Names and values in turn, for each request (Event Grid, "Message delivery and retry"). */
  readonly #headers: readonly string[];
  /** The headers of the last event's encoding, which in structured mode are always the same, and ours after them. */
  #encoded: readonly string[] | undefined;
  #together: readonly string[] = [];

  constructor({ name, properties, provisioning }: Subscription, connections: Connections, userAgent: string) {
    // Nothing is sent for a subscription whose events are received.
    const { endpointUrl, contentMode, attemptTimeoutInSeconds } = properties.destination?.properties ?? {
      endpointUrl: '',
      contentMode: 'structured',
      attemptTimeoutInSeconds: 0,
    };
    // Checked where subscriptions are written; here one bad document must not stop all the others.
    const url = /^https?:/i.test(endpointUrl) && URL.canParse(endpointUrl) ? new URL(endpointUrl) : nowhere;
    this.origin = connections.join(url.origin);
    this.path = url.pathname + url.search;
    this.contentMode = contentMode;
    this.timeoutMs = attemptTimeoutInSeconds * 1_000;
    this.#headers = [
      'aeg-event-type',
      'Notification',
      'aeg-subscription-name',
      name,
      'user-agent',
      userAgent,
      ...originHeaders(provisioning),
    ];
  }

  /** The request's headers, those of the encoded event first. */
  headersFor(encoded: readonly string[], messageId: string, attempts: number): string[] {
    if (encoded !== this.#encoded) {
      this.#encoded = encoded;
      this.#together = [...encoded, ...this.#headers];
    }
    const headers = this.#together.slice();
    // The same for every attempt, so that a receiver can tell a repetition (Standard Webhooks).
    headers.push('webhook-id', messageId, 'aeg-delivery-count', String(attempts));
    return headers;
  }

  /** When the subscription has another target or none. */
  leave(): void {
    this.origin.leave();
  }
}
