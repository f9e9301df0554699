/**
 * The states of a subscription's endpoint (`Provisioning`) and what leads from one to the next, as pure functions of time.
 * What is asked of endpoints, and the writing, are `handshakes.ts`'s.
 */
import { randomBytes } from 'node:crypto';
import {
  type Destination,
  type Handshake,
  type HandshakeKind,
  isLoopback,
  type PendingProvisioning,
  pendingOf,
  type Provisioning,
  type Subscription,
  type SubscriptionProperties,
} from '@gridpost/model';
import { requestMs } from './outgoing.js';
import type { Verdict } from './verdict.js';

/** What a deployment lets endpoints skip. */
export interface ValidationPolicy {
  /** Whether subscriptions may ask for none. */
  readonly noneAllowed: boolean;
  /** Whether endpoints on loopback need none: only where nobody else can reach the API either. */
  readonly loopbackTrusted: boolean;
}

/** A handshake that has not succeeded by then has failed, and so has one that waits for a person (Event Grid). */
const lifeMs = 600_000;
/** The first pause between tries (Event Grid); each later one is twice as long, up to a minute. */
const firstPauseMs = 5_000;
const longestPauseMs = 60_000;
/** A try whose gateway has not written its outcome this long after its deadline is taken for lost. */
const marginMs = 5_000;

/** How the endpoint is to be asked; undefined where there is none. */
export function kindNeeded(
  { destination, eventDeliverySchema }: SubscriptionProperties,
  { loopbackTrusted }: ValidationPolicy,
): HandshakeKind | undefined {
  if (!destination) return undefined;
  const { endpointUrl, validation } = destination.properties;
  if (validation === 'none') return 'None';
  const host = new URL(endpointUrl).hostname.replace(/^\[(.*)\]$/, '$1');
  if (loopbackTrusted && isLoopback(host)) return 'None';
  // Endpoints of CloudEvents have CloudEvents' own handshake (Event Grid, "Webhook event delivery").
  return eventDeliverySchema === 'CloudEventSchemaV1_0' ? 'Options' : 'ValidationEvent';
}

/**
 * What a write makes of it. What the endpoint has agreed to, and what it is being asked, stands while neither the endpoint
 * nor the kind of handshake changes; writing what has failed asks again.
 */
export function provisionedBy(
  properties: SubscriptionProperties,
  policy: ValidationPolicy,
  before: Subscription | undefined,
  now: number,
): Provisioning | undefined {
  const kind = kindNeeded(properties, policy);
  if (kind === undefined) return undefined;
  const known = before?.provisioning;
  if (known && isSameEndpoint(before.properties.destination, properties.destination)) {
    const standing = known.state === 'Succeeded' ? known.kind : pendingOf(before)?.handshake.kind;
    if (standing === kind) return known;
  }
  return begun(kind, before ? 'Updating' : 'Creating', now);
}

/** The endpoint is to be asked from the beginning. */
export function begun(kind: HandshakeKind, state: 'Creating' | 'Updating', now: number): Provisioning {
  if (kind === 'None') return { state: 'Succeeded', at: now, kind };
  const id = randomBytes(16).toString('hex');
  return {
    state,
    handshake: { id, kind, tries: 0, phase: 'waiting', until: now, endsAt: now + lifeMs },
  };
}

function isSameEndpoint(before: Destination | undefined, after: Destination | undefined): boolean {
  return before?.properties.endpointUrl === after?.properties.endpointUrl;
}

/** A try begins. The gateway that got this written makes it, and no other. */
export function tried(pending: PendingProvisioning, now: number): PendingProvisioning {
  const { handshake } = pending;
  const until = now + requestMs + marginMs;
  return { ...pending, handshake: { ...handshake, tries: handshake.tries + 1, phase: 'trying', until } };
}

/** A try ends unmade, and is due again. */
export function untried(pending: PendingProvisioning, now: number): PendingProvisioning {
  const { handshake } = pending;
  return {
    ...pending,
    handshake: { ...handshake, tries: handshake.tries - 1, phase: 'waiting', until: now },
  };
}

/** What the verdict of a try makes of it. */
export function concluded(pending: PendingProvisioning, verdict: Verdict, now: number): Provisioning {
  const { handshake, state } = pending;
  switch (verdict.kind) {
    case 'agreed': {
      const { kind: _, ...allowed } = verdict;
      return { state: 'Succeeded', at: now, kind: handshake.kind, ...allowed };
    }
    case 'refused':
      return { state: 'Failed', at: now, reason: verdict.reason };
    case 'unanswered': {
      const { reason } = verdict;
      const endsAt = now + lifeMs;
      const waiting: Handshake = { ...handshake, phase: 'waiting', until: endsAt, endsAt };
      return { state: 'AwaitingManualAction', handshake: waiting, reason };
    }
    case 'again': {
      const { reason, afterMs = 0 } = verdict;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (handshake.tries - 1));
      const until = now + Math.max(pauseMs, afterMs);
      if (until >= handshake.endsAt) return givenUp({ ...pending, reason }, now);
      return { state, handshake: { ...handshake, phase: 'waiting', until }, reason };
    }
  }
}

/** Its time is over. */
export function givenUp({ state, reason }: PendingProvisioning, now: number): Provisioning {
  const what = state === 'AwaitingManualAction' ? 'nobody opened the validation address' : 'no try succeeded';
  const why = reason === undefined ? '' : `; ${reason}`;
  return { state: 'Failed', at: now, reason: `${what} within ${lifeMs / 60_000} minutes${why}` };
}
