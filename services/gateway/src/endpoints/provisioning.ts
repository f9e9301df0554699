/**
 * The states of a subscription's endpoint (`Provisioning`) and what leads from one to the next, as pure functions of time.
 * What is asked of endpoints, and the writing, are `handshakes.ts`'s.
 */
import { randomBytes } from 'node:crypto';
import {
  type Destination,
  endpointOf,
  type Handshake,
  type HandshakeKind,
  hostIn,
  isLoopback,
  type PendingProvisioning,
  pendingOf,
  type Provisioning,
  type Subscription,
  type SubscriptionProperties,
} from '@gridpost/model';
import type { DestinationRules } from '../destination-resource.js';
import { requestMs } from './outgoing.js';
import type { Verdict } from './verdict.js';

/** What a deployment says of endpoints. */
export interface EndpointPolicy extends DestinationRules {
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
  { loopbackTrusted, functionApps }: EndpointPolicy,
): HandshakeKind | undefined {
  if (!destination) return undefined;
  if (destination.properties.validation === 'none') return 'None';
  const endpoint = endpointOf(destination, functionApps);
  if (loopbackTrusted && endpoint && isLoopback(hostIn(new URL(endpoint.url)))) return 'None';
  // Endpoints of CloudEvents have CloudEvents' own handshake (Event Grid, "Webhook event delivery").
  return eventDeliverySchema === 'CloudEventSchemaV1_0' ? 'Options' : 'ValidationEvent';
}

/**
 * What a write makes of it. What the endpoint has agreed to, and what it is being asked, stands while neither the endpoint
 * nor the kind of handshake changes; writing what has failed asks again.
 */
export function provisionedBy(
  properties: SubscriptionProperties,
  policy: EndpointPolicy,
  before: Subscription | undefined,
  now: number,
): Provisioning | undefined {
  const kind = kindNeeded(properties, policy);
  if (kind === undefined) return undefined;
  const known = before?.provisioning;
  const same = (one: Destination | undefined): string | undefined =>
    one && endpointOf(one, policy.functionApps)?.url;
  if (known && same(before.properties.destination) === same(properties.destination)) {
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

/** A try begins, which names this origin where its kind does. The gateway that got this written makes it, and no other. */
export function tried(pending: PendingProvisioning, origin: string, now: number): PendingProvisioning {
  const { handshake } = pending;
  const until = now + requestMs + marginMs;
  const named = handshake.kind === 'Options' ? { origin } : {};
  const tries = handshake.tries + 1;
  return { ...pending, handshake: { ...handshake, ...named, tries, phase: 'trying', until } };
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
      const { kind, origin } = handshake;
      const { allowedRate } = verdict;
      return {
        ...{ state: 'Succeeded', at: now, kind },
        ...(origin === undefined ? {} : { origin }),
        ...(allowedRate === undefined ? {} : { allowedRate }),
      };
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
