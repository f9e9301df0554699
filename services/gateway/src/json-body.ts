/**
 * Reads the JSON body of a management request through Express's parser, and refuses what that would let pass: other
 * content types (it would leave the body unread), charsets other than UTF-8, bytes that are not UTF-8 (it would replace
 * them), and nesting so deep that code walking the value could overflow. What the value should look like is
 * `validation.ts`'s business.
 */
import { isUtf8 } from 'node:buffer';
import { GridpostError, limits } from '@gridpost/model';
import express, { type RequestHandler } from 'express';
import { askForBody, hasBody } from './answer.js';

/** Leaves the value in `req.body`, undefined without a body. Passes on catalogue errors. */
export function jsonBody(): RequestHandler {
  const parse = express.json({
    limit: limits.managementBodyBytesMax,
    strict: false,
    inflate: false,
    type: () => true,
    verify: (_req, _res, bytes) => check(bytes),
  });
  return (req, res, next) => {
    if (!hasBody(req)) {
      next();
      return;
    }
    const type = req.headers['content-type'];
    if (type === undefined || !isJson(type)) {
      const seen =
        type === undefined ? 'no content type' : `content type ${JSON.stringify(type.slice(0, 64))}`;
      next(new GridpostError('UnsupportedContentType', `saw ${seen}, expected application/json in UTF-8`));
      return;
    }
    if (Number(req.headers['content-length']) > limits.managementBodyBytesMax) {
      next(tooLarge());
      return;
    }
    askForBody(req, res);
    parse(req, res, (error?: unknown) => next(error === undefined ? undefined : refusalOf(error)));
  };
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

/** Thrown out of the parser, which passes on only errors that have a `type` of their own, and wants to mark them. */
class BodyFault extends Error {
  readonly type: 'utf8.invalid' | 'depth.exceeded';

  constructor(type: BodyFault['type']) {
    super(type);
    this.type = type;
  }
}

function check(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new BodyFault('utf8.invalid');
  if (isDeeperThan(bytes, limits.jsonDepthMax)) throw new BodyFault('depth.exceeded');
}

function isDeeperThan(bytes: Buffer, max: number): boolean {
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

function refusalOf(error: unknown): GridpostError {
  const { type } = error as { type?: string };
  switch (type) {
    case 'entity.too.large':
      return tooLarge();
    case 'encoding.unsupported':
      return new GridpostError(
        'UnsupportedContentType',
        'the body is compressed (content-encoding); send it as it is',
        { cause: error },
      );
    case 'utf8.invalid':
      return new GridpostError('InvalidUtf8', 'the body holds bytes that are not UTF-8');
    case 'depth.exceeded':
      return new GridpostError('TooDeep', `the body nests deeper than ${limits.jsonDepthMax} levels`);
    case 'request.aborted':
    case 'request.size.invalid':
      return new GridpostError('InvalidJson', 'the body ended early', { cause: error });
    case 'entity.parse.failed':
      return new GridpostError('InvalidJson', (error as Error).message, { cause: error });
    default:
      return new GridpostError('Internal', 'the body could not be read', { cause: error });
  }
}

function tooLarge(): GridpostError {
  return new GridpostError('TooLarge', `the body is larger than ${limits.managementBodyBytesMax} bytes`);
}
