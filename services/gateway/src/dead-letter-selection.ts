/** Which dead letters are meant, as bodies and queries say it: by reason, and by when they were given up. */
import {
  type DeadLetterReason,
  type DeadLetterSelection,
  deadLetterReasons,
  type FieldError,
} from '@gridpost/model';
import type { Request } from 'express';
import { oneOf, rangeAsked } from './query.js';
import { invalidResource } from './validation.js';

/** As `redrive.json` and `purge.json` have it: instants in ISO 8601, `from` included, `to` not. */
export interface WrittenSelection {
  readonly reason?: DeadLetterReason | null;
  readonly from?: string | null;
  readonly to?: string | null;
}

/** Throws `InvalidResource` for a range that ends before it begins. */
export function selectionOf(written: WrittenSelection): DeadLetterSelection {
  const { reason } = written;
  return { ...(reason == null ? {} : { reason }), ...rangeOf(written) };
}

/** A range of time in a body. Throws `InvalidResource`. */
export function rangeOf({ from, to }: Pick<WrittenSelection, 'from' | 'to'>): { from?: number; to?: number } {
  const range = {
    ...(from == null ? {} : { from: Date.parse(from) }),
    ...(to == null ? {} : { to: Date.parse(to) }),
  };
  const faults: FieldError[] = Object.entries(range)
    .filter(([, ms]) => Number.isNaN(ms))
    .map(([name]) => ({ pointer: `/${name}`, message: 'is no instant' }));
  if (isEmpty(range)) faults.push({ pointer: '/to', message: emptyRange });
  if (faults.length > 0) throw invalidResource(faults);
  return range;
}

/** The same as query parameters. Throws `InvalidParameter`. */
export function selectionAsked(req: Request): DeadLetterSelection {
  const reason = oneOf(req, 'reason', deadLetterReasons);
  return { ...(reason === undefined ? {} : { reason }), ...rangeAsked(req) };
}

const emptyRange = 'expected an instant later than from';

function isEmpty({ from, to }: { readonly from?: number; readonly to?: number }): boolean {
  return from !== undefined && to !== undefined && to <= from;
}
