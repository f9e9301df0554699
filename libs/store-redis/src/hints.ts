/**
 * Hints that there is work: that a log which had been read to its end has got entries, that dead letters were redriven, and
 * that something was deferred for a subscription whose consumers wait. Hints may be lost while a connection is replaced; therefore everything that was
 * asked about is woken when it is back.
 */
import type { Clock, Incarnation } from '@gridpost/model';
import { DeferralWatch } from '@gridpost/store';
import type { Redis } from 'ioredis';
import { Channel } from './channel.js';

type Connect = (turn: number) => Redis | undefined;
type Wake = (partition: number) => void;

/** What the owner of a partition is told of: a message is the partition, and behind a space what happened. */
type Happened = 'appended' | 'redriven';

export class OwnerHints {
  readonly #channel: Channel;
  readonly #wakers: Readonly<Record<Happened, Set<Wake>>> = { appended: new Set(), redriven: new Set() };
  readonly #asked = new Set<number>();

  constructor(connect: Connect, channel: string, clock: Clock) {
    this.#channel = new Channel(connect, channel, clock, {
      heard: (message) => {
        const [partition, happened] = message.split(' ');
        this.#wake(Number(partition), happened === 'redriven' ? happened : 'appended');
      },
      stands: (again) => {
        if (!again) return;
        for (const partition of this.#asked) {
          this.#wake(partition, 'appended');
          this.#wake(partition, 'redriven');
        }
      },
    });
  }

  /** Set until hints can be heard. */
  get starting(): Promise<void> | undefined {
    return this.#channel.starting;
  }

  listen(happened: Happened, wake: Wake): () => void {
    // Wrapped, so that one function that listens twice is two listeners.
    const waker: Wake = (partition) => wake(partition);
    const wakers = this.#wakers[happened];
    wakers.add(waker);
    this.#channel.start();
    return () => void wakers.delete(waker);
  }

  /** Notes that this process reads the partition. */
  ask(partition: number): void {
    this.#asked.add(partition);
  }

  async close(): Promise<void> {
    this.#wakers.appended.clear();
    this.#wakers.redriven.clear();
    await this.#channel.close();
  }

  #wake(partition: number, happened: Happened): void {
    if (this.#asked.has(partition)) for (const wake of this.#wakers[happened]) wake(partition);
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
