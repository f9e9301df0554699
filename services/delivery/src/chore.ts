/** Something that is done again and again: never twice at once, and what fails is done again at its next time. */
import type { Log } from '@gridpost/model';
import { Outage } from './outage.js';

export class Chore {
  readonly #work: () => Promise<void>;
  readonly #outage: Outage;
  #running: Promise<void> | undefined;

  constructor(log: Log, what: string, work: () => Promise<void>) {
    this.#work = work;
    this.#outage = new Outage(log, what, {});
  }

  /** Begins it, unless it is under way. Never throws. */
  run(): void {
    this.#running ??= this.#work()
      .then(
        () => void this.#outage.over(),
        (error: unknown) => void this.#outage.failed(error),
      )
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when it is not under way. */
  async ended(): Promise<void> {
    await this.#running;
  }
}
