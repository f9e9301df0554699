/**
 * Pages of lists, as Microsoft's REST guidelines have them: `{value, nextLink}`. Where a page ends is encoded in an
 * opaque token that carries a code of authentication, so that what reaches a store is a place it once gave out.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { limits } from '@gridpost/model';
import type { Request } from 'express';
import { invalidParameter, wholeNumber } from './query.js';
import { baseUrl } from './route.js';

/** Bytes of a page's items from which on it ends early; the item that passes the bound is still in it. */
export const pageBytesMax = 4 * 1024 * 1024;

/** Enough that guessing is hopeless; a token protects no secret, only the store from nonsense. */
const codeBytes = 12;

export interface PageAsk {
  readonly max: number;
  /** What `nextLink` was given for the page before; undefined for the first. */
  readonly after: string | undefined;
}

export class Paging {
  readonly #rootKey: Buffer;

  constructor(rootKey: Buffer) {
    this.#rootKey = rootKey;
  }

  /**
   * Which page is asked for: `maxpagesize` or Event Grid's `$top`, 1–1,000, 100 by default, and `continuationToken`.
   * Throws `InvalidParameter`.
   */
  ask(req: Request): PageAsk {
    const name = req.query.maxpagesize === undefined ? '$top' : 'maxpagesize';
    const max = wholeNumber(req, name, { min: 1, ...limits.pageSize });
    const token = req.query.continuationToken;
    if (token === undefined) return { max, after: undefined };
    const after = typeof token === 'string' ? this.#open(req.path, token) : undefined;
    if (after === undefined) {
      throw invalidParameter('continuationToken', 'saw a token that no nextLink of this list holds');
    }
    return { max, after };
  }

  /** The link to the page that begins after `after`, of a list that is asked for with what `filters` names of the query. */
  nextLink(req: Request, ask: PageAsk, after: string, filters: readonly string[] = []): string {
    const code = this.#codeOf(req.path, after);
    const token = Buffer.concat([code, Buffer.from(after)]).toString('base64url');
    const asked = filters.flatMap((name) => {
      const value = req.query[name];
      return value === undefined ? [] : `&${name}=${encodeURIComponent(String(value))}`;
    });
    return `${baseUrl(req)}${req.path}?maxpagesize=${ask.max}&continuationToken=${token}${asked.join('')}`;
  }

  /** The page asked for of what has these names, in their order, each as `view` shows it. */
  named(req: Request, ask: PageAsk, names: Iterable<string>, view: (name: string) => object): object {
    const { after, max } = ask;
    const rest = [...names].filter((name) => after === undefined || name > after).sort();
    const page = rest.slice(0, max);
    const more = rest.length > page.length;
    return { value: page.map(view), ...(more ? { nextLink: this.nextLink(req, ask, page.at(-1)!) } : {}) };
  }

  #open(path: string, token: string): string | undefined {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length <= codeBytes) return undefined;
    const after = bytes.toString('utf8', codeBytes);
    return timingSafeEqual(bytes.subarray(0, codeBytes), this.#codeOf(path, after)) ? after : undefined;
  }

  #codeOf(path: string, after: string): Buffer {
    return createHmac('sha256', this.#rootKey)
      .update(`page/${path}\n${after}`)
      .digest()
      .subarray(0, codeBytes);
  }
}
