/** Node's HTTP server with limits fit for the open: what it refuses by itself, and when it gives up on a slow client. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Node's defaults are 60 s for headers, 300 s for a request, looked at every 30 s: too lax for ingest. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
  /** Longer than the 60 s after which common balancers drop an idle connection, so that they are first. */
  keepAliveTimeout: 65_000,
};

export function createHttpServer(): Server {
  // Lenient parsing, and joining headers that must not be sent twice, are what smuggling is made of.
  const server = createServer({ ...limits, insecureHTTPParser: false, joinDuplicateHeaders: false });
  server.on('clientError', refuseUnparsable);
  return server;
}

/** Answers what is not HTTP, too long, or too slow, as far as there is still somebody to answer. */
function refuseUnparsable(error: NodeJS.ErrnoException, socket: Socket): void {
  // Node's own handler looks here too: bytes in the middle of an answer that has begun would only corrupt it.
  const current = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent) {
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
