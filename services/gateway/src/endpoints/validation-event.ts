/**
 * Event Grid's handshake: the endpoint is sent a code as an event and returns it, or somebody opens the address that came
 * with it (Event Grid, "Endpoint validation with Event Grid events").
 */
import { isObject } from '@gridpost/model';
import { isSameSecret } from '../keys.js';
import type { Answer, OutgoingRequest } from './outgoing.js';
import { type SystemEvent, systemEvent } from './system-event.js';
import { passing, type Verdict } from './verdict.js';

export interface ValidationAsk extends Omit<SystemEvent, 'type' | 'eventType' | 'data'> {
  readonly code: string;
  readonly validationUrl: string;
}

/** The event, alone. */
export function validationEvent({ code, validationUrl, ...ask }: ValidationAsk): OutgoingRequest {
  return systemEvent({
    ...ask,
    type: 'SubscriptionValidation',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    data: { validationCode: code, validationUrl },
  });
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
  return isSameSecret(returned, code)
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
