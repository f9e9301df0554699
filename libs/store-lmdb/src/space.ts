/** How much of the store's bytes is used, in whole pages, and whether publishers may add to it. */
import { GridpostError } from '@gridpost/model';
import { appendBytesMax, type StoreLimits } from '@gridpost/store';
import type { RootDatabase } from 'lmdb';
import type { Mirror } from './commits.js';
import type { Tables } from './layout.js';
import { pageBytes } from './pieces.js';

interface PageCounts {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const pages = (counts: PageCounts) =>
  counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;

/** What a value may come to: its key, and pages that are split in half. */
const costOf = (bytes: number) => 2 * bytes + 512;

export class Space implements Mirror {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #limits: StoreLimits;
  /** At most this many bytes are used: what was measured last, and the cost of all that has been added since. */
  #estimate = Number.POSITIVE_INFINITY;
  /** Nothing has been committed since the last measurement. */
  #measured = false;

  constructor(root: RootDatabase<Buffer, Buffer>, tables: Tables, limits: StoreLimits) {
    this.#root = root;
    this.#tables = tables;
    this.#limits = limits;
  }

  /** Notes bytes about to be written; throws `StoreFull` if publishers may not add them. */
  admit(bytes: number): void {
    const most = appendBytesMax(this.#limits);
    if (this.#estimate + costOf(bytes) > most) this.#measure();
    if (this.#estimate + costOf(bytes) > most) {
      throw new GridpostError(
        'StoreFull',
        `${this.#limits.bytesMax} bytes are set aside for the store, and events are accepted below ${most}: it would use ${this.#estimate + costOf(bytes)}`,
      );
    }
    this.add(bytes);
  }

  /** Notes bytes written for settling, which is never refused. */
  add(bytes: number): void {
    this.#estimate += costOf(bytes);
  }

  committed(): void {
    this.#measured = false;
  }

  undone(): void {
    this.#measured = false;
  }

  /**
   * Counts the pages in use, at most once per commit, since it asks LMDB for every table. The file may be larger: pages
   * once used stay in it, free for whatever needs one next.
   */
  #measure(): void {
    if (this.#measured) return;
    this.#measured = true;
    const root = this.#root.getStats() as PageCounts & { readonly free: PageCounts };
    let count = pages(root) + pages(root.free);
    for (const table of Object.values(this.#tables)) count += pages(table.getStats() as PageCounts);
    this.#estimate = count * pageBytes;
  }
}
