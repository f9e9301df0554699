/** The requests under way, so that a drain knows what to wait for. */
import type { ServerResponse } from 'node:http';

export class Traffic {
  #now = new Wave();
  #before: Promise<unknown> | undefined;

  /** Counts a request until its answer is with the kernel, or its connection is gone. */
  enter(res: ServerResponse): void {
    this.#now.count++;
    res.on('close', this.#now.leave);
  }

  /** Resolves when every request that is under way now has ended; later ones are not waited for. */
  async settled(): Promise<void> {
    this.#before = Promise.all([this.#before, this.#now.ended()]);
    this.#now = new Wave();
    await this.#before;
  }
}

/** Requests that are waited for together. They are counted, not listed: one listener serves all of them. */
class Wave {
  count = 0;
  #over: (() => void) | undefined;

  readonly leave = (): void => {
    if (--this.count === 0) this.#over?.();
  };

  async ended(): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => {
      this.#over = resolve;
    });
  }
}
