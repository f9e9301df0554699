/**
 * Group commit: an action that serves everybody who asked before it began. Used where one round trip confirms, spreads or
 * measures for many callers at once.
 */
export class SharedRun<T> {
  readonly #run: () => Promise<T>;
  #current: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(run: () => Promise<T>) {
    this.#run = run;
  }

  /** Resolves with the result of a run that began after this call; rejects as that run does. At most one run at a time. */
  ask(): Promise<T> {
    if (!this.#next && !this.#current) return this.#begin();
    this.#next ??= this.#current!.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  async #begin(): Promise<T> {
    this.#next = undefined;
    const current = this.#run();
    this.#current = current;
    try {
      return await current;
    } finally {
      if (this.#current === current) this.#current = undefined;
    }
  }
}
