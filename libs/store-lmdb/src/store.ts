/** The store's calls, each handed to the file whose subject it is. One partition, numbered 0. */
import { type Clock, GridpostError, type Incarnation, type Place } from '@gridpost/model';
import {
  Announcements,
  announcedBy,
  type AppendOptions,
  type AppendResult,
  type AttemptBlock,
  type AttemptKind,
  type AttemptPage,
  attemptQuotaOf,
  checkedJournals,
  type AttemptUsage,
  type Claim,
  type ConcludeResult,
  type DeadLetter,
  type DeadLetterKey,
  type DeadLetterPage,
  DeferralWatch,
  type DueAsk,
  type DueResult,
  type HistoryBounds,
  type HistoryOrder,
  type HistoryPage,
  type HistoryStart,
  type Journals,
  type LeaseOutcome,
  type PartitionUsage,
  type PendingEvent,
  type Permit,
  type PermitAsk,
  Permits,
  quotaOf,
  type ReadLimits,
  type ReadResult,
  type ReceiveAsk,
  type ReceiveResult,
  type RememberedIdentities,
  releasedBy,
  type SettleBatch,
  type SettleResult,
  type Store,
  type StoreHealth,
  type StoreInfo,
  type StoreLimits,
  type StoreSupports,
} from '@gridpost/store';
import type { RootDatabase } from 'lmdb';
import { Attempts } from './attempts.js';
import { Commits } from './commits.js';
import { DeadLetters } from './dead-letters.js';
import { Deliveries } from './deliveries.js';
import { Due } from './due.js';
import { History } from './history.js';
import { Identities } from './identities.js';
import { LmdbJournals } from './journals.js';
import { entryNumber, openTables } from './layout.js';
import { Lines } from './lines.js';
import { Log } from './log.js';
import { Notes } from './notes.js';
import type { OwnerLock } from './owner-lock.js';
import { Ownership } from './ownership.js';
import { Payloads } from './payloads.js';
import { Quotas } from './quotas.js';
import { LmdbResources } from './resources.js';
import { Runs } from './runs.js';
import { Settling } from './settling.js';
import { Space } from './space.js';

export interface StoreParts {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly lock: OwnerLock;
  readonly directory: string;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly commitTimeoutMs: number;
  readonly tailBytesMax: number;
}

export class LmdbStore implements Store {
  readonly info: StoreInfo;
  readonly supports: StoreSupports = { sharing: false };
  readonly resources: LmdbResources;
  readonly journals: Journals;
  readonly #parts: StoreParts;
  readonly #commits: Commits;
  readonly #ownership: Ownership;
  readonly #notes: Notes;
  readonly #log: Log;
  readonly #history: History;
  readonly #identities: Identities;
  readonly #lines: Lines;
  readonly #deliveries: Deliveries;
  readonly #due: Due;
  readonly #deadLetters: DeadLetters;
  readonly #settling: Settling;
  readonly #attempts: Attempts;
  readonly #processes: Announcements;
  readonly #permits: Permits;
  readonly #redriveWakers = new Set<(partition: number) => void>();
  readonly #watch = new DeferralWatch();
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    const { root, directory, limits, clock, commitTimeoutMs, tailBytesMax } = parts;
    this.#parts = parts;
    this.#processes = new Announcements(() => clock.elapsed());
    this.#permits = new Permits(() => clock.elapsed());
    this.info = { kind: 'lmdb', place: directory, partitions: 1, durability: 'disk' };
    const tables = openTables(root);
    const space = new Space(root, tables, limits);
    const commits = new Commits(root, tables.meta, commitTimeoutMs);
    const resources = new LmdbResources(tables, commits);
    const ownership = new Ownership(tables.meta, clock);
    const notes = new Notes(tables.notes);
    const history = new History(tables, clock, space);
    const identities = new Identities(tables);
    const version = () => resources.version;
    const log = new Log({ tables, commits, history, identities, space, clock, version, tailBytesMax });
    const lines = new Lines(tables);
    const runs = new Runs(tables, space);
    const payloads = new Payloads(tables, space);
    const deliveries = new Deliveries({ tables, lines, runs, payloads, clock, space });
    const quotas = new Quotas(tables, lines, runs, deliveries, quotaOf(limits, 1));
    const attempts = new Attempts({ tables, clock, space, quota: attemptQuotaOf(limits, 1) });
    commits.follow([space, resources, ownership, notes, log, runs, payloads, lines, quotas, attempts]);
    this.#commits = commits;
    this.resources = resources;
    this.journals = checkedJournals(new LmdbJournals(tables, commits, clock));
    this.#ownership = ownership;
    this.#notes = notes;
    this.#history = history;
    this.#identities = identities;
    this.#log = log;
    this.#lines = lines;
    this.#deliveries = deliveries;
    this.#due = new Due({ tables, lines, runs, payloads, deliveries, clock });
    this.#deadLetters = new DeadLetters(tables, runs, payloads, deliveries);
    this.#attempts = attempts;
    const settling = { clock, ownership, log, notes, lines, runs, payloads, deliveries, quotas, attempts };
    this.#settling = new Settling(settling);
  }

  async health(): Promise<StoreHealth> {
    if (this.#closing) return { ok: false, reason: 'the store is closed' };
    // Nothing else may try in the meantime, if those who ask turn traffic away until the answer is good.
    if (this.#commits.failure) await this.#commits.probe().catch(() => {});
    const { failure } = this.#commits;
    return failure ? { ok: false, reason: failure.message } : { ok: true };
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  append(
    partition: number,
    events: readonly PendingEvent[],
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const refusal = this.#refusal(partition);
    return refusal ? Promise.reject(refusal) : this.#log.append(events, options);
  }

  onAppend(wake: (partition: number) => void): () => void {
    return this.#log.onAppend(wake);
  }

  async announce(...args: Parameters<Store['announce']>): Promise<string[]> {
    return this.#processes.announce(...args);
  }

  async withdraw(...args: Parameters<Store['withdraw']>): Promise<void> {
    this.#processes.withdraw(...args);
  }

  async permits(worker: string, asks: readonly PermitAsk[], ttlMs: number): Promise<Permit[]> {
    return this.#permits.ask(worker, asks, ttlMs);
  }

  async claim(
    partition: number,
    worker: string,
    leaseMs: number,
    suspectEvents: number,
  ): Promise<Claim | undefined> {
    this.#check(partition);
    return this.#commits.change(() => {
      const claim = this.#ownership.claim(worker, leaseMs);
      if (!claim) return undefined;
      this.#lines.unparkAll();
      const { epoch, clean } = claim;
      const suspectUpTo = clean ? undefined : this.#log.lastWithin(suspectEvents);
      return suspectUpTo === undefined ? { epoch } : { epoch, suspectUpTo };
    });
  }

  async renew(partition: number, worker: string, epoch: number, leaseMs: number): Promise<boolean> {
    this.#check(partition);
    return this.#ownership.renew(worker, epoch, leaseMs);
  }

  async release(partition: number, worker: string, epoch: number): Promise<void> {
    this.#check(partition);
    await this.#commits.change(() => this.#ownership.release(worker, epoch));
  }

  async read(
    partition: number,
    epoch: number,
    after: string | undefined,
    limits: ReadLimits,
  ): Promise<ReadResult> {
    this.#check(partition);
    this.#ownership.fence(epoch);
    const found = this.#log.read(after, limits);
    return { ...found, version: this.resources.version, now: this.#parts.clock.now() };
  }

  async begin(partition: number, epoch: number, entry: string, index: number): Promise<number> {
    this.#check(partition);
    return this.#commits.change(() => {
      this.#ownership.fence(epoch);
      return this.#log.has(entry) ? this.#notes.begin(entryNumber(entry), index, epoch) : 0;
    });
  }

  async settle(partition: number, epoch: number, batch: SettleBatch): Promise<SettleResult> {
    this.#check(partition);
    const { step, result } = this.#settling.step(epoch, batch);
    this.#commits.submit(step);
    const settled = await result;
    this.#announce(announcedBy(batch));
    return settled;
  }

  async receive(partition: number, ask: ReceiveAsk): Promise<ReceiveResult> {
    this.#check(partition);
    return this.#commits.change(() => this.#due.receive(ask));
  }

  async conclude(
    partition: number,
    outcomes: readonly LeaseOutcome[],
    attempts?: readonly AttemptBlock[],
  ): Promise<ConcludeResult> {
    this.#check(partition);
    const result = await this.#commits.change(() => this.#settling.conclude(outcomes, attempts));
    this.#announce(releasedBy(outcomes));
    return result;
  }

  onDeferred(subscription: Incarnation, wake: (partition: number) => void): () => void {
    return this.#watch.listen(subscription, wake);
  }

  async due(partition: number, epoch: number, ask: DueAsk): Promise<DueResult> {
    this.#check(partition);
    return this.#commits.change(() => {
      this.#ownership.fence(epoch);
      return this.#due.lease(epoch, ask);
    });
  }

  async hasten(partition: number, subscription: Incarnation): Promise<void> {
    this.#check(partition);
    await this.#commits.change(() => this.#due.hasten(subscription));
  }

  async deadLetters(
    partition: number,
    subscription: Incarnation,
    after: string | undefined,
    max: number,
  ): Promise<DeadLetterPage> {
    this.#check(partition);
    const line = this.#lines.find(subscription);
    return line ? this.#deadLetters.page(line, after, max) : { deadLetters: [] };
  }

  async deadLetter(
    partition: number,
    subscription: Incarnation,
    place: Place,
  ): Promise<DeadLetter | undefined> {
    this.#check(partition);
    const line = this.#lines.find(subscription);
    return line && this.#deadLetters.find(line, place);
  }

  async letGo(
    partition: number,
    subscription: Incarnation,
    deadLetters: readonly DeadLetterKey[],
  ): Promise<number> {
    this.#check(partition);
    return this.#commits.change(() => {
      const line = this.#lines.find(subscription);
      return line ? this.#deadLetters.letGo(line, deadLetters) : 0;
    });
  }

  async redrive(
    partition: number,
    subscription: Incarnation,
    which: { readonly places: readonly Place[] } | { readonly max: number },
  ): Promise<number> {
    this.#check(partition);
    const count = await this.#commits.change(() => {
      const line = this.#lines.find(subscription);
      return line ? this.#deadLetters.redrive(line, which) : 0;
    });
    if (count > 0) for (const wake of this.#redriveWakers) wake(partition);
    return count;
  }

  onRedrive(wake: (partition: number) => void): () => void {
    this.#redriveWakers.add(wake);
    return () => void this.#redriveWakers.delete(wake);
  }

  async usage(partition: number): Promise<PartitionUsage> {
    this.#check(partition);
    const subscriptions = Array.from(this.#lines, (line) => ({
      subscription: line.subscription,
      deferred: line.deferred,
      deferredBytes: line.deferredBytes,
      deadLettered: line.dead,
      deadLetteredBytes: line.deadBytes,
      oldestAcceptedAt: this.#deliveries.oldestAcceptedAt(line),
    }));
    return { subscriptions, logEntries: this.#log.entries, now: this.#parts.clock.now() };
  }

  async purge(partition: number, subscription: Incarnation, max: number): Promise<number> {
    this.#check(partition);
    return this.#commits.change(() => {
      const line = this.#lines.find(subscription);
      return line ? this.#deadLetters.purge(line, max) : 0;
    });
  }

  async history(
    partition: number,
    topic: Incarnation,
    start: HistoryStart | undefined,
    max: number,
    order?: HistoryOrder,
  ): Promise<HistoryPage> {
    this.#check(partition);
    return this.#history.page(topic, start, max, order);
  }

  async histories(partition: number): Promise<Incarnation[]> {
    this.#check(partition);
    return this.#history.topics();
  }

  async trimHistory(
    partition: number,
    topic: Incarnation,
    bounds: HistoryBounds,
    max: number,
  ): Promise<number> {
    this.#check(partition);
    return this.#commits.change(() => this.#history.trim(topic, bounds, max));
  }

  async identities(partition: number): Promise<RememberedIdentities[]> {
    this.#check(partition);
    return this.#identities.remembered();
  }

  async forgetIdentities(
    partition: number,
    topic: Incarnation,
    olderThanMs: number,
    max: number,
  ): Promise<number> {
    this.#check(partition);
    const before = this.#parts.clock.now() - olderThanMs;
    return this.#commits.change(() => this.#identities.forget(topic, before, max));
  }

  async attempts(
    partition: number,
    kind: AttemptKind,
    before: string | undefined,
    bytesMax: number,
  ): Promise<AttemptPage> {
    this.#check(partition);
    return this.#attempts.page(kind, before, bytesMax);
  }

  async attemptUsage(partition: number): Promise<Readonly<Record<AttemptKind, AttemptUsage>>> {
    this.#check(partition);
    return this.#attempts.usage();
  }

  #announce(subscriptions: ReadonlySet<Incarnation>): void {
    for (const subscription of subscriptions) this.#watch.wake(0, subscription);
  }

  async #end(): Promise<void> {
    await this.#commits.close();
    await this.#parts.root.close();
    await this.#parts.lock.release();
  }

  #check(partition: number): void {
    const refusal = this.#refusal(partition);
    if (refusal) throw refusal;
  }

  #refusal(partition: number): Error | undefined {
    if (this.#closing) return new GridpostError('StoreUnavailable', 'the store is closed');
    return partition === 0 ? undefined : new RangeError(`there is no partition ${partition}`);
  }
}
