/**
 * Event Grid's handshake: the endpoint is sent a code as an event and returns it, or somebody opens the address that came
 * with it (Event Grid, "Endpoint validation with Event Grid events").
 */
import { timingSafeEqual } from 'node:crypto';
import { isObject } from '@gridpost/model';
import { digestOf } from '../keys.js';
import type { Answer, OutgoingRequest } from './outgoing.js';
import { passing, type Verdict } from './verdict.js';

export interface ValidationAsk {
  readonly url: string;
  /** The topic's path, and the subscription's name. */
  readonly topic: string;
  readonly subscription: string;
  /** Of the event: the same for each try. */
  readonly id: string;
  readonly code: string;
  readonly validationUrl: string;
  readonly now: number;
}

const dataVersion = '2';

/** An array of one event, and of nothing else. */
export function validationEvent(ask: ValidationAsk): OutgoingRequest {
  const { url, topic, subscription, id, code, validationUrl, now } = ask;
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'aeg-event-type': 'SubscriptionValidation',
      'aeg-subscription-name': subscription,
      'aeg-delivery-count': '0',
      'aeg-data-version': dataVersion,
      'aeg-metadata-version': '1',
      'aeg-output-event-id': id,
    },
    body: JSON.stringify([
      {
        ...{ id, topic, subject: '' },
        data: { validationCode: code, validationUrl },
        eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
        eventTime: new Date(now).toISOString(),
        ...{ metadataVersion: '1', dataVersion },
      },
    ]),
  };
}

/** Only 200 with the code is a yes; 200 without one leaves it to the address. */
export function judgeCode(answer: Answer, code: string): Verdict {
  const { status } = answer;
  if (status !== 200) {
    return passing(answer) ?? { kind: 'refused', reason: `the endpoint answered ${status}, expected 200` };
  }
  const returned = codeIn(answer.body);
  if (returned === undefined) {
    return { kind: 'unanswered', reason: 'the endpoint answered 200 without the validation code' };
  }
  return timingSafeEqual(digestOf(returned), digestOf(code))
    ? { kind: 'agreed' }
    : { kind: 'refused', reason: 'the endpoint returned another validation code than it was sent' };
}

function codeIn(body: Buffer): string | undefined {
  try {
    const answer: unknown = JSON.parse(body.toString());
    const returned = isObject(answer) ? answer.validationResponse : undefined;
    return typeof returned === 'string' ? returned : undefined;
  } catch {
    return undefined;
  }
}
