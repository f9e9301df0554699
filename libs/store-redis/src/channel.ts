/**
 * A channel that this process listens to: a subscription on a connection of its own, which is replaced when it ends or
 * does not answer. Messages may be lost until it stands.
 */
import type { Clock, Timer } from '@gridpost/model';
import type { Redis } from 'ioredis';

const retryMs = 250;
const pingMs = 5_000;

export interface ChannelListener {
  readonly heard: (message: string) => void;
  /** The subscription stands: `again`, after it was away. */
  readonly stands: (again: boolean) => void;
}

export class Channel {
  readonly #connect: (turn: number) => Redis | undefined;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #listener: ChannelListener;
  #connection: Redis | undefined;
  #timers: Timer[] = [];
  #turn = 0;
  #started = false;
  #closed = false;
  /** Set until the first subscription stands, or has failed: messages sent before then would be lost. */
  starting: Promise<void> | undefined;

  /** `connect` gives a connection that is not open yet, another server's at another turn where there are several. */
  constructor(
    connect: (turn: number) => Redis | undefined,
    name: string,
    clock: Clock,
    listener: ChannelListener,
  ) {
    this.#connect = connect;
    this.#name = name;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Begins to listen, if it has not begun. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.starting = this.#open().finally(() => {
      this.starting = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#drop();
    await this.starting;
  }

  async #open(): Promise<void> {
    const connection = this.#connect(this.#turn++);
    if (!connection) return this.#retry();
    this.#connection = connection;
    // What is wrong shows on the connection that commands go through.
    connection.on('error', () => {});
    connection.on('message', (_channel: string, message: string) => {
      if (!this.#closed) this.#listener.heard(message);
    });
    try {
      await connection.connect();
      await connection.subscribe(this.#name);
    } catch {
      return this.#retry();
    }
    if (this.#closed) return this.#drop();
    connection.on('end', () => this.#retry());
    this.#timers.push(
      this.#clock.every(pingMs, () => void connection.ping().catch(() => connection.disconnect())),
    );
    this.#listener.stands(this.#turn > 1);
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
}
