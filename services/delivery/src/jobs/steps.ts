/**
 * What a job does in one bounded step: it handles what stands at its place in one partition, and says where to go on. A
 * step that was made and not written down is made again after a crash, which moves nothing twice; what was sent for
 * another subscription is then sent again under the same message ids.
 */
import {
  type DeadLetterSelection,
  directed,
  Event,
  isSelected,
  type Job,
  type JobProgress,
  type JobTask,
  originalOf,
} from '@gridpost/model';
import type { DeadLetter, DeadLetterPage, Store } from '@gridpost/store';

/** What a step came to: the counts are its own. */
export type Step = JobProgress;

type TaskOf<K extends JobTask['kind']> = Extract<JobTask, { readonly kind: K }>;

/** Handles at most `max` dead letters or events. Rejects as the store does; repeating it is harmless. */
export function takeStep(store: Store, job: Job, max: number): Promise<Step> {
  const { task } = job;
  switch (task.kind) {
    case 'redrive':
      return redrive(store, job, task, max);
    case 'purge':
      return purge(store, job, task, max);
    case 'replay':
      throw new Error('replay is not built yet');
  }
}

async function redrive(store: Store, job: Job, task: TaskOf<'redrive'>, max: number): Promise<Step> {
  const { partition } = job.progress;
  const { incarnation } = job.subscription;
  const { letters, next } = await selected(store, job, task.letters, max);
  if (letters.length === 0) return { done: 0, failed: 0, ...next };
  const places = letters.map(({ place }) => place);
  // To its own subscription a dead letter goes back in one step of the store: it is the same delivery.
  const done = task.target
    ? await sendOn(store, job, letters, task.target.incarnation)
    : await store.redrive(partition, incarnation, { places });
  return { done, failed: letters.length - done, ...next };
}

/** They are let go once they are durable for the other subscription: at least once, never lost. */
async function sendOn(
  store: Store,
  { id, progress: { partition }, subscription }: Job,
  letters: readonly DeadLetter[],
  only: string,
): Promise<number> {
  const pending = letters.map(({ place, topic, acceptedAt, frame }) => {
    const event = new Event(frame);
    const original = originalOf(event, place, acceptedAt);
    return { topic, frame: directed(event, { only, job: id, original }).frame };
  });
  await store.append(partition, pending);
  await store.letGo(partition, subscription.incarnation, letters);
  return letters.length;
}

async function purge(store: Store, job: Job, task: TaskOf<'purge'>, max: number): Promise<Step> {
  const { letters, next } = await selected(store, job, task.letters, max);
  const done =
    letters.length === 0
      ? 0
      : await store.letGo(job.progress.partition, job.subscription.incarnation, letters);
  return { done, failed: letters.length - done, ...next };
}

type Position = Pick<JobProgress, 'partition' | 'after'>;

interface Selected {
  readonly letters: readonly DeadLetter[];
  readonly next: Position;
}

async function selected(
  store: Store,
  { progress: { partition, after }, subscription }: Job,
  selection: DeadLetterSelection,
  max: number,
): Promise<Selected> {
  const page: DeadLetterPage = await store.deadLetters(partition, subscription.incarnation, after, max);
  const { deadLetters, next } = page;
  const letters = deadLetters.filter((letter) => isSelected(selection, letter));
  // The oldest come first: what was given up since the job was made is behind all it is about.
  const past = (deadLetters.at(-1)?.deadLetteredAt ?? 0) >= (selection.to ?? Number.POSITIVE_INFINITY);
  const over = next === undefined || past;
  return { letters, next: over ? { partition: partition + 1 } : { partition, after: next } };
}
