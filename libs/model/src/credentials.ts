/** What lets requests in at an endpoint, and how its own certificate is checked. Beside what Event Grid knows. */

export interface BearerCredentials {
  readonly type: 'bearer';
  /** Secret. */
  readonly token: string;
}

export interface BasicCredentials {
  readonly type: 'basic';
  readonly username: string;
  /** Secret. */
  readonly password: string;
}

/** A token from a token endpoint (RFC 6749 §4.4, client credentials). */
export interface OAuth2Credentials {
  readonly type: 'oauth2';
  readonly tokenUrl: string;
  readonly clientId: string;
  /** Secret. */
  readonly clientSecret: string;
  /** How the client says who it is (RFC 6749 §2.3.1): HTTP Basic, or members of the request's body. */
  readonly clientAuthentication: 'basic' | 'body';
  readonly scope?: string;
  /** Wanted by some authorization servers; not of the RFC. */
  readonly audience?: string;
  /** PEM, as `TlsTrust.caCertificates`: of the token endpoint. */
  readonly tokenCaCertificates?: string;
}

/** The client's side of TLS. */
export interface ClientCertificate {
  readonly type: 'clientCertificate';
  /** PEM: the certificate, and the rest of its chain. */
  readonly certificate: string;
  /** PEM, without a passphrase. Secret. */
  readonly privateKey: string;
}

export type Credentials = BearerCredentials | BasicCredentials | OAuth2Credentials | ClientCertificate;

export interface TlsTrust {
  /** PEM, one or more. Only what they have signed is trusted, and none of the system's authorities. */
  readonly caCertificates: string;
}

/** What makes connections to one address differ. All PEM; `key` is secret. */
export interface TlsIdentity {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The value of `Authorization`, where it is the same for every request. */
export function authorizationOf(credentials: Credentials | undefined): string | undefined {
  if (credentials?.type === 'bearer') return `Bearer ${credentials.token}`;
  if (credentials?.type !== 'basic') return undefined;
  // RFC 7617 §2, with UTF-8.
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** Undefined where connections are made as to any endpoint. */
export function tlsIdentityOf(
  credentials: Credentials | undefined,
  tls: TlsTrust | undefined,
): TlsIdentity | undefined {
  const own = credentials?.type === 'clientCertificate' ? credentials : undefined;
  if (!own && !tls) return undefined;
  return {
    ...(tls ? { ca: tls.caCertificates } : {}),
    ...(own ? { cert: own.certificate, key: own.privateKey } : {}),
  };
}
