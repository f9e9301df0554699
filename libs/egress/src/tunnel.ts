/** Connections through a proxy: it is asked for a tunnel (RFC 9110 §9.3.6), also for plain HTTP, and sees no request. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { unescape as unescaped } from 'node:querystring';
import { hostIn } from '@gridpost/model';
import type { buildConnector } from 'undici';
import type { Connector } from './connector.js';

/**
 * Has connections made through the proxy, an `http` URL, perhaps with a user name and a password. What is spoken within is
 * the endpoint's, TLS included, whose certificate is checked for the endpoint's name. Errors do not name the proxy.
 */
export function tunnelConnector(proxy: URL, timeoutMs: number, secure: Connector): Connector {
  const credential = authorizationOf(proxy);
  return (options, callback) => {
    const authority = authorityOf(options);
    const asking = request({
      host: hostIn(proxy),
      port: proxy.port || 80,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...credential },
      agent: false,
      timeout: timeoutMs,
    });
    /** What there is to end. */
    let current: { destroy(): void } | undefined = asking;
    asking.once('connect', (response, socket: Socket, head: Buffer) => {
      current = socket;
      // A proxy says 200; RFC 9110 allows any 2xx.
      if (!/^2\d\d$/.test(String(response.statusCode))) {
        socket.destroy();
        callback(new ProxyFailed(`the egress proxy answered ${response.statusCode}`), null);
        return;
      }
      if (head.length > 0) socket.unshift(head);
      socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, keepAliveAfterMs);
      if (options.protocol === 'https:') {
        current = secure({ ...options, httpSocket: socket }, callback) as Socket | undefined;
      } else callback(null, socket);
    });
    asking.once('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.once('error', (cause) =>
      callback(new ProxyFailed('the egress proxy cannot be used', cause), null),
    );
    asking.end();
    return { destroy: () => current?.destroy() };
  };
}

/** As undici has it for its own connections. */
const keepAliveAfterMs = 60_000;

/** The proxy is the deployment's, and where it is nobody else's business: neither is in the message. */
class ProxyFailed extends Error {
  readonly code = 'ERR_EGRESS_PROXY';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

function authorityOf({ hostname, port, protocol }: buildConnector.Options): string {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${host}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

/** RFC 7617. */
function authorizationOf({ username, password }: URL): { readonly 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {};
  const pair = `${unescaped(username)}:${unescaped(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}
