/** The audit log over HTTP: its two journals as one list, newest first. */
import type { JournalRecord } from '@gridpost/store';
import type { Request, Response } from 'express';
import type { Context } from '../context.js';
import type { Route } from '../route.js';
import { type AuditKind, journalOf } from './audit-log.js';

export const auditPath = '/audit';

interface Found extends JournalRecord {
  readonly kind: AuditKind;
}

export function auditRoutes(context: Context): Route[] {
  async function list(req: Request, res: Response): Promise<void> {
    const { store, paging, audit, clock } = context;
    const ask = paging.ask(req);
    const { changes, others } = positionOf(ask.after);
    const read = async (kind: AuditKind, before: string | undefined): Promise<Found[]> =>
      (await store.journals.newestRecords(journalOf[kind], before, ask.max + 1)).map((record) => ({
        ...record,
        kind,
      }));
    const found = (await Promise.all([read('changes', changes), read('others', others)])).flat();
    // Records leave the store only when others come.
    const since = clock.now() - audit.keptMs;
    const young = found.filter(({ at }) => at > since).sort((a, b) => b.at - a.at);
    const page = young.slice(0, ask.max);
    const value = page.map(({ text }) => JSON.parse(text) as object);
    const last = (kind: AuditKind): string | undefined =>
      page.findLast((record) => record.kind === kind)?.id ?? { changes, others }[kind];
    const after = `${last('changes') ?? ''}|${last('others') ?? ''}`;
    res.json({
      value,
      ...(young.length > page.length ? { nextLink: paging.nextLink(req, ask, after) } : {}),
    });
  }

  return [{ method: 'GET', path: auditPath, role: 'admin', handle: list }];
}

/** The last record of each journal that was shown. */
function positionOf(after: string | undefined): Readonly<Record<AuditKind, string | undefined>> {
  const [changes = '', others = ''] = after?.split('|') ?? [];
  return { changes: changes || undefined, others: others || undefined };
}
