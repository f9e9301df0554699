/** How much of the store's bytes is used, in whole pages, and whether publishers may add to it. */
import { GridpostError } from '@gridpost/model';
import { appendBytesMax, type StoreLimits } from '@gridpost/store';
import type { RootDatabase } from 'lmdb';
import type { Tables } from './layout.js';
import { pageBytes } from './pieces.js';

interface PageCounts {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

const pages = (counts: PageCounts) =>
  counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;

/** Pages for branches, leaves split in half and the like, that one added value may need beyond its own. */
const overheadPages = 1;

export class Space {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #limits: StoreLimits;
  /** At most this many bytes are used: what was measured last, and all that has been added since. */
  #estimate = Number.POSITIVE_INFINITY;

  constructor(root: RootDatabase<Buffer, Buffer>, tables: Tables, limits: StoreLimits) {
    this.#root = root;
    this.#tables = tables;
    this.#limits = limits;
  }

  /** Notes bytes about to be written; throws `StoreFull` if publishers may not add them. */
  admit(bytes: number): void {
    const most = appendBytesMax(this.#limits);
    if (this.#estimate + this.#cost(bytes) > most) this.#estimate = this.measure();
    if (this.#estimate + this.#cost(bytes) > most) {
      throw new GridpostError(
        'StoreFull',
        `the store uses ${this.#estimate} of ${this.#limits.bytesMax} bytes; it accepts events below ${most}`,
      );
    }
    this.#estimate += this.#cost(bytes);
  }

  /** Notes bytes written for settling, which is never refused. */
  add(bytes: number): void {
    this.#estimate += this.#cost(bytes);
  }

  /** Bytes of all pages in use. The file may be larger: pages once used stay in it, free for the next that need one. */
  measure(): number {
    let count = 0;
    for (const table of Object.values(this.#tables)) count += pages(table.getStats() as PageCounts);
    const stats = this.#root.getStats() as PageCounts & { readonly free: PageCounts };
    return (count + pages(stats) + pages(stats.free)) * pageBytes;
  }

  #cost(bytes: number): number {
    return (Math.ceil(bytes / pageBytes) + overheadPages) * pageBytes;
  }
}
