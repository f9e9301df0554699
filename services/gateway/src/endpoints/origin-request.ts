/**
 * CloudEvents' handshake: the endpoint is asked with OPTIONS whether this origin may send to it, and allows it in its
 * answer, or later by calling back (CloudEvents HTTP WebHook §4).
 */
import type { Endpoint } from '@gridpost/model';
import type { Answer, OutgoingRequest } from './outgoing.js';
import { allowedRateOf, passing, type Verdict } from './verdict.js';

export interface OriginAsk {
  readonly endpoint: Endpoint;
  /** Name of this deployment. */
  readonly origin: string;
  readonly callbackUrl: string;
}

/**
 * Requests per minute that are asked for: 100 a second, more than most subscriptions see. What is allowed is shown, and
 * no bound that Gridpost keeps: an endpoint that gets too much answers 429.
 */
const requestedRate = 6_000;

export function originRequest({ endpoint, origin, callbackUrl }: OriginAsk): OutgoingRequest {
  return {
    method: 'OPTIONS',
    endpoint,
    headers: {
      'webhook-request-origin': origin,
      'webhook-request-callback': callbackUrl,
      'webhook-request-rate': String(requestedRate),
    },
  };
}

/** The origin itself or `*` is a yes, compared exactly. A status alone says nothing (§4.2). */
export function judgeOrigin(answer: Answer, origin: string): Verdict {
  const { status, headers } = answer;
  const unable = passing(answer);
  if (unable) return unable;
  const allowed = headers['webhook-allowed-origin'];
  if (allowed === undefined || status >= 300) {
    return {
      kind: 'unanswered',
      reason: `the endpoint answered ${status} and did not allow the origin ${origin}`,
    };
  }
  if (allowed !== origin && allowed !== '*') {
    return { kind: 'refused', reason: `the endpoint allows another origin than ${origin}` };
  }
  const allowedRate = allowedRateOf(headers['webhook-allowed-rate']);
  return { kind: 'agreed', ...(allowedRate === undefined ? {} : { allowedRate }) };
}
