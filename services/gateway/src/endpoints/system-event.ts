/** Events that Gridpost itself sends to an endpoint of Event Grid's schema, each alone in its array. */
import type { Endpoint } from '@gridpost/model';
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
  readonly now: number;
}

const dataVersion = '2';
const metadataVersion = '1';

export function systemEvent(event: SystemEvent): OutgoingRequest {
  const { endpoint, type, topic, subscription, id, eventType, data, now } = event;
  const eventTime = new Date(now).toISOString();
  return {
    method: 'POST',
    url: endpoint.url,
    headers: {
      ...endpoint.headers,
      'content-type': 'application/json; charset=utf-8',
      'aeg-event-type': type,
      'aeg-subscription-name': subscription,
      'aeg-delivery-count': '0',
      'aeg-data-version': dataVersion,
      'aeg-metadata-version': metadataVersion,
      'aeg-output-event-id': id,
    },
    body: JSON.stringify([
      { id, topic, subject: '', data, eventType, eventTime, metadataVersion, dataVersion },
    ]),
  };
}
