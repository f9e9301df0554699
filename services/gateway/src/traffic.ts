/** The requests under way, so that a drain knows what to wait for. */
import type { ServerResponse } from 'node:http';

export class Traffic {
  readonly #under = new Set<ServerResponse>();
  // One listener for all: a closure per request would cost more than the set.
  readonly #leave: (this: ServerResponse) => void;

  constructor() {
    const under = this.#under;
    this.#leave = function () {
      under.delete(this);
    };
  }

  /** Counts a request until its answer is with the kernel, or its connection is gone. */
  enter(res: ServerResponse): void {
    this.#under.add(res);
    res.on('close', this.#leave);
  }

  /** Resolves when every request that is under way now has ended; later ones are not waited for. */
  async settled(): Promise<void> {
    await Promise.all(
      [...this.#under].map((res) => new Promise<void>((resolve) => res.once('close', () => resolve()))),
    );
  }
}
