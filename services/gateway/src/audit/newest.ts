/** The audit log's two journals as one sequence, the newest first. */
import type { JournalRecord, Journals } from '@gridpost/store';
import { type AuditKind, journalOf } from './audit-log.js';

/** The last record of each journal that was passed; undefined before the first. */
export type Position = Readonly<Record<AuditKind, string | undefined>>;

export interface Found extends JournalRecord {
  readonly kind: AuditKind;
}

/** Rejects as the store does. Records that are written meanwhile are not in it. */
export async function* newest(journals: Journals, after: Position, atOnce: number): AsyncGenerator<Found> {
  const changes = records(journals, 'changes', after.changes, atOnce);
  const others = records(journals, 'others', after.others, atOnce);
  let [change, other] = await Promise.all([next(changes), next(others)]);
  while (change || other) {
    if (change && (!other || change.at >= other.at)) {
      yield change;
      change = await next(changes);
    } else {
      yield other!;
      other = await next(others);
    }
  }
}

async function* records(
  journals: Journals,
  kind: AuditKind,
  after: string | undefined,
  atOnce: number,
): AsyncGenerator<Found> {
  for (let before = after; ; ) {
    const page = await journals.newestRecords(journalOf[kind], before, atOnce);
    for (const record of page) yield { ...record, kind };
    if (page.length < atOnce) return;
    before = page.at(-1)!.id;
  }
}

async function next(found: AsyncGenerator<Found>): Promise<Found | undefined> {
  return (await found.next()).value as Found | undefined;
}
