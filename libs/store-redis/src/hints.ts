/**
 * Hints that a log which had been read to its end has got entries: a subscription on a connection of its own, which is replaced
 * when it ends or does not answer. Hints may be lost meanwhile; therefore every partition that was asked about is woken
 * when it is back.
 */
import type { Clock, Timer } from '@gridpost/model';
import type { Redis } from 'ioredis';

const retryMs = 250;
const pingMs = 5_000;

type Wake = (partition: number) => void;

export class Hints {
  readonly #connect: (turn: number) => Redis | undefined;
  readonly #channel: string;
  readonly #clock: Clock;
  readonly #wakers = new Set<Wake>();
  readonly #asked = new Set<number>();
  #connection: Redis | undefined;
  #timers: Timer[] = [];
  #turn = 0;
  #started = false;
  #closed = false;
  /** Set until the first subscription stands, or has failed: hints given before then would be lost. */
  starting: Promise<void> | undefined;

  /** `connect` gives a connection that is not open yet, another server's at another turn where there are several. */
  constructor(connect: (turn: number) => Redis | undefined, channel: string, clock: Clock) {
    this.#connect = connect;
    this.#channel = channel;
    this.#clock = clock;
  }

  listen(wake: Wake): () => void {
    // Wrapped, so that one function that listens twice is two listeners.
    const waker: Wake = (partition) => wake(partition);
    this.#wakers.add(waker);
    if (!this.#started) {
      this.#started = true;
      this.starting = this.#open().finally(() => {
        this.starting = undefined;
      });
    }
    return () => void this.#wakers.delete(waker);
  }

  /** Notes that this process reads the partition. */
  ask(partition: number): void {
    this.#asked.add(partition);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wakers.clear();
    this.#drop();
    await this.starting;
  }

  async #open(): Promise<void> {
    const connection = this.#connect(this.#turn++);
    if (!connection) return this.#retry();
    this.#connection = connection;
    // What is wrong shows on the connection that commands go through.
    connection.on('error', () => {});
    connection.on('message', (_channel: string, partition: string) => this.#wake(Number(partition)));
    try {
      await connection.connect();
      await connection.subscribe(this.#channel);
    } catch {
      return this.#retry();
    }
    if (this.#closed) return this.#drop();
    connection.on('end', () => this.#retry());
    this.#timers.push(
      this.#clock.every(pingMs, () => void connection.ping().catch(() => connection.disconnect())),
    );
    if (this.#turn > 1) for (const partition of this.#asked) this.#wake(partition);
  }

  #retry(): void {
    this.#drop();
    if (this.#closed) return;
    this.#timers.push(this.#clock.after(retryMs, () => void this.#open()));
  }

  #drop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.removeAllListeners('end');
    connection?.disconnect();
  }

  #wake(partition: number): void {
    if (this.#asked.has(partition)) for (const wake of this.#wakers) wake(partition);
  }
}
