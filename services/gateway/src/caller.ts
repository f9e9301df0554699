/**
 * Who makes a request, as far as its credential tells, and what that lets them do. Finding out who it is, is `auth.ts`'s
 * business.
 */
import { GridpostError, type Role, roles } from '@gridpost/model';

/**
 * What a route needs. `consumer`: the right to receive from the subscription that the path names. `anyone`: no
 * credential.
 */
export type Need = Role | 'consumer' | 'anyone';

export interface Caller {
  /** `open`: none was sent and none is needed. `adminKey`: the one of the settings. `key`: a named one. */
  readonly kind: 'open' | 'adminKey' | 'key' | 'token' | 'topicKey' | 'subscriptionKey';
  /** Of the named key, the subject of the token, or the path of the resource that the key is of. */
  readonly name?: string;
  /** Undefined: may manage nothing. */
  readonly role?: Role;
  /** Of a token: may receive from every subscription. */
  readonly consumer?: true;
}

/** What each credential is good for that has no role or too small a one. */
const good: Readonly<Record<Caller['kind'], string>> = {
  open: '',
  adminKey: '',
  key: 'the key has another role',
  token: 'the token of the OIDC issuer has no role for this',
  topicKey: "a topic's key, or a signature made with it, may publish to its topic and nothing else",
  subscriptionKey: "a subscription's key may receive from its subscription and nothing else",
};

/** Throws `Forbidden` unless the caller has the role, or one that includes it. */
export function requireRole(caller: Caller, needed: Role): void {
  const { kind, role } = caller;
  if (role !== undefined && roles.indexOf(role) >= roles.indexOf(needed)) return;
  throw new GridpostError('Forbidden', `${good[kind]}; this needs the role ${needed}`);
}

/**
 * Throws `Forbidden` unless the caller may receive from the subscription at the path, whether or not there is one: its
 * own keys, a token of a consumer, and admins.
 */
export function requireConsumer(caller: Caller, path: string): void {
  const { kind, name, role, consumer } = caller;
  if (role === 'admin' || consumer || (kind === 'subscriptionKey' && name === path)) return;
  throw new GridpostError(
    'Forbidden',
    `${good[kind]}; receiving needs a key of the subscription, a token of a consumer, or the role admin`,
  );
}

/** Throws `Forbidden` unless the bearer of a token or a key may publish: every token may, and admins. */
export function requirePublisher(caller: Caller): void {
  if (caller.kind === 'token' || caller.role === 'admin') return;
  throw new GridpostError('Forbidden', `${good[caller.kind]}; publishing needs the role admin`);
}
