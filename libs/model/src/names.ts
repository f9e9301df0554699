/** The names users give to things, and the identities Gridpost gives them. */
import { randomBytes } from 'node:crypto';

/** Topic names: 3–50 letters, digits and hyphens (as in Event Grid). Matched case-sensitively. */
const topicName = /^[A-Za-z0-9-]{3,50}$/;
/** Subscription names: 3–64 letters, digits, hyphens and underscores, as Event Grid's resource provider has them. */
const subscriptionName = /^[A-Za-z0-9_-]{3,64}$/;

export const topicNameRule = '3 to 50 letters, digits or hyphens';
export const subscriptionNameRule = '3 to 64 letters, digits, hyphens or underscores';

export function isTopicName(name: string): boolean {
  return topicName.test(name);
}

export function isSubscriptionName(name: string): boolean {
  return subscriptionName.test(name);
}

/**
 * Identity of one life of a topic or subscription: 16 characters of `[0-9a-z]`, fresh at each creation.
 * Log entries, queues, dead letters and message ids carry it, so that a name used again inherits nothing.
 */
export type Incarnation = string;

export function newIncarnation(): Incarnation {
  const bytes = randomBytes(16);
  let id = '';
  for (const byte of bytes) id += '0123456789abcdefghijklmnopqrstuvwxyz'[byte % 36];
  return id;
}
