/**
 * Random courses of one partition: rival workers that claim, read, settle, crash and come back, publishers beside
 * them, operators who redrive, purge and hasten, histories that are read and trimmed, journals, and calls that are made
 * twice. The store's answers are checked by ledgers; a failure names the seed that repeats it.
 */
import { randomInt } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Incarnation } from '@gridpost/model';
import { seededRandom } from '@gridpost/model/testing';
import {
  type AppendOptions,
  type AttemptBlock,
  attemptKinds,
  type DeadLetter,
  type Deferral,
  type Disposition,
  type DueAsk,
  Fenced,
  type HistoryOrder,
  type HistoryStart,
  type LeaseOutcome,
  type LogEntry,
  type PendingEvent,
  type ReceiveAsk,
  type SettleBatch,
} from '../port.js';
import { Permits } from '../permits.js';
import { allAttempts } from './attempts.js';
import { allPages } from './history.js';
import { HistoryLedger, signOf } from './history-ledger.js';
import { JournalLedger } from './journal-ledger.js';
import { Ledger } from './ledger.js';
import { hour, type Lacks, life, type OpenStore, roomy, type Scene, withScene } from './scene.js';

export interface RandomOptions {
  /** Default: another one in each run. */
  readonly seed?: number;
  /** Histories, each in a store of its own. Default 12. */
  readonly histories?: number;
  /** Steps of each. Default 80. */
  readonly steps?: number;
}

/** A duration that is over when the driver has let `passingMs` go by; the other one is an hour. */
const shortMs = 1;
const passingMs = 4;
const subscriptions: readonly Incarnation[] = ['rs1', 'rs2', 'rs3', 'rs4'].map(life);
const topics: readonly Incarnation[] = ['rt1', 'rt2'].map(life);
/** Of the first topic, an identity is stored once, and the same few come again and again. */
const unique: AppendOptions['unique'] & {} = new Map([
  [topics[0]!, { windowMs: hour, identitiesMax: 1_000 }],
]);
const identitiesMax = 60;
const workers = ['w1', 'w2', 'w3'];
const journals = ['random-a', 'random-b'];

export function describeRandom(open: OpenStore, lacks: Lacks, options: RandomOptions = {}): void {
  const { seed = randomInt(2 ** 31), histories = 12, steps = 80 } = options;
  describe('random histories', () => {
    test('lose nothing, invent nothing, and count everything', async () => {
      for (let history = 0; history < histories; history++) {
        await withScene(open, roomy, async (scene) => {
          const driver = new Driver(scene, seed + history, lacks.reopening === undefined);
          try {
            for (let step = 0; step < steps; step++) await driver.step();
            await driver.drain();
          } catch (error) {
            throw new Error(`seed ${seed + history}, after: ${driver.trace.slice(-12).join(', ')}`, {
              cause: error,
            });
          }
        })();
      }
    }, 120_000);
  });
}

/** What a worker believes; a crash is its loss. */
interface Knowledge {
  epoch: number | undefined;
  read: LogEntry[];
}

interface Lease extends Pick<LeaseOutcome, 'entry' | 'index' | 'subscription' | 'token'> {}

class Driver {
  readonly trace: string[] = [];
  readonly #scene: Scene;
  readonly #random: () => number;
  readonly #reopens: boolean;
  readonly #ledger = new Ledger();
  readonly #histories = new HistoryLedger();
  readonly #journals = new JournalLedger();
  readonly #knowledge = new Map<string, Knowledge>(
    workers.map((name) => [name, { epoch: undefined, read: [] }]),
  );
  /** Every lease ever given out, and the last batches settled: what a straggler may come back with. */
  readonly #leases: Lease[] = [];
  readonly #batches: SettleBatch[] = [];
  #owner: { worker: string; epoch: number; leaseMs: number; released: boolean } | undefined;
  #now = 0;
  readonly #permits = new Permits(() => this.#now);
  #moment = 0;
  #numbers = 0;

  constructor(scene: Scene, seed: number, reopens: boolean) {
    this.#scene = scene;
    this.#random = seededRandom(seed);
    this.#reopens = reopens;
  }

  async step(): Promise<void> {
    await this.#pass(1);
    const steps: readonly (readonly [weight: number, name: string, run: () => Promise<void>])[] = [
      [6, 'publish', () => this.#publish()],
      [3, 'claim', () => this.#claim()],
      [1, 'renew', () => this.#renew()],
      [1, 'release', () => this.#release()],
      [6, 'read', () => this.#read()],
      [1, 'begin', () => this.#begin()],
      [7, 'settle', () => this.#settle()],
      [2, 'repeat', () => this.#repeat()],
      [6, 'due', () => this.#due()],
      [5, 'conclude', () => this.#conclude()],
      [3, 'receive', () => this.#receive()],
      [3, 'conclude as consumer', () => this.#concludeAsConsumer()],
      [2, 'hasten', () => this.#hasten()],
      [1, 'redrive', () => this.#redrive()],
      [1, 'letGo', () => this.#letGo()],
      [0.4, 'purge', () => this.#purge()],
      [1, 'permits', () => this.#askPermits()],
      [1, 'history', () => this.#readHistory()],
      [1, 'trim history', () => this.#trimHistory()],
      [1, 'write journal', () => this.#writeJournal()],
      [1, 'read journal', () => this.#readJournal()],
      [0.3, 'forget identities', () => this.#forgetIdentities()],
      [1, 'crash', () => this.#crash()],
      [this.#reopens ? 0.5 : 0, 'reopen', () => this.#reopen()],
      [2, 'check', () => this.#check()],
    ];
    let at = this.#random() * steps.reduce((sum, [weight]) => sum + weight, 0);
    const [, name, run] = steps.find(([weight]) => (at -= weight) < 0) ?? steps[0]!;
    this.trace.push(name);
    await run();
  }

  /** Delivers everything that is left; then nothing may be left. */
  async drain(): Promise<void> {
    await this.#check();
    const epoch = await this.#own();
    const { store } = this.#scene;
    const entries = await this.#scene.log(epoch);
    this.#ledger.checkLog(entries);
    expect((await store.usage(0)).logEntries).toBe(entries.length);
    const batch = { entries: entries.map((entry) => this.#settled(entry, 0.5)), outcomes: [] };
    expect((await store.settle(0, epoch, batch)).removed).toBe(this.#ledger.settle(batch, this.#now));
    for (const subscription of subscriptions) {
      await this.#redriveAll(subscription);
      await store.purge(0, subscription, 1_000);
      this.#ledger.purge(subscription);
    }
    const usage = await store.usage(0);
    this.#ledger.checkUsage(usage);
    expect(usage).toMatchObject({ subscriptions: [], logEntries: 0 });
    expect(await this.#scene.log(epoch)).toEqual([]);
    expect(await this.#scene.ask(epoch)).toMatchObject({ deliveries: [], nextInMs: undefined });
  }

  async #publish(): Promise<void> {
    const requests = this.#times(1, 3, () => {
      const identified = this.#chance(0.5);
      return this.#times(1, this.#chance(0.1) ? 150 : 6, () => this.#event(identified));
    });
    const retained = requests.map(() => new Set(topics.filter(() => this.#chance(0.4))));
    // A settle beside them shares their commit, or does not: neither may notice the other.
    const settling = this.#chance(0.3) ? this.#settle() : undefined;
    const answers = await Promise.all(
      requests.map((events, request) => {
        const options: AppendOptions = { retained: retained[request]! };
        const identified = events.some(({ identity }) => identity);
        return this.#scene.store.append(0, events, identified ? { ...options, unique } : options);
      }),
    );
    await settling;
    for (const logged of this.#ledger.accepted(requests, answers, ++this.#moment))
      if (retained[logged.request]!.has(logged.event.topic)) this.#histories.add(logged);
  }

  async #claim(): Promise<void> {
    await this.#pass(passingMs);
    const worker = this.#pick(workers)!;
    const owner = this.#owner;
    const leaseMs = this.#duration();
    const claim = await this.#scene.store.claim(0, worker, leaseMs, 100_000);
    const free = !owner || owner.released || owner.worker === worker || owner.leaseMs === shortMs;
    expect(claim !== undefined).toBe(free);
    if (!claim) return;
    expect(claim.epoch).toBeGreaterThan(owner?.epoch ?? 0);
    const unclean = owner !== undefined && !owner.released;
    if (!unclean) expect(claim.suspectUpTo).toBeUndefined();
    const { epoch } = claim;
    this.#ledger.claimed();
    this.#owner = { worker, epoch, leaseMs, released: false };
    this.#knowledge.set(worker, { epoch, read: [] });
    const entries = await this.#scene.log(epoch);
    this.#ledger.checkLog(entries);
    if (unclean && entries.length) expect(entries.map(({ id }) => id)).toContain(claim.suspectUpTo);
  }

  async #renew(): Promise<void> {
    const { worker, epoch } = this.#someWorker();
    if (epoch === undefined) return;
    const leaseMs = this.#duration();
    const renewed = await this.#scene.store.renew(0, worker, epoch, leaseMs);
    const owner = this.#owner!;
    expect(renewed).toBe(owner.epoch === epoch && !owner.released);
    if (renewed) owner.leaseMs = leaseMs;
  }

  async #release(): Promise<void> {
    const { worker, epoch } = this.#someWorker();
    if (epoch === undefined) return;
    await this.#twice(() => this.#scene.store.release(0, worker, epoch));
    if (this.#owner!.epoch === epoch) this.#owner!.released = true;
    this.#knowledge.set(worker, { epoch: undefined, read: [] });
  }

  async #read(): Promise<void> {
    await this.#asOwner(async (epoch, knowledge) => {
      const after = this.#chance(0.2) ? undefined : knowledge.read.at(-1)?.id;
      const limits = { entriesMax: this.#count(1, 5), bytesMax: this.#count(1, 20_000) };
      const { entries } = await this.#scene.store.read(0, epoch, after, limits);
      for (const entry of entries) this.#ledger.learn(entry);
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      if (entries.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytesMax);
      if (after === undefined) {
        expect(entries.length > 0).toBe(this.#ledger.unsettledEvents > 0);
        knowledge.read = [...entries];
      } else knowledge.read.push(...entries);
    });
  }

  async #begin(): Promise<void> {
    await this.#asOwner(async (epoch, { read }) => {
      const entry = this.#pick(read);
      if (!entry) return;
      const index = this.#count(0, entry.events.length - 1);
      const before = await this.#twice(() => this.#scene.store.begin(0, epoch, entry.id, index));
      expect(before).toBe(this.#ledger.begin(entry.id, index, epoch));
    });
  }

  async #settle(): Promise<void> {
    await this.#asOwner(async (epoch, { read }) => {
      const chosen = new Set(
        this.#times(0, 4, () => this.#pick(read)).filter((entry) => entry !== undefined),
      );
      const entries = [...chosen].map((entry) => this.#settled(entry, 0.3));
      const outcomes = this.#outcomes(this.#count(0, 2));
      await this.#apply(epoch, { entries, outcomes, attempts: this.#attempts() });
    });
  }

  async #conclude(): Promise<void> {
    await this.#asOwner((epoch) =>
      this.#apply(epoch, { entries: [], outcomes: this.#outcomes(8), attempts: this.#attempts() }),
    );
  }

  async #repeat(): Promise<void> {
    const batch = this.#pick(this.#batches);
    if (batch) await this.#asOwner((epoch) => this.#apply(epoch, batch));
  }

  async #due(): Promise<void> {
    await this.#pass(passingMs);
    await this.#asOwner(async (epoch) => {
      const ask: DueAsk = {
        max: this.#count(1, 20),
        room: this.#count(0, 8),
        rooms: new Map(this.#times(0, 2, () => [this.#pick(subscriptions)!, this.#count(0, 4)] as const)),
        parked: new Map(this.#chance(0.15) ? [[this.#pick(subscriptions)!, hour]] : []),
        leaseMs: this.#duration(),
        token: `d${++this.#numbers}-`,
      };
      const result = await this.#scene.store.due(0, epoch, ask);
      this.#ledger.due(result, ask, this.#now, this.#scene.bendsTime);
      for (const { place, subscription, token } of result.deliveries) {
        const { entry, index } = place;
        this.#leases.push({ entry, index, subscription, token });
      }
    });
  }

  async #receive(): Promise<void> {
    await this.#pass(passingMs);
    const ask: ReceiveAsk = {
      subscription: this.#pick(subscriptions)!,
      max: this.#count(1, 8),
      leaseMs: this.#duration(),
      token: `c${++this.#numbers}-`,
    };
    const result = await this.#scene.store.receive(0, ask);
    this.#ledger.receive(result, ask, this.#now, this.#scene.bendsTime);
    for (const { place, subscription, token } of result.deliveries) {
      const { entry, index } = place;
      this.#leases.push({ entry, index, subscription, token });
    }
  }

  /** Owners' leases are as good as consumers' to it. */
  async #concludeAsConsumer(): Promise<void> {
    await this.#pass(passingMs);
    const outcomes = this.#outcomes(6);
    const { store } = this.#scene;
    const attempts = this.#attempts();
    const { applied, quotaEffects } = await store.conclude(0, outcomes, attempts);
    expect(applied).toEqual(this.#ledger.conclude(outcomes, this.#now, attempts));
    expect(quotaEffects).toEqual([]);
  }

  async #hasten(): Promise<void> {
    const subscription = this.#pick(subscriptions)!;
    await this.#twice(() => this.#scene.store.hasten(0, subscription));
    this.#ledger.hasten(subscription, this.#now);
  }

  async #redrive(): Promise<void> {
    const subscription = this.#pick(subscriptions)!;
    if (this.#chance(0.3)) return this.#redriveAll(subscription);
    const places = this.#ledger.placesOf(subscription).filter(() => this.#chance(0.5));
    const { store } = this.#scene;
    expect(await store.redrive(0, subscription, { places })).toBe(
      this.#ledger.redrive(subscription, places, this.#now),
    );
    expect(await store.redrive(0, subscription, { places })).toBe(0);
  }

  /** By number, oldest first: the first of the list as it was before. */
  async #redriveAll(subscription: Incarnation): Promise<void> {
    const dead = await this.#dead(subscription);
    const max = this.#count(1, 6);
    const count = await this.#scene.store.redrive(0, subscription, { max });
    expect(count).toBe(Math.min(max, dead.length));
    const places = dead.slice(0, count).map(({ place }) => place);
    expect(this.#ledger.redrive(subscription, places, this.#now)).toBe(count);
    this.#ledger.checkDead(subscription, await this.#dead(subscription));
  }

  async #letGo(): Promise<void> {
    const subscription = this.#pick(subscriptions)!;
    const chosen = (await this.#dead(subscription)).filter(() => this.#chance(0.5));
    const { store } = this.#scene;
    for (const letter of chosen)
      expect(await store.deadLetter(0, subscription, letter.place)).toEqual(letter);
    const others = chosen.map(({ place, deadLetteredAt }) => ({ place, deadLetteredAt: deadLetteredAt + 1 }));
    expect(await store.letGo(0, subscription, others)).toBe(0);
    expect(await store.letGo(0, subscription, chosen)).toBe(chosen.length);
    expect(await store.letGo(0, subscription, chosen)).toBe(0);
    for (const { place } of chosen) expect(await store.deadLetter(0, subscription, place)).toBeUndefined();
    this.#ledger.letGo(subscription, chosen);
  }

  async #purge(): Promise<void> {
    const subscription = this.#pick(subscriptions)!;
    const max = this.#count(1, 10);
    let total = 0;
    for (let count = max; count > 0; total += count) {
      count = await this.#scene.store.purge(0, subscription, max);
      expect(count).toBeLessThanOrEqual(max);
    }
    expect(total).toBe(this.#ledger.purge(subscription));
  }

  async #askPermits(): Promise<void> {
    await this.#pass(passingMs);
    const worker = this.#pick(workers)!;
    const asks = this.#times(1, 3, () => ({
      subscription: this.#pick(subscriptions)!,
      limit: this.#count(1, 3),
      wanted: this.#count(0, 3),
    }));
    const ttlMs = this.#duration();
    const { store } = this.#scene;
    expect(await store.permits(worker, asks, ttlMs)).toEqual(this.#permits.ask(worker, asks, ttlMs));
  }

  /** A topic's whole history, in pages of any size. */
  #history(topic: Incarnation, order?: HistoryOrder, start?: HistoryStart): ReturnType<typeof allPages> {
    return allPages(this.#scene, topic, this.#count(1, 60), order, start);
  }

  async #readHistory(): Promise<void> {
    const topic = this.#pick(topics)!;
    const all = await this.#history(topic);
    this.#histories.check(topic, all);
    const signs = all.map(signOf);
    expect((await this.#history(topic, 'newestFirst')).map(signOf)).toEqual(signs.toReversed());
    const first = this.#pick(all);
    if (!first) return;
    const { acceptedAt } = first;
    const [since, until] = [
      await this.#history(topic, 'oldestFirst', { acceptedAt }),
      await this.#history(topic, 'newestFirst', { acceptedAt }),
    ];
    expect(since.map(signOf)).toEqual(signs.filter((_, at) => all[at]!.acceptedAt >= acceptedAt));
    expect(until.map(signOf)).toEqual(
      signs.filter((_, at) => all[at]!.acceptedAt <= acceptedAt).toReversed(),
    );
  }

  async #trimHistory(): Promise<void> {
    await this.#pass(passingMs);
    const { store } = this.#scene;
    const topic = this.#pick(topics)!;
    const before = await this.#history(topic);
    const ageMs = this.#chance(0.2) ? shortMs : hour;
    const bounds = { ageMs, ...(this.#chance(0.8) ? { bytesMax: this.#count(0, 100_000) } : {}) };
    const max = this.#count(1, 30);
    const count = await store.trimHistory(0, topic, bounds, max);
    expect(count).toBeLessThanOrEqual(max);
    const after = await this.#history(topic);
    expect(after.length < before.length).toBe(count > 0);
    const how = { isOld: ageMs === shortMs, done: count < max };
    this.#histories.trimmed(before, after, bounds, how);
    if (how.done) expect(await store.trimHistory(0, topic, bounds, max)).toBe(0);
    this.#histories.check(topic, after);
  }

  async #writeJournal(): Promise<void> {
    await this.#pass(passingMs);
    const journal = this.#pick(journals)!;
    const outlived = this.#chance(0.15);
    // What is written by a call that takes longer than so short an age may be too old for it already.
    const texts = outlived
      ? []
      : this.#times(0, 6, () => `${++this.#numbers} ${'ü'.repeat(this.#count(0, 300))}`);
    const bounds = { recordsMax: this.#count(1, 20), olderThanMs: outlived ? shortMs : hour };
    await this.#scene.store.journals.appendRecords(journal, texts, bounds);
    this.#journals.written(journal, texts, bounds.recordsMax, outlived);
    await this.#checkJournal(journal, undefined);
  }

  async #readJournal(): Promise<void> {
    const journal = this.#pick(journals)!;
    await this.#checkJournal(
      journal,
      this.#chance(0.3) ? undefined : this.#pick(this.#journals.idsOf(journal)),
    );
  }

  async #checkJournal(journal: string, before: string | undefined): Promise<void> {
    const max = this.#count(1, 25);
    const page = await this.#scene.store.journals.newestRecords(journal, before, max);
    this.#journals.check(journal, before, max, page);
  }

  async #forgetIdentities(): Promise<void> {
    const { store } = this.#scene;
    const count = this.#ledger.forgetIdentities();
    expect(await store.identities(0)).toEqual(count ? [{ topic: topics[0], count }] : []);
    const max = this.#count(1, 40);
    for (let left = count; left > 0; left -= max)
      expect(await store.forgetIdentities(0, topics[0]!, 0, max)).toBe(Math.min(max, left));
    expect(await store.forgetIdentities(0, topics[0]!, 0, max)).toBe(0);
  }

  async #crash(): Promise<void> {
    const worker = this.#pick(workers)!;
    this.#knowledge.set(worker, { epoch: undefined, read: [] });
    // It will not renew: let its lease run out soon, so that the history goes on.
    const owner = this.#owner;
    if (owner?.worker !== worker || owner.released) return;
    expect(await this.#scene.store.renew(0, worker, owner.epoch, shortMs)).toBe(true);
    owner.leaseMs = shortMs;
  }

  async #reopen(): Promise<void> {
    const owner = this.#owner;
    if (owner && !owner.released) {
      expect(await this.#scene.store.renew(0, owner.worker, owner.epoch, shortMs)).toBe(true);
      owner.leaseMs = shortMs;
    }
    for (const worker of workers) {
      this.#knowledge.set(worker, { epoch: undefined, read: [] });
      // A store may forget permits when it is reopened.
      const asks = subscriptions.map((subscription) => ({ subscription, limit: 1, wanted: 0 }));
      await this.#scene.store.permits(worker, asks, hour);
      this.#permits.ask(worker, asks, hour);
    }
    await this.#scene.reopen();
    await this.#check();
  }

  async #check(): Promise<void> {
    this.#ledger.checkUsage(await this.#scene.store.usage(0));
    for (const subscription of subscriptions) {
      this.#ledger.checkDead(subscription, await this.#dead(subscription));
    }
    for (const kind of attemptKinds)
      this.#ledger.checkAttempts(kind, await allAttempts(this.#scene, kind, this.#count(1, 20_000)));
    for (const topic of topics) this.#histories.check(topic, await allPages(this.#scene, topic, 1_000));
    expect((await this.#scene.store.histories(0)).toSorted()).toEqual(this.#histories.topics);
    for (const journal of journals) await this.#checkJournal(journal, undefined);
  }

  async #dead(subscription: Incarnation): Promise<DeadLetter[]> {
    const dead: DeadLetter[] = [];
    let after: string | undefined;
    do {
      const page = await this.#scene.store.deadLetters(0, subscription, after, this.#count(1, 9));
      dead.push(...page.deadLetters);
      after = page.next;
    } while (after !== undefined);
    return dead;
  }

  /** Settles the batch, perhaps twice, and compares. */
  async #apply(epoch: number, batch: SettleBatch): Promise<void> {
    const { store } = this.#scene;
    const { removed, quotaEffects } = await store.settle(0, epoch, batch);
    expect(removed).toBe(this.#ledger.settle(batch, this.#now));
    expect(quotaEffects).toEqual([]);
    if (this.#chance(0.2)) {
      expect((await store.settle(0, epoch, batch)).removed).toBe(0);
      expect(this.#ledger.settle(batch, this.#now)).toBe(0);
    }
    this.#batches.push(batch);
    if (this.#batches.length > 10) this.#batches.shift();
  }

  /** Runs a call as a worker that believes to own the partition, and sees it refused if that is over. */
  async #asOwner(call: (epoch: number, knowledge: Knowledge) => Promise<void>): Promise<void> {
    const { worker, epoch } = this.#someWorker();
    if (epoch === undefined) return;
    if (this.#owner!.epoch === epoch) await call(epoch, this.#knowledge.get(worker)!);
    else {
      await expect(this.#scene.store.settle(0, epoch, { entries: [], outcomes: [] })).rejects.toThrow(Fenced);
      await expect(this.#scene.ask(epoch)).rejects.toThrow(Fenced);
      this.#knowledge.set(worker, { epoch: undefined, read: [] });
    }
  }

  /** Becomes the owner whatever happened before. */
  async #own(): Promise<number> {
    const owner = this.#owner;
    if (owner && !owner.released) await this.#scene.store.renew(0, owner.worker, owner.epoch, shortMs);
    return this.#scene.own('w9');
  }

  #someWorker(): { worker: string; epoch: number | undefined } {
    const owner = this.#owner;
    const worker = owner && this.#chance(0.85) ? owner.worker : this.#pick(workers)!;
    return { worker, epoch: this.#knowledge.get(worker)!.epoch };
  }

  #settled(entry: LogEntry, share: number): SettleBatch['entries'][number] {
    const deferrals: Deferral[] = [];
    const events = new Map<number, PendingEvent>();
    // What befalls several events of an entry alike may be stored together.
    const together = new Map(subscriptions.map((subscription) => [subscription, this.#disposition()]));
    const alike = this.#chance(0.5) ? 0.9 : 0.1;
    for (const [index, event] of entry.events.slice(0, 20).entries()) {
      for (const subscription of subscriptions) {
        if (!this.#chance(share)) continue;
        const disposition = this.#chance(alike) ? together.get(subscription)! : this.#disposition();
        deferrals.push({ index, subscription, disposition });
        events.set(index, event);
        if (disposition.kind !== 'leased') continue;
        this.#leases.push({ entry: entry.id, index, subscription, token: disposition.token });
      }
    }
    return { id: entry.id, acceptedAt: entry.acceptedAt, deferrals, events };
  }

  #attempts(): AttemptBlock[] {
    return this.#times(0, 2, () => {
      const block = Buffer.alloc(this.#pick([1, 100, 3_000, 9_000])! + this.#count(0, 50), ++this.#numbers);
      return { kind: this.#pick(attemptKinds)!, block };
    });
  }

  #outcomes(max: number): LeaseOutcome[] {
    const recent = this.#leases.slice(-60);
    const chosen = new Set(
      this.#times(0, max, () => this.#pick(recent)).filter((lease) => lease !== undefined),
    );
    // Leases that share a token, or some of them, often end together.
    for (const { token } of [...chosen]) {
      for (const lease of recent) if (lease.token === token && this.#chance(0.7)) chosen.add(lease);
    }
    const together = this.#conclusion();
    const alike = this.#chance(0.5) ? 0.9 : 0;
    return [...chosen].map((lease) => {
      const disposition = this.#chance(alike) ? together : this.#conclusion();
      // A lock that is prolonged keeps its token.
      const prolonged = disposition.kind === 'leased' && this.#chance(0.3);
      return { ...lease, disposition: prolonged ? { ...disposition, token: lease.token } : disposition };
    });
  }

  #conclusion(): LeaseOutcome['disposition'] {
    return this.#chance(0.5) ? { kind: 'finished' } : this.#disposition();
  }

  #disposition(): Disposition {
    const state = { attempts: this.#count(0, 9), liveFrom: this.#count(1, 1_000_000) };
    const ms = this.#duration();
    switch (this.#count(0, 3)) {
      case 0:
        return { kind: 'deadLettered', reason: 'TimeToLiveExceeded', state };
      case 1:
        return { kind: 'leased', leaseMs: ms, token: `s${++this.#numbers}`, state };
      default:
        return { kind: 'deferred', dueInMs: ms === shortMs ? 0 : ms, state };
    }
  }

  #event(identified: boolean): PendingEvent {
    const size = this.#pick([8, 100, 600, 3_000, 9_000])! + this.#count(0, 50);
    const frame = Buffer.alloc(size, this.#count(0, 255));
    frame.writeUInt32LE(++this.#numbers, 0);
    const topic = this.#pick(topics)!;
    if (!identified || !unique.has(topic)) return { topic, frame };
    return { topic, frame, identity: Buffer.alloc(16, this.#count(1, identitiesMax)) };
  }

  async #pass(ms: number): Promise<void> {
    // Real time passes by itself; only waiting for something short to end has to be waited for.
    if (this.#scene.bendsTime || ms > 1) await this.#scene.pass(ms);
    this.#now += ms;
  }

  /** Makes the call a second time now and then; the answer is that of the last. */
  async #twice<T>(call: () => Promise<T>): Promise<T> {
    const answer = await call();
    return this.#chance(0.3) ? call() : answer;
  }

  #duration(): number {
    return this.#chance(0.5) ? shortMs : hour;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #count(min: number, max: number): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }

  #times<T>(min: number, max: number, make: () => T): T[] {
    return Array.from({ length: this.#count(min, max) }, make);
  }
}
