/** The requests under way, so that a drain knows what to wait for. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export class Traffic {
  #now = new Wave();
  #before: Promise<unknown> | undefined;

  /** Counts a request until its answer is with the kernel, or its connection is gone. */
  enter({ socket }: IncomingMessage, res: ServerResponse): void {
    const { leave } = this.#now;
    this.#now.count++;
    if (res.socket) {
      res.on('close', leave);
      return;
    }
    // It was sent behind another one, whose turn it is. If the connection ends now, nobody closes this response.
    const end = (): void => {
      socket.off('close', end);
      res.off('close', end);
      leave();
    };
    socket.on('close', end);
    res.on('close', end);
  }

  /** Resolves when every request that is under way now has ended; later ones are not waited for. */
  async settled(): Promise<void> {
    this.#before = Promise.all([this.#before, this.#now.ended()]);
    this.#now = new Wave();
    await this.#before;
  }
}

/** Requests that are waited for together. They are counted, not listed: one listener serves nearly all of them. */
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
