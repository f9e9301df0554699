/** What tells an event from all others: its topic's life, its source and its id. */
import { hash } from 'node:crypto';
import type { Event, Incarnation } from '@gridpost/model';

/**
 * 128 bits: the first half of SHA-256, so that nobody can make an event that is taken for a duplicate of another's.
 * CloudEvents §"REQUIRED Attributes": producers ensure that source and id are unique for each distinct event.
 */
export function identityOf(topic: Incarnation, { source, id }: Event): Buffer {
  // The length tells where the source ends, whatever is in it.
  return hash('sha256', `${topic}/${source.length}/${source}${id}`, 'buffer').subarray(0, 16);
}
