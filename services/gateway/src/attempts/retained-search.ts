/** Finds an event by its id among those that a topic's history holds: partition by partition, the newest first in each. */
import { type Clock, Event, type Incarnation, type Place } from '@gridpost/model';
import type { Store } from '@gridpost/store';

export interface Retained {
  readonly place: Place;
  readonly acceptedAt: number;
  readonly event: Event;
}

/** Where to go on: a partition, and what its store gave to go on from. */
export interface RetainedPosition {
  readonly partition: number;
  readonly after: string | undefined;
}

/** What one request reads at most. */
const limits = { bytesMax: 64 * 1024 * 1024, ms: 1_500, matchesMax: 100 };
const stepEvents = 1_000;

/** `next` is undefined when everything has been looked through. */
export async function searchRetained(
  store: Store,
  clock: Clock,
  topic: Incarnation,
  wanted: { readonly id: string; readonly source: string | undefined },
  from: RetainedPosition,
): Promise<{ found: Retained[]; next: RetainedPosition | undefined }> {
  const until = clock.elapsed() + limits.ms;
  const found: Retained[] = [];
  let bytes = 0;
  let { partition, after } = from;
  while (partition < store.info.partitions) {
    if (bytes > limits.bytesMax || found.length >= limits.matchesMax || clock.elapsed() > until)
      return { found, next: { partition, after } };
    await new Promise((resolve) => setImmediate(resolve));
    const page = await store.history(partition, topic, after, stepEvents, 'newestFirst');
    for (const { place, acceptedAt, frame } of page.events) {
      bytes += frame.length;
      const event = new Event(frame);
      if (event.id !== wanted.id) continue;
      if (wanted.source !== undefined && event.source !== wanted.source) continue;
      found.push({ place: { ...place, partition }, acceptedAt, event });
    }
    after = page.next;
    if (after === undefined) partition++;
  }
  return { found, next: undefined };
}

export function retainedText({ partition, after }: RetainedPosition): string {
  return after === undefined ? `${partition}` : `${partition}/${after}`;
}

/** Undoes `retainedText`. */
export function readRetained(text: string): RetainedPosition {
  const [, partition, after] = /^(\d+)(?:\/(.*))?$/.exec(text) ?? [text, '0'];
  return { partition: Number(partition), after };
}
