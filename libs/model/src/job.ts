/**
 * Jobs: work on many events that takes longer than a request may, as it is stored. One document per job, written by
 * whoever asks for it, by the worker that does it, and by whoever cancels it, each on condition that nobody else has.
 */
import { type Incarnation, newIncarnation } from './names.js';
import type { DeadLetterReason } from './outcome.js';
import type { Scope } from './resources.js';

export const jobKinds = ['redrive', 'purge', 'replay'] as const;
export type JobKind = (typeof jobKinds)[number];

/** `queued`: no worker has begun it. The last three are final. */
export const jobStatuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

/** Dead letters by why and when they were given up: instants of the store's clock, `from` included, `to` not. */
export interface DeadLetterSelection {
  readonly reason?: DeadLetterReason;
  readonly from?: number;
  readonly to?: number;
}

export function isSelected(
  { reason, from, to }: DeadLetterSelection,
  letter: { readonly reason: DeadLetterReason; readonly deadLetteredAt: number },
): boolean {
  return (
    (reason === undefined || letter.reason === reason) &&
    (from === undefined || letter.deadLetteredAt >= from) &&
    (to === undefined || letter.deadLetteredAt < to)
  );
}

export interface NamedSubscription {
  readonly name: string;
  readonly incarnation: Incarnation;
}

export type JobTask =
  | {
      readonly kind: 'redrive';
      readonly letters: DeadLetterSelection;
      /** Of the same scope. Absent: the subscription whose dead letters they are. */
      readonly target?: NamedSubscription;
    }
  | { readonly kind: 'purge'; readonly letters: DeadLetterSelection }
  | {
      readonly kind: 'replay';
      /** Instants of acceptance: `from` included, `to` not. */
      readonly from: number;
      readonly to: number;
    };

/** How many events a job is about. An estimate where counting them all would have taken too long. */
export interface JobTotal {
  readonly count: number;
  readonly exact: boolean;
}

/** How far a job has come: what it has done, and where it goes on. */
export interface JobProgress {
  readonly done: number;
  /** Events that could not be handled, or had gone when their turn came. */
  readonly failed: number;
  /** All partitions before this one are done with. */
  readonly partition: number;
  /** What the store gave to go on from within the partition. */
  readonly after?: string;
}

export interface Job {
  readonly id: string;
  readonly task: JobTask;
  readonly topic: Scope;
  /** Whose dead letters they are, or whom the events are for. */
  readonly subscription: NamedSubscription;
  readonly ratePerSecond: number;
  readonly total: JobTotal;
  readonly status: JobStatus;
  readonly progress: JobProgress;
  /** The worker that is at it, and until when it may be taken for alive. */
  readonly claim?: { readonly worker: string; readonly until: number };
  /** Why it does not go on at the moment. */
  readonly waitingFor?: string;
  /** Why it failed. */
  readonly error?: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly updatedAt: number;
  readonly endedAt?: number;
}

export const jobsPrefix = 'jobs/';
export const jobPath = (id: string): string => jobsPrefix + id;

const idShape = /^[0-9a-z]{9}-[0-9a-z]{8}$/;

/** Whether an id is of the form that `newJobId` gives. */
export const isJobId = (id: string): boolean => idShape.test(id);

/** Ids compare as their jobs were created. */
export function newJobId(now: number): string {
  return `${Math.floor(now).toString(36).padStart(9, '0')}-${newIncarnation().slice(0, 8)}`;
}

export function isOver({ status }: Pick<Job, 'status'>): boolean {
  return status !== 'queued' && status !== 'running';
}
