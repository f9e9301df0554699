/**
 * Errors as HTTP answers: RFC 9457 problem details on the management API, Event Grid's envelope on the publish route and
 * Azure Resource Manager's on its own, whose SDKs read `error.code` (Event Grid, Publish API). What goes wrong and with which status is the catalogue's business;
 * putting the bytes on the connection is `answer.ts`'s.
 */
import { GridpostError } from '@gridpost/model';

export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The header that carries a request's id, named as Event Grid names it. */
export const requestIdHeader = 'x-ms-request-id';

const publishChallenge = ['SharedAccessKey', 'SharedAccessSignature', 'Bearer']
  .map((scheme) => `${scheme} realm="gridpost"`)
  .join(', ');

const unexpectedDetail =
  'something failed in Gridpost; whoever runs it finds the cause in its log by the request id';

/** What was thrown, as an error a client may see. Anything that is not from the catalogue becomes `Internal`. */
export function catalogued(error: unknown): GridpostError {
  return error instanceof GridpostError
    ? error
    : new GridpostError('Internal', unexpectedDetail, { cause: error });
}

/** RFC 9457. `type` is relative to the documentation: its page on errors has a section per code. */
export function problemAnswer(error: GridpostError, requestId: string): WholeAnswer {
  const { code, status, errors, retryAfterSeconds } = error;
  const body = {
    type: `/errors/${code}`,
    title: error.entry.title,
    status,
    detail: detailOf(error),
    instance: requestId,
    code,
    ...(errors.length ? { errors } : {}),
    ...(retryAfterSeconds === undefined ? {} : { retryAfter: retryAfterSeconds }),
  };
  return {
    status,
    headers: headersOf(error, requestId, 'application/problem+json', 'Bearer realm="gridpost"'),
    body: Buffer.from(JSON.stringify(body)),
  };
}

/**
 * Event Grid's envelope, with `headers` beside those of every error. Both messages are the same and, except for 413, end
 * in a sentence with the request's id.
 */
export function envelopeAnswer(
  error: GridpostError,
  requestId: string,
  headers: WholeAnswer['headers'],
): WholeAnswer {
  const { code, status } = error;
  const [outer, inner] = error.entry.envelope ?? [code, code];
  const detail = detailOf(error);
  const message =
    status === 413
      ? detail
      : `${detail}. Report '${requestId}' to whoever runs this Gridpost if you need help.`;
  const body = { error: { code: outer, message, details: [{ code: inner, message }] } };
  return {
    status,
    headers: {
      ...headersOf(error, requestId, 'application/json; charset=utf-8', publishChallenge),
      ...headers,
    },
    body: Buffer.from(JSON.stringify(body)),
  };
}

/** Azure Resource Manager's envelope, of whose error the SDKs read `code`. Each wrong place is a detail with its pointer. */
export function armAnswer(error: GridpostError, requestId: string): WholeAnswer {
  const { status, errors } = error;
  // The one code that Azure's clients are known to ask for by name.
  const code = status === 404 ? 'ResourceNotFound' : error.code;
  const details = errors.map(({ pointer, message }) => ({ code, message, target: pointer }));
  const body = {
    // Not `detailOf`: of a deployment that failed on our account, it tells what had been written.
    error: { code, message: error.message, ...(details.length ? { details } : {}) },
  };
  return {
    status,
    headers: headersOf(error, requestId, 'application/json; charset=utf-8', 'Bearer realm="gridpost"'),
    body: Buffer.from(JSON.stringify(body)),
  };
}

/** What happened this time. Of our own failures clients learn nothing but that they happened. */
function detailOf(error: GridpostError): string {
  return error.code === 'Internal' ? unexpectedDetail : error.message;
}

function headersOf(
  { status, allow, retryAfterSeconds }: GridpostError,
  requestId: string,
  contentType: string,
  challenge: string,
): Record<string, string> {
  return {
    'content-type': contentType,
    [requestIdHeader]: requestId,
    'x-content-type-options': 'nosniff',
    ...(allow ? { allow: allow.join(', ') } : {}),
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    ...(status === 401 ? { 'www-authenticate': challenge } : {}),
  };
}
