/**
 * Node's HTTP server, plain or over TLS, with limits fit for the open: what it refuses by itself, and when it gives up
 * on a slow client.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';

/** A certificate with the rest of its chain, and its private key, each as PEM. */
export interface TlsPair {
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
}

/** Node's defaults are 60 s for headers, 300 s for a request, looked at every 30 s: too lax for ingest. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
  /** Longer than the 60 s after which common balancers drop an idle connection, so that they are first. */
  keepAliveTimeout: 65_000,
};

/** Older versions are withdrawn (RFC 8996). A handshake may take as long as headers may; Node's default is 120 s. */
const tlsLimits = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const;

// Lenient parsing, and joining headers that must not be sent twice, are what smuggling is made of.
const strictness = { insecureHTTPParser: false, joinDuplicateHeaders: false };

/** Throws if the pair is none. */
export function createHttpServer(tls?: TlsPair): Server | TlsServer {
  const server = tls
    ? closable(createTlsServer({ ...limits, ...strictness, ...tlsLimits, cert: tls.cert, key: tls.key }))
    : createServer({ ...limits, ...strictness });
  server.on('clientError', refuseUnparsable);
  return server;
}

/** New connections get this certificate; those that are open keep theirs. Throws if the pair is none. */
export function renew(server: TlsServer, { cert, key }: TlsPair): void {
  server.setSecureContext({ cert, key, minVersion: tlsLimits.minVersion });
}

/** Has `closeAllConnections` close those as well that have not finished their handshake, of which HTTP knows nothing yet. */
function closable(server: TlsServer): TlsServer {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const closeKnown = server.closeAllConnections.bind(server);
  server.closeAllConnections = () => {
    closeKnown();
    for (const socket of open) socket.destroy();
  };
  return server;
}

/** Answers what is not HTTP, too long, or too slow, as far as there is still somebody to answer. */
function refuseUnparsable(error: NodeJS.ErrnoException, socket: Socket): void {
  // Node's own handler looks here too: bytes in the middle of an answer that has begun would only corrupt it.
  const current = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  // Anything else that can go wrong is the connection's or the handshake's fault, and nobody is there to read.
  const isHttp = /^(HPE_|ERR_HTTP_)/.test(error.code ?? '');
  if (!isHttp || !socket.writable || current?.headersSent) {
    socket.destroy();
    return;
  }
  socket.end(`HTTP/1.1 ${statusOf(error.code)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () =>
    socket.destroy(),
  );
}

function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  return '400 Bad Request';
}
