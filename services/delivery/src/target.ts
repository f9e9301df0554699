/** Where and how the deliveries of one subscription are sent: everything about their requests that stays the same. */
import type { Subscription } from '@gridpost/model';
import type { Connections, Origin } from './connections.js';

export class Target {
  readonly origin: Origin;
  /** Path and query, as the subscription has them. */
  readonly path: string;
  readonly contentMode: 'structured' | 'binary';
  /** Deadline of one attempt. */
  readonly timeoutMs: number;
  /** Names and values in turn, to be copied into each request (AZURE §1.5). */
  readonly headers: readonly string[];

  constructor({ name, properties }: Subscription, connections: Connections, userAgent: string) {
    const { endpointUrl, contentMode, attemptTimeoutInSeconds } = properties.destination.properties;
    const url = new URL(endpointUrl);
    this.origin = connections.join(url.origin);
    this.path = url.pathname + url.search;
    this.contentMode = contentMode;
    this.timeoutMs = attemptTimeoutInSeconds * 1_000;
    this.headers = ['aeg-event-type', 'Notification', 'aeg-subscription-name', name, 'user-agent', userAgent];
  }

  /** The request's headers, those of the encoded event first. */
  headersFor(encoded: readonly string[], messageId: string, attempts: number): string[] {
    const headers = encoded.slice();
    for (const part of this.headers) headers.push(part);
    // The same for every attempt, so that a receiver can tell a repetition (Standard Webhooks).
    headers.push('webhook-id', messageId, 'aeg-delivery-count', String(attempts));
    return headers;
  }

  /** When the subscription has another target or none. */
  leave(): void {
    this.origin.leave();
  }
}
