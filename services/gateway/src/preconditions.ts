/**
 * Conditional requests (RFC 9110 §13): a write happens only to what its author has seen. An entity tag is the store's
 * etag in quotes; tags marked weak match nothing, since all of ours are strong.
 */
import { GridpostError } from '@gridpost/model';
import type { PutOptions, Resources } from '@gridpost/store';
import type { IncomingHttpHeaders } from 'node:http';

export function entityTag(etag: string): string {
  return `"${etag}"`;
}

/**
 * Throws `PreconditionFailed` unless `If-Match` and `If-None-Match` hold for the resource whose etag is `current`,
 * undefined if there is none.
 */
export function checkPreconditions(headers: IncomingHttpHeaders, current: string | undefined): void {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined && !matches(ifMatch, current)) {
    throw new GridpostError(
      'PreconditionFailed',
      current === undefined
        ? 'If-Match was sent, but the resource does not exist'
        : `If-Match names another version than the stored one, ${entityTag(current)}; read it again`,
    );
  }
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, current)) {
    throw new GridpostError('PreconditionFailed', 'If-None-Match was sent, and the resource exists');
  }
}

/** Whether the header is `*` and something exists, or lists the tag. */
function matches(header: string, current: string | undefined): boolean {
  if (current === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim() === entityTag(current));
}

/** Enough for a fleet whose processes all put the same resource as they start: each round lets one of them through. */
const triesMax = 32;

/**
 * Repeats `attempt`, which reads, checks, and writes on condition that nothing has changed since, until it got through:
 * it returns undefined when somebody else wrote in between. Throws `Conflict` after 32 times.
 */
export async function changing<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < triesMax; tries++) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new GridpostError('Conflict', 'others kept changing the resource at the same time; try again');
}

/** A write that happens only if the resource is still what was found, or still missing. */
export function ifUnchanged(found: { readonly etag: string } | undefined): PutOptions {
  return found ? { ifMatch: found.etag } : { ifNoneMatch: '*' };
}

/**
 * Removes what `find` finds at the path, if the request's conditions hold for it; that there is nothing is as good.
 * Resolves with what was removed.
 */
export async function removeFound<T extends { readonly etag: string }>(
  resources: Resources,
  path: string,
  headers: IncomingHttpHeaders,
  find: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const { removed } = await changing(async () => {
    const found = await find();
    checkPreconditions(headers, found?.etag);
    if (!found) return {};
    const result = await resources.remove(path, { ifMatch: found.etag });
    if (result === 'preconditionFailed') return undefined;
    return result === 'removed' ? { removed: found } : {};
  });
  return removed;
}
