/**
 * One job at work: step after step at its rate, its progress written at most once a second. What keeps it from going on is
 * written as well, and looked at again every second: a store that is away or full, a backlog that is near its bound, an
 * endpoint that is not to be sent anything.
 */
import type { AttemptLogLevel } from '@gridpost/attempt-log';
import { type Clock, GridpostError, isProven, type Job, type Log, type Timer } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import { Outage } from '../outage.js';
import { turn } from '../turn.js';
import type { JobRecord } from './record.js';
import { takeStep } from './steps.js';

export interface RunOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly attemptLog: AttemptLogLevel;
  /** Charged bytes that a subscription may have deferred in one partition before a job adds more. */
  readonly backlogBytesMax: number;
}

/** Events of one step: about a second's worth, within what a store does in one call without holding up others. */
const stepMin = 10;
const stepMax = 250;
/** What is looked at in a second, also where little of it is the job's: the worker has other things to do. */
const lookedAtPerSecond = 20_000;
/** Entries of the log from which on a job adds none: the worker has enough to do. */
const logEntriesMax = 1_000;
const lookAgainMs = 1_000;

const gone = Symbol('gone');

export class JobRun {
  readonly #options: RunOptions;
  readonly #record: JobRecord;
  readonly #outage: Outage;
  /** `clock.elapsed()` from which on the rate allows the next step. */
  #allowedAt: number;
  #stopped = false;
  #giveBack = true;
  #wake: (() => void) | undefined;

  constructor(record: JobRecord, options: RunOptions) {
    this.#options = options;
    this.#record = record;
    const { id, task, topic, subscription } = record.job;
    this.#outage = new Outage(options.log, `job ${task.kind}`, {
      ...{ job: id, topic, subscription: subscription.name },
    });
    this.#allowedAt = options.clock.elapsed();
  }

  /** Resolves when the job is over, lost, or given back. Never rejects. */
  async run(): Promise<void> {
    const running = this.#options.metrics.jobsRunning.with(this.#record.job.task.kind);
    running.add();
    try {
      while (!this.#stopped) {
        if (!(await this.#turn())) return;
      }
      if (this.#giveBack) await this.#record.giveBack();
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'the state of a job could not be written');
    } finally {
      running.add(-1);
    }
  }

  /** Ends after the step under way; `giveBack` leaves the job to another worker at once. */
  stop(giveBack: boolean): void {
    this.#stopped = true;
    this.#giveBack = giveBack;
    this.#wake?.();
  }

  /** One step, or a wait. False when there is nothing more to do here. */
  async #turn(): Promise<boolean> {
    const { clock, store } = this.#options;
    let waitMs: number;
    try {
      if (this.#record.job.progress.partition >= store.info.partitions) {
        await this.#end('succeeded');
        return false;
      }
      const obstacle = await this.#obstacle();
      if (obstacle === gone) {
        await this.#end('failed', 'the subscription was deleted');
        return false;
      }
      this.#record.note({ waitingFor: obstacle });
      if (obstacle === undefined) await this.#step();
      // A store in this process answers without anybody else getting a turn.
      await turn();
      this.#outage.over();
      if (this.#record.isDue && !(await this.#record.write())) return false;
      waitMs = obstacle === undefined ? this.#allowedAt - clock.elapsed() : lookAgainMs;
    } catch (error) {
      if (!isPassing(error)) {
        await this.#fail(error);
        return false;
      }
      this.#record.note({ waitingFor: (error as Error).message });
      waitMs = this.#outage.failed(error);
    }
    return this.#pause(waitMs);
  }

  async #step(): Promise<void> {
    const { clock, metrics } = this.#options;
    const { job } = this.#record;
    const { ratePerSecond, progress, task } = job;
    const max = Math.min(stepMax, Math.max(stepMin, ratePerSecond));
    const { done, failed, lookedAt, ...position } = await takeStep(this.#options, job, max);
    this.#record.note({
      progress: { ...position, done: progress.done + done, failed: progress.failed + failed },
    });
    metrics.jobEvents.with(task.kind).add(done);
    // What was not used of the rate while the job had to wait is not made up for.
    this.#allowedAt =
      Math.max(this.#allowedAt, clock.elapsed() - 1_000) +
      1_000 * Math.max(done / ratePerSecond, lookedAt / lookedAtPerSecond);
  }

  /** Why the next step has to wait, if it has to. */
  async #obstacle(): Promise<string | typeof gone | undefined> {
    const { registry, store, backlogBytesMax } = this.#options;
    const { task, subscription, progress } = this.#record.job;
    if (!registry.subscription(subscription.incarnation)) return gone;
    if (task.kind === 'purge') return undefined;
    const { incarnation } = (task.kind === 'redrive' && task.target) || subscription;
    const receiver = registry.subscription(incarnation)?.subscription;
    if (!receiver) return gone;
    if (!isProven(receiver)) return 'the endpoint has not agreed to get events';
    const { state } = receiver.status;
    if (state !== 'Active') return `the subscription is ${state.toLowerCase()}`;
    const { subscriptions, logEntries, now } = await store.usage(progress.partition);
    if (task.kind === 'replay' && now < task.to) return 'its range of time is not over';
    if (logEntries > logEntriesMax) return 'the log is long: what was published comes first';
    const usage = subscriptions.find((each) => each.subscription === incarnation);
    if (usage && usage.deferredBytes > backlogBytesMax)
      return 'the backlog of the subscription is near its quota';
    return undefined;
  }

  /** Waits, and goes on saying that this worker lives. False when the job is not ours any more. */
  async #pause(ms: number): Promise<boolean> {
    const { clock } = this.#options;
    const until = clock.elapsed() + ms;
    for (let left = ms; left > 0 && !this.#stopped; left = until - clock.elapsed()) {
      await new Promise<void>((resolve) => {
        const timer: Timer = clock.after(Math.min(left, lookAgainMs), resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
      if (!this.#record.isDue || this.#outage.lasts || this.#stopped) continue;
      if (!(await this.#tryWrite())) return false;
    }
    return true;
  }

  async #tryWrite(): Promise<boolean> {
    try {
      return await this.#record.write();
    } catch (error) {
      this.#outage.failed(error);
      return true;
    }
  }

  async #fail(error: unknown): Promise<void> {
    const { log } = this.#options;
    const { id } = this.#record.job;
    log.error({ job: id, error: String(error) }, 'job failed');
    await this.#end(
      'failed',
      error instanceof GridpostError ? error.message : 'Gridpost failed; see its log',
    );
  }

  async #end(status: Job['status'], error?: string): Promise<void> {
    const { log } = this.#options;
    this.#record.note({ waitingFor: undefined });
    await this.#record.write({ status, ...(error === undefined ? {} : { error }) });
    const { id, task, topic, subscription, progress } = this.#record.job;
    const { done, failed } = progress;
    log.info(
      { job: id, kind: task.kind, topic, subscription: subscription.name, status, done, failed },
      'job ended',
    );
  }
}

/** Whether the same call may succeed later: the store is away, or full. */
function isPassing(error: unknown): boolean {
  return error instanceof GridpostError && error.entry.retryable;
}
