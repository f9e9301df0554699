/**
 * What a token of the OIDC issuer says that its bearer may do beside publishing: the words of one of its claims, of which
 * the deployment says which they are.
 */
import { isObject, type Role, roles } from '@gridpost/model';
import type { Caller } from './caller.js';

export interface TokenRolesOptions {
  /** Name of the claim, or a JSON Pointer to one within another (`/realm_access/roles`). */
  readonly claim: string;
  /** What stands in it for each role, and for who may receive from every subscription. */
  readonly names: Readonly<Record<Role | 'consumer', string>>;
}

/** The greatest role among the claim's words, which are an array or separated by spaces, as in `scope` (RFC 8693 §4.2). */
export function rolesIn(
  claims: object,
  { claim, names }: TokenRolesOptions,
): Pick<Caller, 'role' | 'consumer'> {
  const found = claim.startsWith('/')
    ? claim
        .slice(1)
        .split('/')
        .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
        .reduce(memberOf, claims as unknown)
    : memberOf(claims, claim);
  const words = new Set<unknown>(
    typeof found === 'string' ? found.split(' ') : Array.isArray(found) ? found : [],
  );
  const role = roles.findLast((each) => words.has(names[each]));
  return { ...(role && { role }), ...(words.has(names.consumer) && { consumer: true }) };
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
