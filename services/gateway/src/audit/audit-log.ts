/**
 * Who did what with the management API. Each record is one structured line of the log at once, and soon after stands in
 * one of two bounded journals of the store: changes have theirs to themselves, so that nobody can push them out with
 * refusals or reads, of which anybody can cause any number.
 *
 * Records wait in memory for the store, for as long as it is away, up to a bound. What a crash takes from there, and what
 * is over the bound, stands in the log.
 */
import type { Clock, Log, Timer } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import { journalRecordBytesMax, type Journals } from '@gridpost/store';
import type { Caller } from '../caller.js';

/** Where it is read. */
export const auditPath = '/audit';

/** By the journal that it goes to. */
export type AuditKind = 'changes' | 'others';

export interface AuditRecord {
  /** ISO 8601. */
  readonly at: string;
  readonly requestId: string;
  /** `none`: no credential was sent, and one is needed. `unknown`: a wrong one was. */
  readonly caller: Omit<Caller, 'kind'> & { readonly kind: Caller['kind'] | 'none' | 'unknown' };
  /** The other end of the connection. */
  readonly address?: string;
  /** What `X-Forwarded-For` claims. */
  readonly forwardedFor?: string;
  readonly method: string;
  /** Without the query, which may hold a key. */
  readonly path: string;
  /** Gridpost's own path of what it is about, whichever face of the API was used. */
  readonly resource?: string;
  /** Absent if the client left before there was an answer: what it asked for may have been done. */
  readonly status?: number;
  /** The resource's new entity tag. */
  readonly etag?: string;
}

export interface AuditOptions {
  readonly journals: Journals;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly settings: AuditSettings;
}

export interface AuditSettings {
  /** Whether calls that only read are recorded. */
  readonly reads: boolean;
  /** Of each journal. */
  readonly recordsMax: number;
  readonly days: number;
}

export const defaultAuditSettings: AuditSettings = { reads: false, recordsMax: 10_000, days: 90 };

export const journalOf = { changes: 'audit-changes', others: 'audit-others' } as const;

const dayMs = 86_400_000;
/** Records that wait for the store. */
const waitingMax = 10_000;
/** Records of one write. */
const batchMax = 100;
const retryMs = 1_000;

export class AuditLog {
  readonly #options: AuditOptions;
  readonly #waiting: Record<AuditKind, string[]> = { changes: [], others: [] };
  #running: Promise<void> | undefined;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  get settings(): AuditSettings {
    return this.#options.settings;
  }

  /** How long a record is shown. */
  get keptMs(): number {
    return this.settings.days * dayMs;
  }

  /** Writes the record, in its line with what `more` says of the request. Never throws. */
  write(kind: AuditKind, record: AuditRecord, more: object): void {
    const { log, metrics } = this.#options;
    log.info({ component: 'audit', audit: true, ...record, ...more }, 'management call');
    const text = JSON.stringify(record);
    const waiting = this.#waiting[kind];
    if (waiting.length >= waitingMax || Buffer.byteLength(text) > journalRecordBytesMax) {
      metrics.auditRecordsLost.with().add();
      return;
    }
    waiting.push(text);
    if (!this.#retry && !this.#closed) void this.#flush();
  }

  /** Resolves when what was written stands in the store, or cannot. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#retry = undefined;
    await this.#flush();
    const lost = this.#waiting.changes.length + this.#waiting.others.length;
    if (lost > 0) this.#options.metrics.auditRecordsLost.with().add(lost);
  }

  /** Resolves when nothing waits, or the store refuses. */
  #flush(): Promise<void> {
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #drain(): Promise<void> {
    const { journals, log, clock } = this.#options;
    const bounds = { recordsMax: this.settings.recordsMax, olderThanMs: this.keptMs };
    // Those that come in the same turn go together.
    await undefined;
    try {
      for (let kind = this.#next(); kind; kind = this.#next()) {
        const waiting = this.#waiting[kind];
        const batch = waiting.slice(0, batchMax);
        await journals.appendRecords(journalOf[kind], batch, bounds);
        waiting.splice(0, batch.length);
      }
    } catch (error) {
      log.warn({ component: 'audit', error: (error as Error).message }, 'audit records not stored yet');
      if (this.#closed) return;
      this.#retry = clock.after(retryMs, () => {
        this.#retry = undefined;
        void this.#flush();
      });
    }
  }

  /** Which records are to be written; changes may have come while others were. */
  #next(): AuditKind | undefined {
    const { changes, others } = this.#waiting;
    if (changes.length > 0) return 'changes';
    return others.length > 0 ? 'others' : undefined;
  }
}
