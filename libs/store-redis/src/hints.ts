/**
 * Hints that there is work: that a log which had been read to its end has got entries, and that something was deferred for
 * a subscription whose consumers wait. Hints may be lost while a connection is replaced; therefore everything that was
 * asked about is woken when it is back.
 */
import type { Clock, Incarnation } from '@gridpost/model';
import { DeferralWatch } from '@gridpost/store';
import type { Redis } from 'ioredis';
import { Channel } from './channel.js';

type Connect = (turn: number) => Redis | undefined;
type Wake = (partition: number) => void;

export class AppendHints {
  readonly #channel: Channel;
  readonly #wakers = new Set<Wake>();
  readonly #asked = new Set<number>();

  constructor(connect: Connect, channel: string, clock: Clock) {
    this.#channel = new Channel(connect, channel, clock, {
      heard: (partition) => this.#wake(Number(partition)),
      stands: (again) => {
        if (again) for (const partition of this.#asked) this.#wake(partition);
      },
    });
  }

  /** Set until hints can be heard. */
  get starting(): Promise<void> | undefined {
    return this.#channel.starting;
  }

  listen(wake: Wake): () => void {
    // Wrapped, so that one function that listens twice is two listeners.
    const waker: Wake = (partition) => wake(partition);
    this.#wakers.add(waker);
    this.#channel.start();
    return () => void this.#wakers.delete(waker);
  }

  /** Notes that this process reads the partition. */
  ask(partition: number): void {
    this.#asked.add(partition);
  }

  async close(): Promise<void> {
    this.#wakers.clear();
    await this.#channel.close();
  }

  #wake(partition: number): void {
    if (this.#asked.has(partition)) for (const wake of this.#wakers) wake(partition);
  }
}

/** A message is the partition and the subscriptions, separated by spaces. */
export class DeferralHints {
  readonly #channel: Channel;
  readonly #watch = new DeferralWatch();

  constructor(connect: Connect, channel: string, clock: Clock, partitions: number) {
    this.#channel = new Channel(connect, channel, clock, {
      heard: (message) => {
        const [partition, ...subscriptions] = message.split(' ');
        for (const subscription of subscriptions) this.#watch.wake(Number(partition), subscription);
      },
      // Those who listen do not wait for it to stand.
      stands: () => this.#watch.wakeAll(partitions),
    });
  }

  listen(subscription: Incarnation, wake: Wake): () => void {
    this.#channel.start();
    return this.#watch.listen(subscription, wake);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
