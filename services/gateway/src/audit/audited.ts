/** Which requests the audit log has, and what it says of one. */
import { type Clock, subscriptionPath, topicPath } from '@gridpost/model';
import type { Request, Response } from 'express';
import type { Caller } from '../caller.js';
import { credentialOf } from '../credential.js';
import { type Route, scopeFrom } from '../route.js';
import { type AuditKind, auditPath, type AuditRecord } from './audit-log.js';

/** Characters of what a client chooses. */
const textMax = 256;

/**
 * The journal that a request goes to; undefined if it goes to none. Whatever needs more than a reader is a change: it
 * changes something, or shows a secret.
 */
export function kindOf(
  need: Route['role'],
  route: string,
  status: number,
  reads: boolean,
): AuditKind | undefined {
  if (need === 'anyone') return undefined;
  if (isRefusal(status)) return 'others';
  // Whoever looks into the log again and again must not push out what is in it.
  if (need !== 'reader' && route !== auditPath) return 'changes';
  return reads ? 'others' : undefined;
}

/** Whether the credential was not enough. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** `parameters` are those of the route. */
export function recordOf(
  req: Request,
  res: Response,
  requestId: string,
  caller: Caller | undefined,
  parameters: Request['params'],
  clock: Clock,
): AuditRecord {
  const { remoteAddress } = req.socket;
  const forwarded = req.headers['x-forwarded-for'];
  const resource = resourceOf(parameters as Record<string, string | undefined>, req.path);
  const etag = req.method === 'GET' || req.method === 'HEAD' ? undefined : res.getHeader('etag');
  return {
    at: new Date(clock.now()).toISOString(),
    requestId,
    caller: caller ?? { kind: credentialOf(req.headers).kind === 'none' ? 'none' : 'unknown' },
    ...(remoteAddress === undefined ? {} : { address: remoteAddress }),
    ...(forwarded === undefined ? {} : { forwardedFor: String(forwarded).slice(0, textMax) }),
    method: req.method,
    path: req.path.slice(0, textMax),
    ...(resource === undefined ? {} : { resource: resource.slice(0, textMax) }),
    ...(res.writableFinished ? { status: res.statusCode } : {}),
    ...(etag === undefined ? {} : { etag: String(etag) }),
  };
}

/** A resource that one request writes among others. */
export type WrittenPart = Pick<AuditRecord, 'resource' | 'status' | 'etag'>;

/** Sets how such a resource is recorded: at once, and apart from the request's own record at its end. */
export function onPartWritten(res: Response, record: (part: WrittenPart) => void): void {
  res.locals.recordPart = record;
}

/** To be called after each. */
export function partWritten(res: Response, part: WrittenPart): void {
  (res.locals.recordPart as (part: WrittenPart) => void)(part);
}

/** Of what the parameters name. */
function resourceOf(parameters: Record<string, string | undefined>, path: string): string | undefined {
  const { topic, domain, name } = parameters;
  if (topic !== undefined || domain !== undefined) {
    const scope = scopeFrom(parameters);
    return `/${name === undefined ? topicPath(scope) : subscriptionPath(scope, name)}`;
  }
  return name !== undefined && path.startsWith('/keys/') ? `/keys/${name}` : undefined;
}
