/** Processes for tests that kill them. They run from `dist`, as the product does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const program = join(import.meta.dirname, '../../dist/testing/publisher.js');

export class Publisher {
  /** Every line the process has printed. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #errors = '';
  #heard = () => {};

  /** `fileBlocksMax`: no file may grow beyond so many KiB, as if the disk were full. */
  constructor(directory: string, mode: 'publish' | 'fill', fileBlocksMax?: number) {
    const node = [process.execPath, program, directory, mode];
    const limit = `trap '' XFSZ; ulimit -f ${fileBlocksMax}; exec "$@"`;
    const [command, ...args] = fileBlocksMax === undefined ? node : ['bash', '-c', limit, 'bash', ...node];
    this.#child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    this.#child.stderr!.on('data', (text) => {
      this.#errors += text;
    });
    createInterface(this.#child.stdout!).on('line', (line) => {
      this.lines.push(line);
      this.#heard();
    });
  }

  /** Numbers of the events that were acknowledged. */
  get acked(): number[] {
    const acked = this.lines.filter((line) => line.startsWith('acked '));
    return acked.map((line) => Number(line.slice('acked '.length)));
  }

  /** Waits until the lines satisfy the condition; rejects if the process ends before. */
  async until(condition: (lines: readonly string[]) => boolean): Promise<void> {
    let ended = false;
    void this.#closed.then(() => {
      ended = true;
      this.#heard();
    });
    while (!condition(this.lines)) {
      if (ended) throw new Error(`the publisher ended by itself: ${this.#errors}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** Ends it without warning, and waits until all it had printed is here. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
