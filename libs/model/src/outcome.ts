/**
 * The closed sets of words for what happened to a delivery, the same in the API, logs, metrics and dead letters.
 */

/** What one attempt met. The names are Event Grid's delivery outcomes where it has one. */
export const attemptOutcomes = [
  'Delivered',
  'BadRequest',
  'Unauthorized',
  'Forbidden',
  'NotFound',
  'TimedOut',
  'PayloadTooLarge',
  'Gone',
  'Busy',
  'Redirected',
  'UnexpectedStatus',
  'ServerError',
  'SocketError',
  'ResolutionError',
  'TlsError',
  'Aborted',
] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/** Label of an attempt in metrics: coarser than the outcome, five values. */
export const attemptClasses = ['success', 'retryable', 'permanent', 'timeout', 'blocked'] as const;
export type AttemptClass = (typeof attemptClasses)[number];

/** Why a delivery was given up and kept as a dead letter. The first is Event Grid's word; it documents no other. */
export const deadLetterReasons = [
  'MaxDeliveryAttemptsExceeded',
  'TimeToLiveExceeded',
  'UndeliverableDueToBadRequest',
  'UndeliverableDueToUnauthorized',
  'UndeliverableDueToForbidden',
  'UndeliverableDueToPayloadTooLarge',
  'QuotaExceeded',
  'Quarantined',
  'Rejected',
] as const;
export type DeadLetterReason = (typeof deadLetterReasons)[number];

/** Why a delivery left Gridpost undelivered and is no longer held. Each is counted; none is silent. */
export const dropReasons = ['DeadLetteringOff', 'DeadLetterQuotaExceeded', 'SubscriptionDeleted'] as const;
export type DropReason = (typeof dropReasons)[number];

/** How durable an accepted event is. Each class includes the ones before it. */
export const durabilityClasses = ['memory', 'process', 'disk', 'replicated'] as const;
/**
 * - `memory`: survives the gateway, not the store's process.
 * - `process`: survives SIGKILL of any process, the store's included; a power cut may lose about the last second.
 * - `disk`: survives a power cut of the store's machine.
 * - `replicated`: survives the loss of one store machine.
 */
export type Durability = (typeof durabilityClasses)[number];

export function atLeast(offered: Durability, wanted: Durability): boolean {
  return durabilityClasses.indexOf(offered) >= durabilityClasses.indexOf(wanted);
}
