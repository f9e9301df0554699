/** Records of what operators did with dead letters: redriven, resent, purged. They are failures' records, and kept as long. */
import { Event, type Place, type Subscription } from '@gridpost/model';
import { BlockWriter } from './block-writer.js';
import type { Ending } from './record.js';

/** A dead letter as the store has it. */
interface Letter {
  readonly place: Place;
  readonly acceptedAt: number;
  readonly frame: Buffer;
}

/**
 * One record for each dead letter, as blocks to be written before what they tell is done: then they stand before the next
 * attempt's. What is not done after all, because somebody was quicker or a process died, is recorded nevertheless.
 * `at`: by the store's clock, more or less. `job`: whose doing it is, if a job's.
 */
export function recordsOfLetters(
  subscription: Subscription,
  letters: readonly Letter[],
  ending: Ending,
  at: number,
  job?: string,
): { readonly kind: 'failures'; readonly block: Buffer }[] {
  const writer = new BlockWriter();
  const blocks: Buffer[] = [];
  for (const { place, acceptedAt, frame } of letters) {
    writer.add({ ...place, acceptedAt }, new Event(frame), subscription, at, ending, undefined, job);
    if (writer.full) blocks.push(writer.take()!);
  }
  const last = writer.take();
  return [...blocks, ...(last ? [last] : [])].map((block) => ({ kind: 'failures', block }));
}
