/**
 * Answers a request whose body may not have been read, so that the client sees the answer and the connection is left
 * in a state that both sides agree on. Which answer it is, is decided elsewhere.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, limits } from '@gridpost/model';
import type { WholeAnswer } from './problem.js';

/**
 * How long, and for how many bytes, a connection that is to be closed goes on taking what its client still sends.
 * Closing at once would make the kernel answer those bytes with a reset, which can destroy the answer before it is
 * read. A client on a slow line needs about a round trip to notice; one that never stops is cut off.
 */
const lingerMs = 1_000;
const lingerBytesMax = 8 * 1024 * 1024;

/** Whether the request announces a body, read or not. */
export function hasBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length'];
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Those that waited for `100 Continue` and have been told to go ahead. */
const asked = new WeakSet<IncomingMessage>();

/** Whether the client holds its body back until it is asked for it. HTTP/1.0 has no such thing (RFC 9110 §10.1.1). */
function holdsBack(req: IncomingMessage): boolean {
  return req.headers.expect !== undefined && req.httpVersionMinor === 1 && !asked.has(req);
}

/** Tells a client that holds its body back to send it. To be called before reading. */
export function askForBody(req: IncomingMessage, res: ServerResponse): void {
  if (!holdsBack(req)) return;
  asked.add(req);
  res.writeContinue();
}

/**
 * Sends the whole answer. A body that has not arrived yet is discarded: if it is known to be small, the connection
 * stays open for the next request; if it is not, or the client may never send it, the connection is closed.
 */
export function answerWhole(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
  answer: WholeAnswer,
): void {
  const { status, headers, body } = answer;
  const unread = !req.complete && hasBody(req);
  const coming = unread && !holdsBack(req);
  // A body that was held back may come or not: nobody could tell it from the next request.
  if (unread && !(coming && isSmall(req))) res.shouldKeepAlive = false;
  res.writeHead(status, {
    ...headers,
    'content-length': body.length,
    ...(res.shouldKeepAlive ? {} : { connection: 'close' }),
  });
  if (!coming || res.shouldKeepAlive) {
    res.end(body);
    return;
  }
  // The answer is complete for the client by its length; ending it here is what closes the connection.
  res.write(body);
  let bytes = 0;
  const timer = clock.after(lingerMs, end);
  function end(): void {
    timer.cancel();
    req.off('data', count);
    res.end();
  }
  function count(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > lingerBytesMax) end();
  }
  req.on('data', count);
  req.on('end', end);
  req.on('close', end);
  // Whoever read the body before may have paused it.
  req.resume();
}

/** Whether the rest of the body is known to be soon over. */
function isSmall(req: IncomingMessage): boolean {
  return Number(req.headers['content-length']) <= limits.requestBytesMax;
}
