/**
 * Which credential a request carries, in any of the forms that Event Grid's clients use (Event Grid, "Authenticate
 * clients using access keys or shared access signatures"). Whether it is right is `auth.ts`'s business.
 */
import type { IncomingHttpHeaders } from 'node:http';

export type Credential =
  | { readonly kind: 'none' }
  /** An access key. */
  | { readonly kind: 'key'; readonly key: string }
  /** A shared access signature, `r=…&e=…&s=…`. */
  | { readonly kind: 'signature'; readonly token: string }
  | { readonly kind: 'bearer'; readonly token: string }
  /** `Authorization` with a scheme that is none of ours. */
  | { readonly kind: 'unsupported' };

const none: Credential = { kind: 'none' };
const unsupported: Credential = { kind: 'unsupported' };

/**
 * The request's credential. Where several are sent, `aeg-sas-key` decides, then `aeg-sas-token`, then `Authorization`,
 * then `aeg-sas-key` in the query of `target`, which clients put there when they cannot set headers.
 */
export function credentialOf(headers: IncomingHttpHeaders, target = ''): Credential {
  const key = headers['aeg-sas-key'];
  if (key !== undefined) return { kind: 'key', key: String(key) };
  const token = headers['aeg-sas-token'];
  if (token !== undefined) return { kind: 'signature', token: String(token) };
  if (headers.authorization !== undefined) return authorizationOf(headers.authorization);
  const inQuery = keyInQuery(target);
  return inQuery === undefined ? none : { kind: 'key', key: inQuery };
}

function authorizationOf(authorization: string): Credential {
  const bearer = afterScheme(authorization, 'bearer');
  if (bearer !== undefined) return { kind: 'bearer', token: bearer };
  const key = afterScheme(authorization, 'sharedaccesskey');
  if (key !== undefined) return { kind: 'key', key };
  const token = afterScheme(authorization, 'sharedaccesssignature');
  return token === undefined ? unsupported : { kind: 'signature', token };
}

/** What follows the scheme, which is compared without regard to case (RFC 9110 §11.1); undefined for another scheme. */
function afterScheme(authorization: string, scheme: string): string | undefined {
  const { length } = scheme;
  if (authorization.charCodeAt(length) !== 0x20 || authorization.slice(0, length).toLowerCase() !== scheme) {
    return undefined;
  }
  return authorization.slice(length + 1).trim();
}

/** A plus sign stands for itself: keys have it, and clients append them as they are. */
function keyInQuery(target: string): string | undefined {
  const parameter = /[?&]aeg-sas-key=([^&#]*)/.exec(target)?.[1];
  if (parameter === undefined) return undefined;
  try {
    return decodeURIComponent(parameter);
  } catch {
    return parameter;
  }
}
