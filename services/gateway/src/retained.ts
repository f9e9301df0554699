/** The newest events that a topic's history holds, gathered from all partitions. */
import { Event, GridpostError, type Topic } from '@gridpost/model';
import { answerBytesMax, type HistoryPage, type Store } from '@gridpost/store';

export interface RetainedEvent {
  readonly acceptedAt: number;
  readonly event: Event;
}

type Retained = HistoryPage['events'][number];

/**
 * At most `max` events, newest acceptance first, and fewer where they hold more than `answerBytesMax` together. Reads
 * one partition after the other, so that one answer of the store is in memory at a time. Throws `InvalidResource` for a
 * topic that keeps no history.
 */
export async function newestEvents(store: Store, topic: Topic, max: number): Promise<RetainedEvent[]> {
  if (topic.properties.eventRetentionInDays === 0) {
    throw new GridpostError(
      'InvalidResource',
      `topic ${JSON.stringify(topic.name)} keeps no events: its eventRetentionInDays is 0`,
      { errors: [{ pointer: '/topic', message: 'the topic keeps no events' }] },
    );
  }
  let newest: Retained[] = [];
  // Where a page was cut for its size, its partition may hold unseen events as new as the page's last.
  let seenSince = 0;
  for (let partition = 0; partition < store.info.partitions; partition++) {
    const { events, next } = await store.history(partition, topic.incarnation, undefined, max, 'newestFirst');
    if (next !== undefined && events.length < max) seenSince = Math.max(seenSince, events.at(-1)!.acceptedAt);
    newest = bounded(
      [...newest, ...events].toSorted((a, b) => b.acceptedAt - a.acceptedAt),
      max,
    );
  }
  return newest
    .filter(({ acceptedAt }) => acceptedAt >= seenSince)
    .map(({ acceptedAt, frame }) => ({ acceptedAt, event: new Event(frame) }));
}

/** The first of them, up to the number and the size; one that exceeds the size alone is given. */
function bounded(events: readonly Retained[], max: number): Retained[] {
  let bytes = 0;
  const end = events.findIndex(({ frame }, index) => {
    bytes += frame.length;
    return index === max || (index > 0 && bytes > answerBytesMax);
  });
  return end === -1 ? [...events] : events.slice(0, end);
}
