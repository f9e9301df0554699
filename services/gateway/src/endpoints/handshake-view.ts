import type { Provisioning } from '@gridpost/model';

/** How far the endpoint has agreed to get events; nothing where it is not asked. */
export function handshakeView(provisioning: Provisioning): { readonly handshake?: object } {
  if (provisioning.state === 'Failed') {
    const { at, reason } = provisioning;
    return { handshake: { at: new Date(at).toISOString(), reason } };
  }
  if (provisioning.state === 'Succeeded') {
    const { kind, at, origin, allowedRate } = provisioning;
    if (kind === 'None') return {};
    const allowed = origin === undefined ? {} : { allowedOrigin: origin, allowedRate: allowedRate ?? '*' };
    return { handshake: { kind, at: new Date(at).toISOString(), ...allowed } };
  }
  const { handshake, reason } = provisioning;
  const { kind, tries, endsAt } = handshake;
  const why = reason === undefined ? {} : { reason };
  return { handshake: { kind, tries, ...why, endsAt: new Date(endsAt).toISOString() } };
}
