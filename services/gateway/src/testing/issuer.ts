/** An OpenID Connect issuer on a free port: its configuration, its keys, and tokens signed with them. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from '@jest/globals';
import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT } from 'jose';

export interface Issuer {
  /** As in its tokens. */
  readonly url: string;
  /** The paths asked for so far. */
  readonly asked: string[];
  /** What it answers at a path instead, for as long as it is there. */
  readonly instead: Map<string, (res: ServerResponse) => void>;
  /** Resolves at the next request. */
  nextRequest(): Promise<void>;
  /** Makes a key pair, and publishes its public half unless it is told not to. */
  makeKey(
    alg: string,
    options?: { readonly kid?: string; readonly published?: boolean },
  ): Promise<SigningKey>;
  /** No longer publishes any key. */
  forgetKeys(): void;
}

export interface SigningKey {
  readonly publicJwk: JSONWebKeySet['keys'][number];
  /** Signs the claims; without `exp` none is added. */
  sign(claims: JWTPayload): Promise<string>;
}

export const configurationPath = '/realm/.well-known/openid-configuration';
export const keysPath = '/realm/keys';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

export async function startIssuer(): Promise<Issuer> {
  const published: JSONWebKeySet['keys'] = [];
  const asked: string[] = [];
  const instead = new Map<string, (res: ServerResponse) => void>();
  let notify: (() => void)[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url!);
    for (const call of notify) call();
    notify = [];
    const other = instead.get(req.url!);
    if (other) other(res);
    else if (req.url === configurationPath) {
      res.end(JSON.stringify({ issuer: url, jwks_uri: new URL(keysPath, url).href }));
    } else if (req.url === keysPath) res.end(JSON.stringify({ keys: published }));
    else res.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realm`;
  ends.push(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return {
    url,
    asked,
    instead,
    nextRequest: () => new Promise((resolve) => notify.push(resolve)),
    async makeKey(alg, options = {}) {
      const { kid = `key-${published.length + 1}` } = options;
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      const publicJwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
      if (options.published !== false) published.push(publicJwk);
      return {
        publicJwk,
        sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(privateKey),
      };
    },
    forgetKeys: () => void published.splice(0),
  };
}
