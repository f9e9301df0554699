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
import { filtersOf, type Registry } from '@gridpost/registry';
import { compileFilter } from '@gridpost/routing';
import type { DeadLetter, DeadLetterPage, HistoryPage, Store } from '@gridpost/store';

/** What a step came to: the counts are its own. */
export interface Step extends JobProgress {
  /** Dead letters or events read, handled or not. */
  readonly lookedAt: number;
}

type TaskOf<K extends JobTask['kind']> = Extract<JobTask, { readonly kind: K }>;

export interface Around {
  readonly store: Store;
  readonly registry: Registry;
}

/**
 * Looks at no more than `max` dead letters or events, and handles those that are the job's. Its subscription exists.
 * Rejects as the store does; repeating it is harmless.
 */
export function takeStep({ store, registry }: Around, job: Job, max: number): Promise<Step> {
  const { task } = job;
  switch (task.kind) {
    case 'redrive':
      return redrive(store, job, task, max);
    case 'purge':
      return purge(store, job, task, max);
    case 'replay':
      return replay(store, registry, job, task, max);
  }
}

async function redrive(store: Store, job: Job, task: TaskOf<'redrive'>, max: number): Promise<Step> {
  const { partition } = job.progress;
  const { incarnation } = job.subscription;
  const { letters, ...rest } = await selected(store, job, task.letters, max);
  if (letters.length === 0) return { done: 0, failed: 0, ...rest };
  const places = letters.map(({ place }) => place);
  // To its own subscription a dead letter goes back in one step of the store: it is the same delivery.
  const done = task.target
    ? await sendOn(store, job, letters, task.target.incarnation)
    : await store.redrive(partition, incarnation, { places });
  return { done, failed: letters.length - done, ...rest };
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
  const { letters, ...rest } = await selected(store, job, task.letters, max);
  const done =
    letters.length === 0
      ? 0
      : await store.letGo(job.progress.partition, job.subscription.incarnation, letters);
  return { done, failed: letters.length - done, ...rest };
}

/** What passes the subscription's filter as it is now. Under its first place, and into no history once more. */
async function replay(
  store: Store,
  registry: Registry,
  { id, progress: { partition, after }, subscription }: Job,
  { from, to }: TaskOf<'replay'>,
  max: number,
): Promise<Step> {
  const { incarnation: only } = subscription;
  const receiver = registry.subscription(only)!.subscription;
  const topic = receiver.topicIncarnation;
  const filter = compileFilter(filtersOf(receiver));
  const page: HistoryPage = await store.history(partition, topic, after ?? { acceptedAt: from }, max);
  const pending = page.events.flatMap(({ place, acceptedAt, frame }) => {
    const event = new Event(frame);
    if (acceptedAt < from || acceptedAt >= to || !filter.holds(event)) return [];
    const original = originalOf(event, place, acceptedAt);
    return [{ topic, frame: directed(event, { only, job: id, original }).frame }];
  });
  if (pending.length > 0) await store.append(partition, pending);
  const over = page.next === undefined || page.events.at(-1)!.acceptedAt >= to;
  return {
    ...{ done: pending.length, failed: 0, lookedAt: page.events.length },
    ...(over ? { partition: partition + 1 } : { partition, after: page.next! }),
  };
}

interface Selected extends Pick<Step, 'partition' | 'after' | 'lookedAt'> {
  readonly letters: readonly DeadLetter[];
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
  const lookedAt = deadLetters.length;
  return over
    ? { letters, lookedAt, partition: partition + 1 }
    : { letters, lookedAt, partition, after: next };
}
