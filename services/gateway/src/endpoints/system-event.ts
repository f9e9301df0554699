/** Events that Gridpost itself sends to an endpoint of Event Grid's schema, each alone in its array. */
import { Signer } from '@gridpost/egress';
import type { Endpoint, Signing } from '@gridpost/model';
import type { OutgoingRequest } from './outgoing.js';

export interface SystemEvent {
  readonly endpoint: Endpoint;
  /** What the request is, beside `Notification` (Event Grid, "Message delivery and retry", headers). */
  readonly type: 'SubscriptionValidation' | 'SubscriptionDeletion';
  /** The topic's path, and the subscription's name. */
  readonly topic: string;
  readonly subscription: string;
  readonly id: string;
  readonly eventType: string;
  readonly data: object;
  /** The subscription's: whoever verifies deliveries verifies these too. */
  readonly signing: Signing | undefined;
  readonly now: number;
}

const dataVersion = '2';
const metadataVersion = '1';

export function systemEvent(event: SystemEvent): OutgoingRequest {
  const { endpoint, type, topic, subscription, id, eventType, data, signing, now } = event;
  const eventTime = new Date(now).toISOString();
  const body = JSON.stringify([
    { id, topic, subject: '', data, eventType, eventTime, metadataVersion, dataVersion },
  ]);
  return {
    method: 'POST',
    endpoint,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'aeg-event-type': type,
      'aeg-subscription-name': subscription,
      'aeg-delivery-count': '0',
      'aeg-data-version': dataVersion,
      'aeg-metadata-version': metadataVersion,
      'aeg-output-event-id': id,
      ...(signing ? signed(signing, id, body, now) : {}),
    },
    body,
  };
}

function signed(signing: Signing, id: string, body: string, now: number): Record<string, string> {
  const [, timestamp, , signature] = new Signer(signing).headers(id, body, now) as [
    string,
    string,
    string,
    string,
  ];
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
}
