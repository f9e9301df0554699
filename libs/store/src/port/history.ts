/** What a topic keeps of its events after they have been dealt with. */
import type { Place } from '@gridpost/model';

/** Default: `oldestFirst`. */
export type HistoryOrder = 'oldestFirst' | 'newestFirst';

/**
 * Where a page of history begins: behind the page whose `next` this is, or with the first event in its order that was
 * accepted at this instant or beyond it. Where the store's clock was set back it may begin earlier.
 */
export type HistoryStart = string | { readonly acceptedAt: number };

/** What a history keeps in a partition: an event goes when it is as old as this, or when younger ones fill the bytes. */
export interface HistoryBounds {
  /** Milliseconds since acceptance. */
  readonly ageMs: number;
  /** Bytes of frames. Default: no bound. */
  readonly bytesMax?: number;
}

export interface HistoryPage {
  readonly events: readonly { readonly place: Place; readonly acceptedAt: number; readonly frame: Buffer }[];
  readonly next?: string;
}
