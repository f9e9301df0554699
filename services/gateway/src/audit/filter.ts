/** Which records of the audit log are asked for. */
import type { Request } from 'express';
import { oneOf, rangeAsked, textAsked } from '../query.js';
import type { AuditRecord } from './audit-log.js';
import { isRefusal } from './audited.js';

/** Query parameters, for the link to the next page. */
export const auditFilters = ['from', 'to', 'caller', 'callerKind', 'method', 'resource', 'outcome'];

const callerKinds = [
  'none',
  'unknown',
  'open',
  'adminKey',
  'key',
  'token',
  'topicKey',
  'subscriptionKey',
] as const satisfies readonly AuditRecord['caller']['kind'][];
const methods = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'] as const;
/** `succeeded`: below 400. `refused`: 401 or 403. `unknown`: the client left before its answer. */
const outcomes = ['succeeded', 'refused', 'failed', 'unknown'] as const;
/** Characters. */
const textMax = 256;

export interface AuditFilter {
  /** When the oldest that may be wanted was made. */
  readonly from: number | undefined;
  holds(record: AuditRecord): boolean;
}

/** Throws `InvalidParameter`. */
export function auditFilterAsked(req: Request): AuditFilter {
  const { from, to } = rangeAsked(req);
  const name = textAsked(req, 'caller', textMax);
  const kind = oneOf(req, 'callerKind', callerKinds);
  const method = oneOf(req, 'method', methods);
  const resource = textAsked(req, 'resource', textMax);
  const outcome = oneOf(req, 'outcome', outcomes);
  return {
    from,
    holds({ at, caller, ...record }) {
      const ms = Date.parse(at);
      return (
        (from === undefined || ms >= from) &&
        (to === undefined || ms < to) &&
        (name === undefined || caller.name === name) &&
        (kind === undefined || caller.kind === kind) &&
        (method === undefined || record.method === method) &&
        (resource === undefined || (record.resource?.startsWith(resource) ?? false)) &&
        (outcome === undefined || outcomeOf(record.status) === outcome)
      );
    },
  };
}

function outcomeOf(status: number | undefined): (typeof outcomes)[number] {
  if (status === undefined) return 'unknown';
  if (isRefusal(status)) return 'refused';
  return status < 400 ? 'succeeded' : 'failed';
}
