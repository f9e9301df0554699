/**
 * One commit after another. Steps that arrive while a commit is under way go together into the next, so that many
 * callers share one flush of the disk; each step's promise resolves when the commit that holds it is on disk.
 *
 * A commit is made in one of two ways. If no step has to read, all of it is queued as instructions that LMDB's writing
 * thread carries out by itself. Otherwise the steps run here, inside the transaction, and read what the steps before
 * them wrote; that costs two more hand-overs between threads. Both are all or nothing.
 *
 * A step that refuses (`Fenced`, or a catalogue error) does so before it writes anything; any other exception undoes the
 * whole commit. Queued instructions cannot be taken back: a blind step throws, if ever, before its first. Memory that steps change ahead of the commit belongs to a `Mirror`, which is told how it ended.
 */
import { GridpostError } from '@gridpost/model';
import { Fenced } from '@gridpost/store';
import type { RootDatabase } from 'lmdb';
import { failureOf } from './failures.js';
import { metaKey, type Table } from './layout.js';

export interface Step {
  /** Whether the step can run without reading from the store. Asked when its commit begins. */
  blind(): boolean;
  /** Makes the change. */
  run(): void;
  committed(): void;
  failed(error: unknown): void;
  /** Set for what publishers add: given up first when the disk is full, so that the rest can go through. */
  readonly addsOnly?: boolean;
  /**
   * Nobody's answer depends on the step, so it may wait a few milliseconds for a commit that somebody else needs. Under
   * a steady load of publishing, what leaves the log then costs no commit of its own.
   */
  readonly patient?: boolean;
}

/** State in memory that follows the disk. */
export interface Mirror {
  /** In the transaction, after the steps, if that reads: what is written once for all of them. */
  write?(): void;
  committed?(): void;
  /** The commit changed nothing: back to what is on disk. */
  undone(): void;
}

/** How long patient steps wait for company, in milliseconds: a few commits' time. */
const patienceMs = 5;

/** A timer that comes so much too late says that this process was not run, not that the disk is slow. In milliseconds. */
const pauseMs = 100;

export class Commits {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #meta: Table;
  readonly #timeoutMs: number;
  #mirrors: readonly Mirror[] = [];
  #queue: Step[] = [];
  #busy = false;
  #closed = false;
  /** The commit under way has been given up on. */
  #hanging = false;
  #patience: NodeJS.Timeout | undefined;
  #overdue: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];
  #failure: GridpostError | undefined;

  /**
   * A commit that takes longer than `timeoutMs` is given up on by its callers, though it may still succeed. A pause of this
   * process that lasts until then is not counted.
   */
  constructor(root: RootDatabase<Buffer, Buffer>, meta: Table, timeoutMs: number) {
    this.#root = root;
    this.#meta = meta;
    this.#timeoutMs = timeoutMs;
  }

  /** Called once, before the first step. */
  follow(mirrors: readonly Mirror[]): void {
    this.#mirrors = mirrors;
  }

  /** What the last commit failed of, or hangs in; undefined once one has succeeded again. */
  get failure(): GridpostError | undefined {
    return this.#failure;
  }

  submit(step: Step): void {
    if (this.#closed) step.failed(new GridpostError('StoreUnavailable', 'the store is closed'));
    else if (this.#hanging) step.failed(new GridpostError('StoreUnavailable', 'the disk does not answer'));
    else {
      this.#queue.push(step);
      if (!this.#busy) this.#continue(step.patient === true);
    }
  }

  /** A change that reads before it writes. Resolves with what `change` returned, when that is on disk. */
  change<T>(change: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.submit({
        blind: () => false,
        run: () => {
          result = change();
        },
        committed: () => resolve(result),
        failed: reject,
      });
    });
  }

  /** Writes a little, to see whether commits succeed (again). */
  probe(): Promise<void> {
    return this.change(() => void this.#meta.put(metaKey.probe, Buffer.from('1')));
  }

  /** Refuses further steps and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#busy && this.#queue.length) this.#begin();
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Begins the next commit; a little later if all that waits for it has patience. */
  #continue(patient: boolean): void {
    if (patient) this.#patience ??= setTimeout(() => this.#begin(), patienceMs);
    else this.#begin();
  }

  /** Lets the callers of this turn of the event loop, and those a commit has just answered, come along. */
  #begin(): void {
    this.#busy = true;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    setImmediate(() => void this.#commit());
  }

  async #commit(): Promise<void> {
    const steps = this.#queue;
    this.#queue = [];
    this.#watch(steps, this.#timeoutMs);
    await this.#attempt(steps);
    clearTimeout(this.#overdue);
    this.#hanging = false;
    this.#busy = false;
    if (this.#queue.length) this.#continue(!this.#closed && this.#queue.every(({ patient }) => patient));
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #attempt(steps: readonly Step[]): Promise<void> {
    const applied: Step[] = [];
    const blind = steps.every((step) => step.blind());
    const apply = () => {
      for (const step of steps) {
        try {
          step.run();
          applied.push(step);
        } catch (error) {
          if (!blind && !(error instanceof Fenced) && !(error instanceof GridpostError)) throw error;
          step.failed(error);
        }
      }
    };
    try {
      if (blind) await this.#root.batch(apply);
      else {
        await this.#root.childTransaction(() => {
          apply();
          for (const mirror of this.#mirrors) mirror.write?.();
        });
      }
    } catch (error) {
      const failure = await failureOf(error as Error);
      for (const mirror of this.#mirrors) mirror.undone();
      this.#failure = failure;
      // What only adds is refused; the rest may still find room in the pages that are free.
      const rest = failure.code === 'StoreFull' ? applied.filter((step) => !step.addsOnly) : [];
      const again = rest.length < applied.length ? rest : [];
      for (const step of steps) if (!again.includes(step)) step.failed(failure);
      if (again.length) await this.#attempt(again);
      return;
    }
    this.#failure = undefined;
    for (const mirror of this.#mirrors) mirror.committed?.();
    for (const step of applied) step.committed();
  }

  #watch(steps: readonly Step[], ms: number): void {
    const dueAt = performance.now() + ms;
    this.#overdue = setTimeout(() => {
      const lateMs = performance.now() - dueAt;
      if (lateMs > pauseMs) this.#watch(steps, lateMs);
      else this.#giveUp(steps);
    }, ms);
    this.#overdue.unref();
  }

  /** The disk does not answer: nobody waits for ever, and what has not begun does not begin. */
  #giveUp(steps: readonly Step[]): void {
    const unknown = new GridpostError(
      'OutcomeUnknown',
      `the disk did not answer within ${this.#timeoutMs} ms`,
    );
    this.#failure = unknown;
    this.#hanging = true;
    for (const step of steps) step.failed(unknown);
    const waiting = new GridpostError('StoreUnavailable', unknown.message);
    for (const step of this.#queue.splice(0)) step.failed(waiting);
  }
}
