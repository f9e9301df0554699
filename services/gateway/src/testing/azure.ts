/** A gateway over TLS, and what Azure's SDKs, which send tokens over HTTPS only, have to be given to reach it. */
import { makeCertificate } from '@gridpost/model/testing';
import { adminKey, serve, type Served } from './serve.js';

export interface ServedSecurely extends Served {
  /** For a client's options, beside `endpoint: served.url`: it checks the certificate, and trusts this one. */
  readonly tlsOptions: { readonly ca: string };
  /** Stands for a credential of `@azure/identity`: it returns the admin key, or the token that is given. */
  credential(token?: string): {
    getToken(): Promise<{ readonly token: string; readonly expiresOnTimestamp: number }>;
  };
}

export async function serveSecurely(options: Parameters<typeof serve>[0] = {}): Promise<ServedSecurely> {
  const tls = makeCertificate();
  return {
    ...(await serve({ ...options, tls })),
    tlsOptions: { ca: tls.cert },
    credential: (token = adminKey) => ({
      getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }),
    }),
  };
}
