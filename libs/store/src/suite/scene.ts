/**
 * What a test of the suite works with: a store of its own, time that passes, and short words for the usual beginnings.
 * Nothing here asserts what a store must do; that is the business of the files beside it.
 */
import { expect, test } from '@jest/globals';
import { GridpostError, type Incarnation, type Place } from '@gridpost/model';
import type {
  DeliveryState,
  Disposition,
  DueAsk,
  LeasedDelivery,
  LogEntry,
  PendingEvent,
  ReceiveAsk,
  SettleBatch,
  SettledEntry,
  Store,
  StoreLimits,
} from '../port.js';

/** An empty store, opened for one test. */
export interface OpenedStore {
  readonly store: Store;
  /**
   * Ends the store without releasing anything, and opens it over what it had stored. The returned one replaces `store`;
   * `close` closes the last. Absent where nothing outlives the process.
   */
  reopen?(): Promise<Store>;
  /** A second handle on the same data, as another process would have it; for stores whose `supports.sharing` holds. */
  share?(): Promise<Store>;
  /** Moves the store's clock. Absent where it cannot be bent; the suite then lets that time pass. */
  advance?(ms: number): void | Promise<void>;
  close(): Promise<void>;
}

/** What an adapter cannot do, each with the reason, so that no test is skipped in silence. */
export interface Lacks {
  readonly reopening?: string;
  /** Must agree with the store's `supports`. */
  readonly sharing?: string;
  /** More than one partition. */
  readonly partitions?: string;
}

/** `test`, or a skip that shows its reason. */
export function unless(reason: string | undefined): typeof test | typeof test.skip {
  if (reason === undefined) return test;
  return ((name: string, run: () => Promise<void>) =>
    test.skip(`${name} (skipped: ${reason})`, run)) as typeof test.skip;
}

export type OpenStore = (limits: StoreLimits) => Promise<OpenedStore>;

export const hour = 3_600_000;
/** Roomy enough that no bound is met by accident. */
export const roomy: StoreLimits = { bytesMax: 256 * 2 ** 20, subscriptionShare: 0.5 };

/** An incarnation that shows which it is. */
export const life = (name: string): Incarnation => name.padEnd(16, '0');
/** Between what is old and what is young, with `oldMs` between: a machine that stalls holds up the calls that tell them apart. */
export const apartMs = 3_000;
export const oldMs = 2_950;

export const topic = life('topic');
export const [subA, subB, subC] = [life('suba'), life('subb'), life('subc')] as const;

export function event(content: string | Buffer, of: Incarnation = topic): PendingEvent {
  return { topic: of, frame: Buffer.from(content) };
}

export const freshState: DeliveryState = { attempts: 0, liveFrom: 1_700_000_000_000 };
export const dueNow: Disposition = { kind: 'deferred', dueInMs: 0, state: freshState };
export const dueLater: Disposition = { kind: 'deferred', dueInMs: hour, state: freshState };
export const dead: Disposition = { kind: 'deadLettered', reason: 'TimeToLiveExceeded', state: freshState };

export const text = ({ frame }: { readonly frame: Buffer }): string => frame.toString('latin1');
export const texts = (from: readonly { readonly frame: Buffer }[]): string[] => from.map(text);

/** An entry as settled: `dispositions` says what becomes of which event for which subscription. */
export function settled(
  entry: LogEntry,
  ...dispositions: readonly (readonly [index: number, subscription: Incarnation, disposition: Disposition])[]
): SettledEntry {
  return {
    id: entry.id,
    acceptedAt: entry.acceptedAt,
    deferrals: dispositions.map(([index, subscription, disposition]) => ({
      index,
      subscription,
      disposition,
    })),
    events: new Map(dispositions.map(([index]) => [index, entry.events[index]!])),
  };
}

export const onlyEntries = (...entries: SettledEntry[]): SettleBatch => ({ entries, outcomes: [] });

/** The outcome of a leased delivery. */
export function ended(
  { place, subscription, token }: Pick<LeasedDelivery, 'place' | 'subscription' | 'token'>,
  disposition: Disposition | { readonly kind: 'finished' } = { kind: 'finished' },
): SettleBatch {
  const { entry, index } = place;
  return { entries: [], outcomes: [{ entry, index, subscription, token, disposition }] };
}

export class Scene {
  store: Store;
  readonly #opened: OpenedStore;
  #shared: Store[] = [];

  constructor(opened: OpenedStore) {
    this.#opened = opened;
    this.store = opened.store;
  }

  get bendsTime(): boolean {
    return this.#opened.advance !== undefined;
  }

  /** Lets the store's clock move on by at least `ms`. */
  async pass(ms: number): Promise<void> {
    if (this.#opened.advance) return this.#opened.advance(ms);
    // A timer counts from the beginning of its turn of the event loop, which may have been held up since: it may end at once.
    const end = performance.now() + ms;
    for (let left = ms; left > 0; left = end - performance.now())
      await new Promise((resolve) => setTimeout(resolve, left));
  }

  /** Asks again, a little of the store's time later, until there is an answer. */
  async until<T>(ask: () => Promise<T | undefined>): Promise<T> {
    for (let left = 1_000; left > 0; left--) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      await this.pass(5);
    }
    throw new Error('what the test waits for did not come about');
  }

  async reopen(): Promise<void> {
    this.store = await this.#opened.reopen!();
  }

  async share(): Promise<Store> {
    const store = await this.#opened.share!();
    this.#shared.push(store);
    return store;
  }

  async close(): Promise<void> {
    for (const store of this.#shared) await store.close();
    await this.#opened.close();
  }

  /** Becomes the owner of partition 0 and returns the epoch; waits for a short lease before it to end. */
  async own(worker = 'w1', leaseMs = hour): Promise<number> {
    const claim = await this.until(() => this.store.claim(0, worker, leaseMs, 1_000));
    return claim.epoch;
  }

  /** One request of these events. */
  async publish(...contents: readonly (string | Buffer)[]): Promise<void> {
    await this.store.append(
      0,
      contents.map((content) => event(content)),
    );
  }

  async log(epoch: number): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    for (;;) {
      const limits = { entriesMax: 1_000, bytesMax: 2 ** 24 };
      const { entries: more } = await this.store.read(0, epoch, entries.at(-1)?.id, limits);
      if (!more.length) return entries;
      entries.push(...more);
    }
  }

  /** Publishes an event and settles it with one delivery in the given state. */
  async hold(
    epoch: number,
    content: string | Buffer,
    disposition: Disposition,
    subscription: Incarnation = subA,
  ): Promise<Place> {
    await this.publish(content);
    const entry = (await this.log(epoch)).at(-1)!;
    await this.store.settle(0, epoch, onlyEntries(settled(entry, [0, subscription, disposition])));
    return { partition: 0, entry: entry.id, index: 0 };
  }

  /** Asks for due deliveries; everything that is not given is generous. */
  ask(epoch: number, ask: Partial<DueAsk> = {}): ReturnType<Store['due']> {
    return this.store.due(0, epoch, {
      max: 1_000,
      room: 1_000,
      rooms: new Map(),
      parked: new Map(),
      leaseMs: hour,
      token: 'w1-',
      ...ask,
    });
  }

  /** Receives as a consumer; everything that is not given is generous. */
  receive(ask: Partial<ReceiveAsk> = {}): ReturnType<Store['receive']> {
    return this.store.receive(0, { subscription: subA, max: 1_000, leaseMs: hour, token: 'c1-', ...ask });
  }

  async usageOf(subscription: Incarnation) {
    const { subscriptions } = await this.store.usage(0);
    return subscriptions.find((usage) => usage.subscription === subscription);
  }
}

/** Runs a test against a store of its own and closes it, whatever happens. */
export function withScene(
  open: OpenStore,
  limits: StoreLimits,
  run: (scene: Scene) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const scene = new Scene(await open(limits));
    try {
      await run(scene);
    } finally {
      await scene.close();
    }
  };
}

/** Expects a rejection with this code of the catalogue. */
export async function expectRefusal(call: Promise<unknown>, code: GridpostError['code']): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GridpostError);
  expect((error as GridpostError).code).toBe(code);
}

/** Deliveries that one call gave out may share a token; those of different calls never do. */
export function expectTokensApart(
  answers: readonly { readonly deliveries: readonly LeasedDelivery[] }[],
): void {
  const tokens = answers.flatMap(({ deliveries }) => [...new Set(deliveries.map(({ token }) => token))]);
  expect(new Set(tokens).size).toBe(tokens.length);
}
