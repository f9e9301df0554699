/** Reads a request's body into memory, within a bound. What the bytes mean is decided elsewhere. */
import type { IncomingMessage } from 'node:http';

/**
 * Calls `whole` with the body when it has arrived, or `over` as soon as more than `bytesMax` bytes have, and nothing
 * after either. Calls neither if the client goes away before: there is then nobody to answer.
 */
export function readBody(
  req: IncomingMessage,
  bytesMax: number,
  whole: (body: Buffer) => void,
  over: () => void,
): void {
  // Nearly every body comes in one chunk, and is then not copied.
  let first: Buffer | undefined;
  let chunks: Buffer[] | undefined;
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      req.off('data', take);
      req.off('end', end);
      first = chunks = undefined;
      over();
    } else if (first === undefined) first = chunk;
    else (chunks ??= [first]).push(chunk);
  };
  const end = (): void => whole(chunks ? Buffer.concat(chunks, bytes) : (first ?? Buffer.alloc(0)));
  req.on('data', take);
  req.on('end', end);
}
