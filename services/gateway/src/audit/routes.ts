/** The audit log over HTTP: its two journals as one list, newest first. */
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import type { Route } from '../route.js';
import { type AuditKind, auditPath, type AuditRecord } from './audit-log.js';
import { auditFilterAsked, auditFilters } from './filter.js';
import { newest, type Position } from './newest.js';

/** What one request looks through: then its page ends, and may be empty. */
const limits = { records: 10_000, ms: 2_000 };
/** Records read at once where they are looked through for some. */
const readAtOnce = 1_000;
/** How far the clocks of gateways and of the store may differ. A record is never stored before its call, else. */
const skewMs = 60_000;

export function auditRoutes(context: Context): Route[] {
  async function list(req: Request, res: Response): Promise<void> {
    const { store, paging, audit, clock } = context;
    const ask = paging.ask(req);
    const filter = auditFilterAsked(req);
    // Records leave the store only when others come.
    const since = Math.max(clock.now() - audit.keptMs, (filter.from ?? 0) - skewMs);
    const until = clock.elapsed() + limits.ms;
    const position: Record<AuditKind, string | undefined> = positionOf(ask.after);
    const value: AuditRecord[] = [];
    const atOnce = auditFilters.some((name) => req.query[name] !== undefined) ? readAtOnce : ask.max + 1;
    let passed = 0;
    let more = false;
    for await (const { kind, id, at, text } of newest(store.journals, position, atOnce)) {
      if (at <= since) break;
      more = value.length === ask.max || passed === limits.records || clock.elapsed() > until;
      if (more) break;
      const record = JSON.parse(text) as AuditRecord;
      if (filter.holds(record)) value.push(record);
      position[kind] = id;
      passed++;
    }
    const after = `${position.changes ?? ''}|${position.others ?? ''}`;
    res.json({ value, ...(more ? { nextLink: paging.nextLink(req, ask, after, auditFilters) } : {}) });
  }

  return [{ method: 'GET', path: auditPath, role: 'admin', handle: list }];
}

function positionOf(after: string | undefined): Record<keyof Position, string | undefined> {
  const [changes = '', others = ''] = after?.split('|') ?? [];
  return { changes: changes || undefined, others: others || undefined };
}
