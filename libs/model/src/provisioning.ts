/**
 * Whether a subscription's endpoint has agreed to get events, and the handshake by which it is asked. Event Grid's
 * states (EventSubscription resource, `provisioningState`):
 *
 *     Creating, Updating ──agreed──► Succeeded
 *       │    └──answered without a word──► AwaitingManualAction ──address opened──► Succeeded
 *       └──refused, time over──► Failed ◄──time over──┘
 *
 * Writing another endpoint, or asking for it, leads back to Updating from everywhere.
 */
/**
 * How an endpoint agrees. `ValidationEvent`: it returns a code that it was sent (Event Grid, "Endpoint validation with
 * Event Grid events"). `Options`: it allows the origin that asks (CloudEvents HTTP WebHook §4). `None`: it is not asked.
 */
export type HandshakeKind = 'ValidationEvent' | 'Options' | 'None';

export interface Handshake {
  /** Names one handshake through all its tries. Random, and no secret: what is secret is derived from it. */
  readonly id: string;
  readonly kind: Exclude<HandshakeKind, 'None'>;
  /** Of `Options`: what the last try asked to have allowed. */
  readonly origin?: string;
  /** Requests made so far, one under way included. */
  readonly tries: number;
  /**
   * `trying`: a gateway is asking, and is taken for dead at `until`. `waiting`: to be asked again at `until`, or given up
   * if that is `endsAt`.
   */
  readonly phase: 'trying' | 'waiting';
  readonly until: number;
  /** When it is given up. */
  readonly endsAt: number;
}

/** The endpoint is being asked. */
export interface PendingProvisioning {
  readonly state: 'Creating' | 'Updating' | 'AwaitingManualAction';
  readonly handshake: Handshake;
  /** What the last try met. */
  readonly reason?: string;
}

/** Only what has succeeded is delivered to. Instants are of the gateways' clocks. */
export type Provisioning =
  | PendingProvisioning
  | {
      readonly state: 'Succeeded';
      readonly at: number;
      readonly kind: HandshakeKind;
      /** Of `Options`: the origin that was allowed, which each delivery names. */
      readonly origin?: string;
      /** Requests per minute that the endpoint allowed; absent where it set no bound. */
      readonly allowedRate?: number;
    }
  | { readonly state: 'Failed'; readonly at: number; readonly reason: string };

/** Whether events may be sent to the subscription's endpoint. One that nothing was noted of has none that was asked. */
export function isProven({ provisioning }: { readonly provisioning?: Provisioning }): boolean {
  return provisioning === undefined || provisioning.state === 'Succeeded';
}

/** What is noted of a subscription whose endpoint is being asked; undefined where that is over. */
export function pendingOf({
  provisioning,
}: {
  readonly provisioning?: Provisioning;
}): PendingProvisioning | undefined {
  return provisioning && 'handshake' in provisioning ? provisioning : undefined;
}
