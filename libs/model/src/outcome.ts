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
  'AddressNotAllowed',
  'TokenUnavailable',
  'InvalidAzureFunctionDestination',
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

/**
 * Each outcome in Event Grid's closed set (Event Grid, "Message delivery and retry", `lastDeliveryOutcome`), which has
 * fewer words for what webhooks answer.
 */
export const eventGridOutcomes = {
  Delivered: 'Delivering',
  BadRequest: 'BadRequest',
  Unauthorized: 'Unauthorized',
  Forbidden: 'Forbidden',
  NotFound: 'NotFound',
  TimedOut: 'TimedOut',
  PayloadTooLarge: 'PayloadTooLarge',
  /** The destination wants no more. */
  Gone: 'Disabled',
  Busy: 'Busy',
  /** The resource is not at this address. */
  Redirected: 'NotFound',
  UnexpectedStatus: 'BadRequest',
  ServerError: 'Busy',
  SocketError: 'SocketError',
  ResolutionError: 'ResolutionError',
  TlsError: 'SocketError',
  AddressNotAllowed: 'SocketError',
  TokenUnavailable: 'Unauthorized',
  InvalidAzureFunctionDestination: 'InvalidAzureFunctionDestination',
  Aborted: 'Aborted',
} as const satisfies Record<AttemptOutcome, string>;

/**
 * A reason in Event Grid's form. It documents `MaxDeliveryAttemptsExceeded` alone; the others are
 * `TimeToLiveExceeded` and `UndeliverableDueTo` with an outcome of its set, also where Gridpost has a word of its own.
 */
export function eventGridReason(reason: DeadLetterReason): string {
  return ownReasons[reason] ?? reason;
}

const ownReasons: Readonly<Partial<Record<DeadLetterReason, string>>> = {
  QuotaExceeded: 'UndeliverableDueToFull',
  Quarantined: 'UndeliverableDueToAborted',
  Rejected: 'UndeliverableDueToCanceled',
};

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
