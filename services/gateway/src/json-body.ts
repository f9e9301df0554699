/**
 * Reads the JSON body of a request that manages or receives: a bounded one, in UTF-8, not nested so deep that code walking the value
 * could overflow. What the value should look like is `validation.ts`'s business.
 *
 * Express's own parser is not used: on a body that is too large it goes on reading until the client has sent all of it,
 * and it replaces what is not UTF-8 instead of refusing it.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GridpostError, limits } from '@gridpost/model';
import type { RequestHandler } from 'express';
import { askForBody, hasBody } from './answer.js';
import { readBody } from './body.js';

/** Leaves the value in `req.body`, undefined without a body. Passes on what `readJson` refuses. */
export const jsonBody: RequestHandler = (req, res, next) => {
  readJson(
    req,
    res,
    (value) => {
      req.body = value;
      next();
    },
    next,
  );
};

/**
 * Calls `take` with the value, undefined without a body, or `refuse` with `UnsupportedContentType`, `TooLarge`,
 * `InvalidUtf8`, `TooDeep` or `InvalidJson`. A client that leaves before the end gets no further.
 */
export function readJson(
  req: IncomingMessage,
  res: ServerResponse,
  take: (value: unknown) => void,
  refuse: (error: unknown) => void,
): void {
  if (!hasBody(req)) {
    take(undefined);
    return;
  }
  const { 'content-type': type, 'content-encoding': encoding, 'content-length': length } = req.headers;
  if (type === undefined || !isJson(type)) {
    const seen = type === undefined ? 'no content type' : `content type ${JSON.stringify(type.slice(0, 64))}`;
    refuse(new GridpostError('UnsupportedContentType', `saw ${seen}, expected application/json in UTF-8`));
    return;
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    refuse(
      new GridpostError(
        'UnsupportedContentType',
        'the body is compressed (content-encoding); send it as it is',
      ),
    );
    return;
  }
  if (Number(length) > limits.managementBodyBytesMax) {
    refuse(tooLarge());
    return;
  }
  askForBody(req, res);
  readBody(
    req,
    limits.managementBodyBytesMax,
    (bytes) => {
      let value: unknown;
      try {
        value = parse(bytes);
      } catch (error) {
        refuse(error);
        return;
      }
      take(value);
    },
    () => refuse(tooLarge()),
  );
}

/** `application/json`, with no charset or UTF-8 (RFC 8259 §8.1). */
function isJson(contentType: string): boolean {
  const [essence, ...parameters] = contentType.toLowerCase().split(';');
  if (essence!.trim() !== 'application/json') return false;
  return parameters.every((parameter) => {
    const [name, value] = parameter.split('=');
    return name!.trim() !== 'charset' || /^\s*"?utf-8"?\s*$/.test(value ?? '');
  });
}

function parse(bytes: Buffer): unknown {
  // Chunked encoding can announce a body and send none.
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) throw new GridpostError('InvalidUtf8', 'the body holds bytes that are not UTF-8');
  if (isDeeperThan(bytes, limits.jsonDepthMax)) {
    throw new GridpostError('TooDeep', `the body nests deeper than ${limits.jsonDepthMax} levels`);
  }
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw new GridpostError('InvalidJson', (error as Error).message, { cause: error });
  }
}

/** Counts brackets outside strings; whether they match is the parser's business. */
function isDeeperThan(bytes: Buffer, max: number): boolean {
  // Finding is faster than looking at each byte, and most bodies have few brackets.
  if (occurrences(bytes, 0x7b, max) + occurrences(bytes, 0x5b, max) <= max) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > max) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

/** How often a byte occurs; no more than one over `max` are counted. */
function occurrences(bytes: Buffer, byte: number, max: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0 && count <= max; at = bytes.indexOf(byte, at + 1)) count++;
  return count;
}

function tooLarge(): GridpostError {
  return new GridpostError('TooLarge', `the body is larger than ${limits.managementBodyBytesMax} bytes`);
}
