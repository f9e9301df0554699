/**
 * What a job does in one bounded step: it handles what stands at its place in one partition, and says where to go on. A
 * step that was made and not written down is made again after a crash, which moves nothing twice; what was sent for
 * another subscription is then sent again under the same message ids. What is done with dead letters is recorded in the
 * attempt log, in one write just before they are moved.
 */
import { type AttemptLogLevel, type Ending, recordsOfLetters } from '@gridpost/attempt-log';
import {
  type Clock,
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
  readonly clock: Clock;
  readonly attemptLog: AttemptLogLevel;
}

/**
 * Looks at no more than `max` dead letters or events, and handles those that are the job's. Its subscription exists.
 * Rejects as the store does; repeating it is harmless.
 */
export function takeStep(around: Around, job: Job, max: number): Promise<Step> {
  const { store, registry } = around;
  const { task } = job;
  switch (task.kind) {
    case 'redrive':
      return redrive(around, job, task, max);
    case 'purge':
      return purge(around, job, task, max);
    case 'replay':
      return replay(store, registry, job, task, max);
  }
}

async function redrive(around: Around, job: Job, task: TaskOf<'redrive'>, max: number): Promise<Step> {
  const { store, clock } = around;
  const { partition } = job.progress;
  const { incarnation } = job.subscription;
  const { letters, ...rest } = await selected(store, job, task.letters, max);
  if (letters.length === 0) return { done: 0, failed: 0, ...rest };
  if (task.target) {
    const done = await sendOn(around, job, letters, task.target);
    return { done, failed: letters.length - done, ...rest };
  }
  await record(around, job, letters, { kind: 'deferred', until: clock.now(), reason: 'redriven' });
  // To its own subscription a dead letter goes back in one step of the store: it is the same delivery.
  const places = letters.map(({ place }) => place);
  const done = await store.redrive(partition, incarnation, { places });
  return { done, failed: letters.length - done, ...rest };
}

/** They are let go once they are durable for the other subscription: at least once, never lost. */
async function sendOn(
  around: Around,
  job: Job,
  letters: readonly DeadLetter[],
  target: { readonly name: string; readonly incarnation: string },
): Promise<number> {
  const { store } = around;
  const { partition } = job.progress;
  const pending = letters.map(({ place, topic, acceptedAt, frame }) => {
    const event = new Event(frame);
    const original = originalOf(event, place, acceptedAt);
    const direction = { only: target.incarnation, cause: 'redriven', job: job.id, original } as const;
    return { topic, frame: directed(event, direction).frame };
  });
  await store.append(partition, pending);
  await record(around, job, letters, { kind: 'sentOn', reason: 'redriven', target: target.name });
  await store.letGo(partition, job.subscription.incarnation, letters);
  return letters.length;
}

async function purge(around: Around, job: Job, task: TaskOf<'purge'>, max: number): Promise<Step> {
  const { store } = around;
  const { letters, ...rest } = await selected(store, job, task.letters, max);
  if (letters.length === 0) return { done: 0, failed: 0, ...rest };
  await record(around, job, letters, { kind: 'dropped', reason: 'Purged' });
  const done = await store.letGo(job.progress.partition, job.subscription.incarnation, letters);
  return { done, failed: letters.length - done, ...rest };
}

async function record(
  { store, registry, clock, attemptLog }: Around,
  { id, progress, subscription: { incarnation } }: Job,
  letters: readonly DeadLetter[],
  ending: Ending,
): Promise<void> {
  if (attemptLog === 'off') return;
  const { subscription } = registry.subscription(incarnation)!;
  const blocks = recordsOfLetters(subscription, letters, ending, clock.now(), id);
  await store.conclude(progress.partition, [], blocks);
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
    return [{ topic, frame: directed(event, { only, cause: 'replayed', job: id, original }).frame }];
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
