/** What an attempt met, in the words of the catalogue: pure functions from a status or an error. */
import { AddressNotAllowed, TokenUnavailable } from '@gridpost/egress';
import type { AttemptClass, AttemptOutcome } from '@gridpost/model';
import type { TargetKind } from './target.js';

/** Only 200 to 204 are success; every other 2xx is a failure (Event Grid, "Message delivery and retry"). */
export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 204;
}

const named: ReadonlyMap<number, AttemptOutcome> = new Map([
  [400, 'BadRequest'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [408, 'TimedOut'],
  [410, 'Gone'],
  [413, 'PayloadTooLarge'],
  [429, 'Busy'],
  [503, 'Busy'],
]);

export function outcomeOfStatus(status: number, kind: TargetKind = 'webhook'): AttemptOutcome {
  if (isSuccess(status)) return 'Delivered';
  // So a host says that it has no function of this name (Azure Functions' Event Grid extension).
  if (status === 404 && kind === 'function') return 'InvalidAzureFunctionDestination';
  const outcome = named.get(status);
  if (outcome) return outcome;
  if (status >= 300 && status < 400) return 'Redirected';
  if (status >= 500 && status < 600) return 'ServerError';
  return 'UnexpectedStatus';
}

/** Errors of the system's calls, of undici and of Node that mean that a time ran out. */
const timeouts = new Set([
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ERR_TLS_HANDSHAKE_TIMEOUT',
]);
/** What `getaddrinfo` and c-ares answer. */
const resolution = /^(ENOTFOUND|EAI_|ENODATA|ESERVFAIL|EREFUSED|EBADNAME|EBADRESP|EDESTRUCTION)/;
/** OpenSSL's verification results, which Node uses as codes, and the protocol's own failures. */
const tls =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERROR_IN_CERT_)/;

/** An attempt that ended without a status. Whatever is not recognised is the connection's failure. */
export function outcomeOfError(error: Error, kind: TargetKind = 'webhook'): AttemptOutcome {
  // Nothing was called: there is nowhere to call.
  if (kind === 'unknownFunction') return 'InvalidAzureFunctionDestination';
  if (error instanceof AddressNotAllowed) return 'AddressNotAllowed';
  if (error instanceof TokenUnavailable) return 'TokenUnavailable';
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string') return 'SocketError';
  if (timeouts.has(code)) return 'TimedOut';
  if (resolution.test(code)) return 'ResolutionError';
  if (tls.test(code)) return 'TlsError';
  return 'SocketError';
}

/** The coarse label of metrics. `final`: whether the delivery is not tried again because of this very outcome. */
export function classOf(outcome: AttemptOutcome, final: boolean): AttemptClass {
  if (outcome === 'Delivered') return 'success';
  if (outcome === 'TimedOut') return 'timeout';
  if (outcome === 'AddressNotAllowed') return 'blocked';
  return final ? 'permanent' : 'retryable';
}
