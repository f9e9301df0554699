import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '@gridpost/model/testing';
import { type LeasedDelivery, MemoryStore, type ReceiveAsk, type Store } from '@gridpost/store';
import { type Consumer, Line } from './line.js';

const subscription = 'suba';
const partitions = 4;

let clock: FakeClock;
let store: MemoryStore;
let asks: number[];
let line: Line;
let ended: boolean;
let epochs: number[];
let failing: boolean;

/** The store, with what it is asked. */
function watched(): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      if (name === 'receive') {
        return (partition: number, ask: ReceiveAsk) => {
          asks.push(partition);
          return failing ? Promise.reject(new Error('away')) : target.receive(partition, ask);
        };
      }
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function newLine(): Line {
  ended = false;
  return new Line({
    store: watched(),
    clock,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    subscription,
    token: 'c.',
    admit: (deliveries) => deliveries,
    onEmpty: () => {
      ended = true;
    },
  });
}

beforeEach(async () => {
  clock = new FakeClock(1_000_000);
  store = new MemoryStore({ clock, partitions });
  asks = [];
  ended = false;
  failing = false;
  epochs = [];
  for (let partition = 0; partition < partitions; partition++)
    epochs.push((await store.claim(partition, 'w', 1e9, 0))!.epoch);
  line = newLine();
});
afterEach(async () => {
  await line.close();
  await store.close();
  expect(clock.pending).toBe(0);
});

class Waiter implements Consumer {
  readonly leaseMs = 60_000;
  readonly max: number;
  got: string[] | undefined;
  error: unknown;
  readonly #ended: Promise<void>;
  #end: () => void = () => {};

  constructor(max = 1) {
    this.max = max;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (ended) line = newLine();
    line.enter(this);
  }

  serve(deliveries: readonly LeasedDelivery[]): void {
    this.got = deliveries.map(({ frame }) => frame.toString());
    this.#end();
  }

  fail(error: unknown): void {
    this.error = error;
    this.#end();
  }

  async served(): Promise<string[] | undefined> {
    await this.#ended;
    return this.got;
  }
}

/** Puts events into the subscription's queue of a partition. */
async function hold(partition: number, ...contents: string[]): Promise<void> {
  const epoch = epochs[partition]!;
  await store.append(
    partition,
    contents.map((content) => ({ topic: 't', frame: Buffer.from(content) })),
  );
  const { entries } = await store.read(partition, epoch, undefined, { entriesMax: 100, bytesMax: 1e6 });
  const state = { attempts: 0, liveFrom: clock.now() };
  await store.settle(partition, epoch, {
    entries: entries.map(({ id, acceptedAt, events }) => ({
      id,
      acceptedAt,
      events: new Map(events.entries()),
      deferrals: events.map((_, index) => ({
        index,
        subscription,
        disposition: { kind: 'deferred', dueInMs: 0, state },
      })),
    })),
    outcomes: [],
    announced: new Set([subscription]),
  });
}

/** Lets everything that needs no time happen. */
const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('consumers', () => {
  test('get what is there at once, up to what they ask for', async () => {
    await hold(2, 'a', 'b', 'c');
    expect(await new Waiter(2).served()).toEqual(['a', 'b']);
    expect(await new Waiter(2).served()).toEqual(['c']);
  });

  test('are filled from several partitions', async () => {
    for (let partition = 0; partition < partitions; partition++) await hold(partition, `${partition}`);
    expect((await new Waiter(10).served())!.sort()).toEqual(['0', '1', '2', '3']);
  });

  test('are served in the order in which they came', async () => {
    const [first, second, third] = [new Waiter(), new Waiter(), new Waiter()];
    await rest();
    await hold(1, 'a', 'b');
    expect(await first.served()).toEqual(['a']);
    expect(await second.served()).toEqual(['b']);
    expect(third.got).toBeUndefined();
  });

  test('that wait together are served by one ask, the last with what is left', async () => {
    const waiters = [new Waiter(2), new Waiter(2), new Waiter(2), new Waiter(2)];
    await rest();
    asks.length = 0;
    await hold(1, 'a', 'b', 'c', 'd', 'e');
    const served = await Promise.all(waiters.slice(0, 3).map((waiter) => waiter.served()));
    expect(served).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(asks).toEqual([1]);
    expect(waiters[3]!.got).toBeUndefined();
  });

  test('are woken by a hint, and only the partition hinted at is asked', async () => {
    const waiter = new Waiter();
    await rest();
    asks.length = 0;
    await hold(3, 'a');
    expect(await waiter.served()).toEqual(['a']);
    expect(asks).toEqual([3]);
  });

  test('are woken by a sweep where the hint was lost, within a second', async () => {
    const waiter = new Waiter();
    await rest();
    const { onDeferred } = MemoryStore.prototype;
    expect(onDeferred).toBeDefined();
    // As if it had been published to another process's listeners.
    await store.append(0, [{ topic: 't', frame: Buffer.from('a') }]);
    const { entries } = await store.read(0, epochs[0]!, undefined, { entriesMax: 1, bytesMax: 1e6 });
    const { id, acceptedAt, events } = entries[0]!;
    const state = { attempts: 0, liveFrom: 0 };
    await store.settle(0, epochs[0]!, {
      entries: [
        {
          id,
          acceptedAt,
          events: new Map(events.entries()),
          deferrals: [{ index: 0, subscription, disposition: { kind: 'deferred', dueInMs: 0, state } }],
        },
      ],
      outcomes: [],
    });
    await rest();
    expect(waiter.got).toBeUndefined();
    await clock.advance(1_000);
    expect(await waiter.served()).toEqual(['a']);
  });

  test('get what becomes due when it does', async () => {
    await hold(0, 'a');
    const first = new Waiter();
    await first.served();
    const second = new Waiter();
    await rest();
    expect(second.got).toBeUndefined();
    await clock.advance(59_999);
    await rest();
    expect(second.got).toBeUndefined();
    await clock.advance(1);
    expect(await second.served()).toEqual(['a']);
  });

  test('cost one round of asks a second while nothing happens, however many wait', async () => {
    for (let count = 0; count < 1_000; count++) new Waiter();
    await rest();
    asks.length = 0;
    for (let second = 0; second < 10; second++) {
      await clock.advance(1_000);
      await rest();
    }
    expect(asks.length).toBe(10 * partitions);
  });

  test('that have gone are passed over, and what nobody takes is given back uncounted', async () => {
    await hold(0, 'a', 'b');
    const [gone, next] = [new Waiter(2), new Waiter(1)];
    // The first ask is under way, for both events.
    line.leave(gone);
    expect(await next.served()).toEqual(['a']);
    await rest();
    expect(gone.got).toBeUndefined();
    const later = await store.receive(0, { subscription, max: 10, leaseMs: 1_000, token: 'x.' });
    expect(later.deliveries.map(({ frame, state }) => [frame.toString(), state.attempts])).toEqual([
      ['b', 1],
    ]);
  });

  test('learn of a store that is away, one by one, and the others wait on', async () => {
    failing = true;
    const [first, second] = [new Waiter(), new Waiter()];
    await first.served();
    expect(first.error).toEqual(new Error('away'));
    failing = false;
    await hold(1, 'a');
    await clock.advance(1_000);
    expect(await second.served()).toEqual(['a']);
  });

  test('leave a line that ends with the last of them', async () => {
    const waiter = new Waiter();
    await rest();
    line.leave(waiter);
    expect(ended).toBe(true);
  });
});
